"""What the fake devices received, what was refused, and the counters over both."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from tocsin.sandbox.exchange import Request, read_json

ANSWERS = ("accepted", "refused", "all")


@dataclass(slots=True)
class Push:
    """A push request as the provider understood it. ``token`` is empty where the request was too broken to name one."""

    request: Request
    token: str = ""
    topic: str = ""
    message_id: str = ""
    delivers: bool = True


@dataclass(slots=True)
class Entry:
    """One push request in the journal. ``seconds`` is the time since the epoch; ``answer`` the status and reason."""

    sequence: int
    provider: str
    push: Push
    seconds: float
    answer: str
    delivered: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "provider": self.provider,
            "token": self.push.token,
            "time": _iso(self.seconds),
            "message_id": self.push.message_id,
            "topic": self.push.topic,
            "answer": self.answer,
            "delivered": self.delivered,
            "headers": self.push.request.headers,
            "payload": _payload(self.push.request.body),
        }


@dataclass(slots=True)
class Device:
    """Counters of one fake device."""

    provider: str
    token: str
    received: int = 0
    refused: int = 0
    last_seconds: float = 0.0
    last_answer: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "token": self.token,
            "received": self.received,
            "refused": self.refused,
            "last_time": _iso(self.last_seconds),
            "last_answer": self.last_answer,
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries to list. ``since`` is a sequence number, itself excluded; ``contains`` is part of a token."""

    provider: str = ""
    token: str = ""
    contains: str = ""
    since: int | None = None
    limit: int | None = None
    answer: str = "accepted"

    def takes(self, entry: Entry) -> bool:
        return (
            self.takes_device(entry.provider, entry.push.token)
            and (self.since is None or entry.sequence > self.since)
            and (self.answer == "all" or entry.delivered == (self.answer == "accepted"))
        )

    def takes_device(self, provider: str, token: str) -> bool:
        return (
            (not self.provider or provider == self.provider)
            and (not self.token or token == self.token)
            and (not self.contains or self.contains.lower() in token.lower())
        )


@dataclass(slots=True)
class Journal:
    """The latest ``keep`` push requests in full, counters for all of them. Used from one thread only."""

    clock: Callable[[], float]
    keep: int
    entries: deque[Entry] = field(init=False)
    sequence: int = 0
    total: int = 0
    token_requests: Counter[str] = field(default_factory=Counter)
    by_provider: Counter[str] = field(default_factory=Counter)
    by_answer: Counter[tuple[str, str]] = field(default_factory=Counter)
    devices: dict[tuple[str, str], Device] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.entries = deque(maxlen=self.keep)

    def record(self, provider: str, push: Push, answer: str, delivered: bool) -> None:
        """Note one push request and its answer. ``delivered``: the fake device shows it."""
        push.request.forget_credentials()
        self.sequence += 1
        self.total += 1
        self.by_provider[provider] += 1
        self.by_answer[provider, answer] += 1
        entry = Entry(self.sequence, provider, push, self.clock(), answer, delivered)
        self.entries.append(entry)
        self._count_device(entry)

    def record_token_request(self, provider: str) -> None:
        self.token_requests[provider] += 1

    def reset(self) -> None:
        """Forget everything but the sequence numbers, so that a reader's ``since`` stays true."""
        self.entries.clear()
        self.total = 0
        self.token_requests.clear()
        self.by_provider.clear()
        self.by_answer.clear()
        self.devices.clear()

    def select(self, selection: Selection) -> list[Entry]:
        """In order of arrival. A ``limit`` keeps the latest, or with ``since`` the next ones, so a reader can page."""
        if selection.since is not None:
            return list(islice(filter(selection.takes, self.entries), selection.limit))
        newest_first = islice(filter(selection.takes, reversed(self.entries)), selection.limit)
        return list(newest_first)[::-1]

    def select_devices(self, selection: Selection) -> Iterator[Device]:
        """Devices, the one that was last pushed to first."""
        for (provider, token), device in reversed(self.devices.items()):
            if selection.takes_device(provider, token):
                yield device

    def stats(self) -> dict[str, Any]:
        by_answer: dict[str, dict[str, int]] = {}
        for (provider, answer), count in sorted(self.by_answer.items()):
            by_answer.setdefault(provider, {})[answer] = count
        return {
            "total": self.total,
            "by_provider": dict(self.by_provider),
            "by_answer": by_answer,
            "distinct_tokens": len(self.devices),
            "delivered": sum(device.received for device in self.devices.values()),
            "token_requests": dict(self.token_requests),
            "last_sequence": self.sequence,
        }

    def _count_device(self, entry: Entry) -> None:
        if not entry.push.token:
            return
        key = (entry.provider, entry.push.token)
        device = self.devices.pop(key, None) or Device(*key)
        # Put back at the end: the dictionary stays in the order of the last push.
        self.devices[key] = device
        device.received += entry.delivered
        device.refused += not entry.delivered
        device.last_seconds, device.last_answer = entry.seconds, entry.answer


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _payload(body: bytes) -> Any:
    """The body as JSON, or as text where it is not JSON (WNS sends XML and raw bytes)."""
    try:
        return read_json(body)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")
