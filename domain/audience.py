"""Who a send is for, as its sender said it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from tocsin.domain.personal import Personal

DEFAULT_PROFILE = "default"


class Criteria(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who belongs to a segment: devices that have any of ``tags``, or match ``expression`` (of neither: everyone),
    narrowed to ``properties`` and ``platforms`` as an audience is."""

    tags: tuple[str, ...] = ()
    expression: str | None = None
    properties: dict[str, tuple[Any, ...]] = {}
    platforms: tuple[str, ...] = ()


class Segment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A segment as it was when the send was requested. ``criteria`` None: there was none of that name; it is nobody."""

    name: str
    criteria: Criteria | None = None


class Audience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The union of everything named, narrowed to ``platforms``, ``properties`` and ``through`` where given.

    ``tags``: devices that have any of them. ``expression``: a boolean expression over tags such as
    ``(staff && !on-leave) || floor:3``. ``users`` and ``aliases`` are personal data of those named. ``segments``:
    audiences the app keeps by name. ``properties``: name to values; a device has one of the values of every name, or
    lists it. ``through``: the APIs a device may have registered through. ``profile``: which of the app's configurations
    the push goes through; a device that none of this name reaches is left out.
    """

    everyone: bool = False
    devices: tuple[UUID, ...] = ()
    users: tuple[Personal, ...] = ()
    aliases: tuple[Personal, ...] = ()
    tags: tuple[str, ...] = ()
    expression: str | None = None
    segments: tuple[Segment, ...] = ()
    properties: dict[str, tuple[Any, ...]] = {}
    platforms: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    profile: str = DEFAULT_PROFILE

    @property
    def names_someone(self) -> bool:
        """False where nothing at all was said, which is refused: an empty audience is never meant."""
        named = self.devices or self.users or self.aliases or self.tags or self.segments
        return bool(self.everyone or named or self.expression is not None)
