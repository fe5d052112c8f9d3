"""The numbers devices show now, for sends that change them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from uuid import UUID

from tocsin.eventlog.record import Record
from tocsin.projections.cursors import passed_schemas
from tocsin.projections.deliveries import SCHEMA, badges
from tocsin.workers.delivery.briefs import Brief

PATIENCE = 0.5
"""Seconds a send waits for the read model to know of those before it. An alert is not held up for a number's sake."""


class Badges:
    """Asks the read model, once it has come to where a send began: two sends in a row count one after the other."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._passed = -1

    def are_known(self, brief: Brief) -> bool:
        """Whether the numbers are as the sends before this one left them, or were waited for long enough."""
        audience = brief.send.audience
        if not brief.messages.change_badges or audience is None or self._passed >= audience.as_of:
            return True
        with self._record.sessions.connection() as connection:
            self._passed = passed_schemas(connection, [SCHEMA])
        return self._passed >= audience.as_of or time.monotonic() > brief.known_since + PATIENCE

    def now(self, device_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """What these devices show; one that was never told a number is not in the answer."""
        if not device_ids:
            return {}
        with self._record.sessions.connection() as connection:
            return badges(connection, device_ids)
