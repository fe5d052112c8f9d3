"""Who a send is for, as its sender said it."""

from __future__ import annotations

from uuid import UUID

import msgspec

from tocsin.domain.personal import Personal


class Audience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The union of everything named, narrowed to ``platforms`` where given.

    ``tags``: devices that have any of them. ``expression``: a boolean expression over tags such as
    ``(staff && !on-leave) || floor:3``. ``users`` and ``aliases`` are personal data of those named.
    """

    everyone: bool = False
    devices: tuple[UUID, ...] = ()
    users: tuple[Personal, ...] = ()
    aliases: tuple[Personal, ...] = ()
    tags: tuple[str, ...] = ()
    expression: str | None = None
    platforms: tuple[str, ...] = ()

    @property
    def names_someone(self) -> bool:
        """False where nothing at all was said, which is refused: an empty audience is never meant."""
        return bool(
            self.everyone or self.devices or self.users or self.aliases or self.tags or self.expression is not None
        )
