"""The read model of usage: when devices registered, were opened and closed, and where they were."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import args_row

from tocsin.domain.entry import Entry
from tocsin.domain.events.device import DeviceRetired, Retirement
from tocsin.domain.events.usage import UsageReported
from tocsin.projections.erasure import Erasures
from tocsin.projections.projection import Projection, Target, of_streams


class Usage(msgspec.Struct, frozen=True):
    """The newest of what a device told. ``registered_at``: to within a day, where it changed nothing. ``latitude``,
    ``longitude``: degrees. ``reported_at``: when it told anything at all, by our clock."""

    device_id: UUID
    registered_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    latitude: float | None
    longitude: float | None
    place_position: int | None
    reported_at: datetime


_COLUMNS = Usage.__struct_fields__

_REPORT = f"""
    insert into {{schema}}.device as d ({", ".join(_COLUMNS)})
    select * from unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
                         %s::float8[], %s::float8[], %s::int8[], %s::timestamptz[]) order by 1
    on conflict (device_id) do update set
        registered_at = greatest(d.registered_at, excluded.registered_at),
        opened_at = greatest(d.opened_at, excluded.opened_at),
        closed_at = greatest(d.closed_at, excluded.closed_at),
        reported_at = greatest(d.reported_at, excluded.reported_at)"""

_PLACE = """
    update {schema}.device d set latitude = p.latitude, longitude = p.longitude, place_position = p.position
    from unnest(%s::uuid[], %s::float8[], %s::float8[], %s::int8[]) as p (device_id, latitude, longitude, position)
    where d.device_id = p.device_id and (d.place_position is null or d.place_position < p.position)"""

_FORGET = """
    update {schema}.device set latitude = null, longitude = null, place_position = null where device_id = any(%s)"""


class UsageProjection(Projection):
    """Folds the Usage streams, and that a person or a device was erased."""

    name = "usage"
    wanted = of_streams("usage") | {"user.erased", "device.retired"}

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        erasures = Erasures.load(target, entries)
        newest: dict[UUID, Usage] = {}
        for entry in entries:
            if isinstance(entry.fact, UsageReported):
                newest[entry.fact.device_id] = _later(newest.get(entry.fact.device_id), entry, entry.fact, erasures)
        _save(target, newest.values())
        if erased := [*erasures.fresh, *_erased(entries)]:
            target.run(_FORGET, erased)


def _erased(entries: Sequence[Entry]) -> list[UUID]:
    """The devices that were erased by themselves, with no user."""
    return [
        entry.originator_id
        for entry in entries
        if isinstance(entry.fact, DeviceRetired) and entry.fact.reason is Retirement.ERASED
    ]


def _later(before: Usage | None, entry: Entry, fact: UsageReported, erasures: Erasures) -> Usage:
    assert entry.recorded_at is not None
    latitude, longitude, place_position = None, None, None
    if before is not None:
        latitude, longitude, place_position = before.latitude, before.longitude, before.place_position
    place = fact.place
    newer = place_position is None or place_position < entry.position
    if place is not None and newer and not place.erased and not erasures.cover(place.subject, entry.position):
        latitude, longitude, place_position = place.value["latitude"], place.value["longitude"], entry.position
    return Usage(
        device_id=fact.device_id,
        registered_at=_latest(before.registered_at if before else None, fact.registered),
        opened_at=_latest(before.opened_at if before else None, fact.opened),
        closed_at=_latest(before.closed_at if before else None, fact.closed),
        latitude=latitude,
        longitude=longitude,
        place_position=place_position,
        reported_at=max(before.reported_at, entry.recorded_at) if before else entry.recorded_at,
    )


def _latest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)


def _save(target: Target, reports: Iterable[Usage]) -> None:
    rows = [msgspec.structs.astuple(report) for report in reports]
    if rows:
        target.run(_REPORT, *(list(column) for column in zip(*rows, strict=True)))
    places = [(row[0], row[4], row[5], row[6]) for row in rows if row[6] is not None]
    if places:
        target.run(_PLACE, *(list(column) for column in zip(*places, strict=True)))


def usage(connection: Connection[Any], device_ids: Collection[UUID]) -> dict[UUID, Usage]:
    """What these devices told of their use; one that told nothing is not in the answer."""
    statement = f"select {', '.join(_COLUMNS)} from usage_v1.device where device_id = any(%s)"
    with connection.cursor(row_factory=args_row(Usage), binary=True) as cursor:
        found = cursor.execute(statement.encode(), (list(device_ids),)).fetchall()
    return {row.device_id: row for row in found}
