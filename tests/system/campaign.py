"""An app with many devices, and providers that outlive everything that is killed here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from uuid import UUID

import requests

from system.account import Account, unfaithful
from system.instance import Instance, eventually
from tocsin.administration import sandbox_configurations
from tocsin.sandbox.handle import SandboxHandle

PLATFORMS = {"apns": "ios", "fcm": "android", "wns": "windows"}

PROMPT, SLOW, FLAKY = "a", "b", "c"
"""How tokens begin: of devices whose provider answers at once, late, or first of all that it is unavailable."""

SLOW_MS = 1500
UNAVAILABLE = 20
"""How many calls of a send each provider refuses."""

ENDS_WITHIN = 180.0
"""Seconds: an abandoned attempt's lease is a minute, and a machine may be slow."""


@dataclass(frozen=True, slots=True)
class Push:
    """A send, what tells its pushes apart, and where the providers' journal stood before it."""

    send_id: str
    title: str
    providers: tuple[str, ...]
    since: int
    calls_before: int


class Campaign:
    """``carrier``: the stand-in providers. ``devices``: by provider and token."""

    def __init__(self, instance: Instance, carrier: SandboxHandle) -> None:
        self.instance = instance
        self.carrier = carrier
        self.app = ""
        self.devices: dict[tuple[str, str], UUID] = {}

    def prepare(self, devices: int) -> None:
        """Make the app, and import so many devices of all three providers."""
        self.app = self.instance.call("POST", "/apps", json={"name": "University"})["app_id"]
        for provider, configuration, secret in sandbox_configurations(self.carrier.providers):
            body = {"configuration": configuration, "secret": secret.decode()}
            self.instance.call("PUT", f"/apps/{self.app}/providers/{provider}", json=body)
        self._import([(provider, _token(number)) for number, provider in zip(range(devices), cycle(PLATFORMS))])
        self.carrier.set(prefix_faults=False)
        for provider in PLATFORMS:
            self.carrier.fault(provider=provider, token=SLOW, delay_ms=SLOW_MS)

    def _import(self, wanted: list[tuple[str, str]]) -> None:
        lines = [json.dumps(self._line(provider, token)) for provider, token in wanted]
        answers = self.instance.import_devices(self.app, lines)
        self.devices = {wanted[answer["line"] - 1]: UUID(answer["device_id"]) for answer in answers}
        assert len(self.devices) == len(wanted)

    def _line(self, provider: str, token: str) -> dict[str, str]:
        channel = self.carrier.providers["wns"]["channel_url"]
        return {"platform": PLATFORMS[provider], "token": channel + token if provider == "wns" else token}

    def request(self, title: str, *providers: str) -> Push:
        """Request a send to the devices of these providers (none named: all)."""
        asked = providers or tuple(PLATFORMS)
        for provider in asked:
            self.carrier.fault(provider=provider, token=FLAKY, status=503, retry_after=1, times=UNAVAILABLE)
        stats = self.carrier.stats()
        before = sum(stats["by_provider"].get(provider, 0) for provider in asked)
        audience = {"everyone": True, "platforms": [PLATFORMS[provider] for provider in asked]}
        body = {"message": {"title": title}, "audience": audience}
        # Answered at once: what is to happen in the middle of the send waits for no read model.
        at_once = {"Prefer": "respond-async"}
        send_id = self.instance.call("POST", f"/apps/{self.app}/sends", json=body, headers=at_once)["send_id"]
        return Push(send_id, title, asked, stats["last_sequence"], before)

    def wait_until_under_way(self, push: Push, calls: int) -> None:
        """Wait until the providers were called so often since the send was requested."""
        eventually(
            lambda: self._made(push) >= calls,
            lambda: f"{calls} calls for “{push.title}”, not {self._made(push)}; {self.instance.how_it_stands()}",
            every=0.005,
        )

    def _made(self, push: Push) -> int:
        by_provider = self.carrier.stats()["by_provider"]
        return sum(by_provider.get(provider, 0) for provider in push.providers) - push.calls_before

    def wait_until_ended(self, push: Push) -> None:
        """Wait until the API says that every device has its outcome."""
        eventually(lambda: self._has_ended(push), lambda: self._how_far(push), ENDS_WITHIN, every=0.2)

    def _has_ended(self, push: Push) -> bool:
        try:
            send = self.instance.call("GET", f"/apps/{self.app}/sends/{push.send_id}", may_be_away=True)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            return False
        return send is not None and bool(send["status"] == "completed")

    def _how_far(self, push: Push) -> str:
        """What the record says of a send, for a test that waits in vain for its end."""
        account = self.account(push)
        return (
            f"“{push.title}” ends; of {account.planned.total()} planned {account.outcomes.total()} have an outcome; "
            f"{self.instance.how_it_stands()}"
        )

    def account(self, push: Push) -> Account:
        """What the record says of the send."""
        with self.instance.record() as record:
            return Account.read(record, UUID(push.send_id))

    def broken_promises(self, push: Push) -> dict[str, set[UUID]]:
        """What the record and the providers' journal do not agree on, or should not agree on."""
        expected = [device for (provider, _), device in self.devices.items() if provider in push.providers]
        return unfaithful(self.account(push), expected, *self.calls(push))

    def calls(self, push: Push) -> tuple[Counter[UUID], Counter[UUID]]:
        """How often each device's provider accepted the message, and how often it was called at all."""
        journal = self.carrier.received(since=push.since, answer="all")
        ours = [entry for entry in journal if push.title in json.dumps(entry["payload"])]
        return self._count(entry for entry in ours if entry["delivered"]), self._count(ours)

    def _count(self, journal: Iterable[dict[str, Any]]) -> Counter[UUID]:
        return Counter(self.devices[entry["provider"], entry["token"]] for entry in journal)


def _token(number: int) -> str:
    return (PROMPT, SLOW, FLAKY)[number // len(PLATFORMS) % 3] + f"{number:063x}"
