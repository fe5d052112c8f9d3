"""A request and its answer, the same over HTTP/1.1 and HTTP/2, and the ways in which an answer can be spoilt."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


class Ending(StrEnum):
    """What becomes of the exchange.

    ``answer``: the answer is sent. ``goaway``: it is sent, and the connection takes no further streams. ``reset``: the
    stream is reset, without an answer. ``hang``: nothing is ever sent. ``close``: the TCP connection is cut at once,
    under every other stream on it too.
    """

    ANSWER = "answer"
    GOAWAY = "goaway"
    RESET = "reset"
    HANG = "hang"
    CLOSE = "close"


@dataclass(slots=True)
class Request:
    """One HTTP request. ``headers`` has lower-case names and no pseudo-headers; ``query`` is still encoded.

    ``client_topic`` is the app id in a client certificate, empty without one. ``repeated`` names a header that came
    more than once. ``development``: it came to the port that plays Apple's development host.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    client_topic: str = ""
    repeated: str = ""
    development: bool = False

    def bearer(self) -> str | None:
        """The bearer token; an empty string where the header has another scheme, None where there is no header."""
        authorization = self.headers.get("authorization")
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        return token if scheme.lower() == "bearer" else ""

    def forget_credentials(self) -> None:
        """Drop what the sender proved itself with; done before a request is kept."""
        for name in CREDENTIAL_HEADERS:
            self.headers.pop(name, None)


@dataclass(slots=True)
class Answer:
    """One HTTP answer and how it ends. ``delay`` is in seconds; ``error_code`` is HTTP/2's (RFC 9113, section 7)."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    ending: Ending = Ending.ANSWER
    delay: float = 0.0
    error_code: int = 2
    authenticated: bool = True


class Refused(Exception):
    """A provider's "no". ``reason`` is in the provider's own words, ``detail`` is what its error body may add."""

    def __init__(self, status: int, reason: str, detail: str = "", field_path: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.field_path = field_path
        self.retry_after: int | None = None
        self.timestamp_ms: int | None = None


def read_json(body: bytes) -> Any:
    """The value of a JSON text (RFC 8259); raises ValueError, also for nesting too deep to read."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def json_answer(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, [("content-type", "application/json; charset=UTF-8"), *headers], json.dumps(value).encode())
