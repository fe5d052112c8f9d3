"""The Group streams: devices that belong together under one user, at most so many of them."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from tocsin.domain.entry import Fact


class Leaving(StrEnum):
    """``full``: it was the oldest of a full group when another joined. ``gone``: it was retired, or is another's."""

    FULL = "full"
    GONE = "gone"


class GroupJoined(Fact, frozen=True, kw_only=True):
    """``user_id``: whose group ``name`` it is."""

    user_id: UUID
    name: str
    device_id: UUID


class GroupLeft(Fact, frozen=True, kw_only=True):
    device_id: UUID
    reason: Leaving
