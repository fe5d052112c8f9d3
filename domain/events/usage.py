"""The Usage streams, one a report: what an installed app tells of its being used. Apart from the device's own stream,
which delivery reads before every push and which must stay short.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tocsin.domain.entry import Fact
from tocsin.domain.personal import Personal


class UsageReported(Fact, frozen=True, kw_only=True):
    """``registered``: it registered, changing something or not. ``opened``, ``closed``: the app was. ``place``: where
    the device was, ``{"latitude", "longitude"}`` in degrees (WGS 84)."""

    device_id: UUID
    registered: datetime | None = None
    opened: datetime | None = None
    closed: datetime | None = None
    place: Personal | None = None
