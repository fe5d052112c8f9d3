"""Ids that follow from what they name, so that whoever does a thing twice names it the same: UUIDv5 (RFC 9562, 5.5)."""

from __future__ import annotations

from uuid import UUID, uuid5


def user_stream_id(app_id: UUID, name_digest: bytes) -> UUID:
    """The stream, and data subject, of the user whose name has this keyed digest. Two apps' users are two people."""
    return uuid5(app_id, "user:" + name_digest.hex())


def chunk_stream_id(send_id: UUID, ordinal: int) -> UUID:
    """The stream of a send's chunk: a planner that begins again plans the same ones."""
    return uuid5(send_id, f"chunk:{ordinal}")


def exclusions_stream_id(send_id: UUID, ordinal: int) -> UUID:
    """The stream that names a portion of the devices left out of a send."""
    return uuid5(send_id, f"exclusions:{ordinal}")


def receipt_stream_id(send_id: UUID, device_id: UUID) -> UUID:
    """The stream of what a device reported of a send: no device has to be loaded to find it."""
    return uuid5(send_id, f"receipt:{device_id}")
