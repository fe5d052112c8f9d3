"""Ids that follow from what they name, so that whoever does a thing twice names it the same: UUIDv5 (RFC 9562, 5.5)."""

from __future__ import annotations

from hashlib import sha1
from uuid import UUID

DERIVED = 5
"""The version of every UUID made here, and of none that a caller may choose."""

HANDLE_LENGTH = 16
"""Letters and digits of a handle: an id in short form (``eventlog.handles``)."""


def named(namespace: UUID, name: str) -> UUID:
    """As ``uuid.uuid5``, which takes three times as long, and this is asked for every push and every user."""
    digest = sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=DERIVED)


def user_stream_id(app_id: UUID, name_digest: bytes) -> UUID:
    """The stream, and data subject, of the user whose name has this keyed digest. Two apps' users are two people."""
    return named(app_id, "user:" + name_digest.hex())


def chunk_stream_id(send_id: UUID, ordinal: int) -> UUID:
    """The stream of a send's chunk: a planner that begins again plans the same ones."""
    return named(send_id, f"chunk:{ordinal}")


def exclusions_stream_id(send_id: UUID, ordinal: int) -> UUID:
    """The stream that names a portion of the devices left out of a send."""
    return named(send_id, f"exclusions:{ordinal}")


def receipt_stream_id(send_id: UUID, device_id: UUID) -> UUID:
    """The stream of what a device reported of a send: no device has to be loaded to find it."""
    return named(send_id, f"receipt:{device_id}")


def token_key(provider: str, token: str, scope: str | None = None) -> str:
    """What a push token is told from others by: the same string at two providers, or in two scopes, is two tokens."""
    # No token holds NUL, so none in a scope is like one of the whole app.
    return f"{provider}:{token}" if scope is None else f"{provider}\0{scope}\0{token}"


def usage_stream_id(device_id: UUID, report: str) -> UUID:
    """The stream of one report of a device's use: what is told twice is one report, and no device has to be loaded."""
    return named(device_id, f"usage:{report}")


def group_stream_id(user_id: UUID, name: str) -> UUID:
    """The stream of a user's group of devices."""
    return named(user_id, f"group:{name}")
