"""A threat at a building: who is there, what is published, what is pushed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from tocsin.administration import sandbox_configurations
from tocsin.demo.client import Client

DEAD = "0410"
"""An APNs token that starts like this is answered by the sandbox: unregistered."""

PEOPLE: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("ada", "ios", "a1", ("staff", "building:library")),
    ("ada", "windows", "ada-desktop", ("staff", "building:library")),
    ("bob", "android", "bob-phone", ("staff", "building:library")),
    ("carol", "ios", "c3", ("student", "building:library")),
    ("dan", "android", "dan-phone", ("student", "building:library")),
    ("erin", "ios", DEAD, ("student", "building:library")),
    ("frank", "android", "frank-phone", ("student", "building:library")),
    ("grace", "ios", "f7", ("student", "building:museum")),
    ("heidi", "huawei", "heidi-phone", ("student", "building:library")),
)


class Incident:
    """Plays the incident step by step, saying what it does."""

    def __init__(self, client: Client, console: Console) -> None:
        self._client = client
        self._console = console
        self.app = ""
        self.devices: dict[str, str] = {}

    @property
    def path(self) -> str:
        """The app's place in the API."""
        return f"/apps/{self.app}"

    def prepare(self) -> None:
        """An app with its providers, people with their devices."""
        self._say("[bold]An app, its providers, and people with their devices[/bold]")
        self.app = self._client.call("POST", "/apps", {"name": "University alerts"})["app_id"]
        for provider, configuration, secret in sandbox_configurations(self._providers()):
            body = {"configuration": configuration, "secret": secret.decode()}
            self._client.call("PUT", f"{self.path}/providers/{provider}", body)
        for user, platform, token, tags in PEOPLE:
            self._register(user, platform, token, tags)
        frank = next(device for device, name in self.devices.items() if name.startswith("frank"))
        self._client.call("POST", f"{self.path}/devices/{frank}/opt-out", {"reason": "on holiday"})
        self._say(f"{len(self.devices)} devices of {len({person[0] for person in PEOPLE})} people are registered.")
        self._say("Frank has opted out, Erin's token is dead, and nobody reaches Heidi's kind of phone.\n")

    def alarm(self) -> list[tuple[str, str]]:
        """The threat and its two follow-ups, published and pushed; the sends with what they say."""
        self._say("[bold]A bomb threat at the library[/bold]")
        self._client.sandbox(
            "POST", "/faults", {"provider": "fcm", "status": 503, "reason": "UNAVAILABLE", "retry_after": 1, "times": 1}
        )
        notification = self._client.call(
            "POST",
            f"{self.path}/notifications",
            {
                "title": "Bomb threat at the library",
                "body": "Leave the building by the nearest exit and keep away.",
                "label": "security",
                "expires_at": (datetime.now(UTC) + timedelta(hours=4)).isoformat(),
            },
        )["notification_id"]
        sends = [("Bomb threat at the library", self._push({"notification_id": notification}))]
        for text in ("security services have arrived on scene", "Fire department working"):
            followup = self._client.call("POST", f"{self.path}/notifications/{notification}/followups", {"body": text})
            subject = {"notification_id": notification, "followup_id": followup["followup_id"]}
            sends.append((text, self._push(subject)))
        return sends

    def _push(self, subject: dict[str, Any]) -> str:
        request = {
            "subject": subject,
            "audience": {"expression": "building:library && (staff || student)"},
            "lane": "urgent",
        }
        send_id: str = self._client.call("POST", f"{self.path}/sends", request)["send_id"]
        with self._console.status("Sending …"):
            send = self._client.completed(f"{self.path}/sends/{send_id}")
        self._say(f"pushed, and every device has its outcome: {_counted(send['outcomes'])}")
        return send_id

    def _register(self, user: str, platform: str, token: str, tags: tuple[str, ...]) -> None:
        body = {"platform": platform, "token": self._token(platform, token), "user": user, "tags": list(tags)}
        device = self._client.call("POST", f"{self.path}/devices", body)["device_id"]
        self.devices[device] = f"{user}, {platform}"

    def _token(self, platform: str, token: str) -> str:
        if platform == "ios":
            return token.ljust(64, "0")
        if platform == "windows":
            return f"{self._providers()['wns']['channel_url']}{token}"
        return token

    def _providers(self) -> dict[str, Any]:
        file = Path(self._client.environment["SANDBOX_CA_FILE"]).with_name("providers.json")
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return known

    def _say(self, text: str) -> None:
        self._console.print(text)


def _counted(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in outcomes.items() if count)
