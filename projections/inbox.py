"""What a person was sent: the inbox that the devices of one alias share, and all that one device was sent.

No read model of its own: deliveries, joined with who had the device when the send was started. A phone that went to
somebody else takes none of its messages along. One that no provider reaches, or that has no token, is meant all the
same: it is pushed nothing, and its owner reads it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from tocsin.projections.audience_fold import SCHEMA as AUDIENCE
from tocsin.projections.cursors import passed_schemas
from tocsin.projections.deliveries import SCHEMA as DELIVERIES
from tocsin.projections.deliveries import STRIDE
from tocsin.projections.devices_rows import Device
from tocsin.projections.pages import Conditions, Slice
from tocsin.projections.sends_rows import SCHEMA as SENDS
from tocsin.projections.sends_rows import SEND_ROWS, SendRow

READ_MODELS = ("audience", "deliveries", "sends")
"""What the answers are made of: to be waited for by who wants to read what was just written."""


class InboxItem(NamedTuple):
    """One send. ``device_id``: of the person's devices the one asked about, if it was sent there, else the first.
    ``number``: of that delivery (``Delivery.number``), or one of its own where nothing was pushed. ``received_at``,
    ``opened_at``: the first report of any of the devices."""

    send: SendRow
    device_id: UUID
    number: int
    received_at: datetime | None
    opened_at: datetime | None


class InboxCounts(NamedTuple):
    """Messages in an inbox, and those of them that no device reported as opened."""

    total: int
    unopened: int


_MINE = """
    with mine as (
        select s.send_id, s.created_position,
               (array_agg(d.device_id order by d.device_id <> %s, d.planned_position, d.index))[1] as device_id,
               (array_agg(d.planned_position * {stride} + d.index
                          order by d.device_id <> %s, d.planned_position, d.index))[1] as number,
               min(r.received_at) as received_at, min(r.opened_at) as opened_at,
               bool_or(r.removed_at is not null) as removed
        from audience_v1.device a
        cross join lateral (
            select device_id, send_id, planned_position, index from deliveries_v2.delivery
            where device_id = a.device_id and outcome not in ('cancelled', 'expired')
            union all
            select device_id, send_id, position, index from sends_v1.exclusion
            where device_id = a.device_id and reason in ('no-token', 'no-provider')
        ) d
        join sends_v1.send s on s.send_id = d.send_id
        left join deliveries_v2.receipt r on r.send_id = d.send_id and r.device_id = d.device_id
        {where}
        group by s.send_id
    )"""

_WHILE_MINE = (
    "coalesce(s.as_of, d.planned_position) >= a.from_position and coalesce(s.as_of, d.planned_position) < a.to_position"
)
_STANDS = "s.withdrawn_at is null"


def slice_inbox(
    connection: Connection[Any],
    device: Device,
    *,
    labels: Sequence[str] = (),
    no_labels: Sequence[str] = (),
    offset: int = 0,
    limit: int = 100,
) -> Slice[InboxItem]:
    """So many messages of the inbox that a device shares with all of its alias, the newest first.

    In it are sends with ``inbox``, but those that one of the devices removed. Narrowed to those with all of ``labels``
    and none of ``no_labels``.
    """
    query = _Query(device, _of_person(device), labels, no_labels, inbox=True, up_to=_settled(connection))
    return query.slice(connection, offset, limit)


def inbox_counts(connection: Connection[Any], device: Device) -> InboxCounts:
    """How much there is in the inbox that a device shares with all of its alias."""
    query = _Query(device, _of_person(device), inbox=True)
    counting = f"{query.mine} select count(*), count(*) filter (where opened_at is null) from mine where not removed"
    return InboxCounts(*connection.execute(counting.encode(), query.parameters).fetchall()[0])


def slice_sent(
    connection: Connection[Any],
    device: Device,
    *,
    labels: Sequence[str] = (),
    no_labels: Sequence[str] = (),
    offset: int = 0,
    limit: int = 100,
) -> Slice[InboxItem]:
    """So much of what a device itself was sent, in an inbox or not, the newest first; narrowed as ``slice_inbox``."""
    query = _Query(device, _of_device(device), labels, no_labels, up_to=_settled(connection))
    return query.slice(connection, offset, limit)


def sent(connection: Connection[Any], device: Device, send_id: UUID, *, in_inbox: bool = False) -> InboxItem | None:
    """What became of one send at a device, or at another of its alias; None where none of them was sent it.

    ``in_inbox``: None also where it is not in their inbox (any more).
    """
    query = _Query(device, _of_person(device), inbox=in_inbox, send_id=send_id)
    return next(iter(query.slice(connection, 0, 1).items), None)


def _settled(connection: Connection[Any]) -> int:
    """Where lists end: what a read model is yet to bring stands behind it (``cursors.settled``)."""
    return passed_schemas(connection, [AUDIENCE, DELIVERIES, SENDS])


def _of_person(device: Device) -> Conditions:
    """The spans in which a device was the person's who has it now; without an alias it is the device alone."""
    if device.alias_digest is None:
        return Conditions(["a.device_id = %s", "a.alias_digest is null"], [device.device_id])
    return Conditions(["a.app_id = %s", "a.alias_digest = %s"], [device.app_id, device.alias_digest])


def _of_device(device: Device) -> Conditions:
    return Conditions(["a.device_id = %s", "a.alias_digest is not distinct from %s"],
                      [device.device_id, device.alias_digest])  # fmt: skip


class _Query:
    """Sends that reached the spans of ``owner``."""

    def __init__(
        self,
        device: Device,
        owner: Conditions,
        labels: Sequence[str] = (),
        no_labels: Sequence[str] = (),
        *,
        inbox: bool = False,
        send_id: UUID | None = None,
        up_to: int | None = None,
    ) -> None:
        owner.texts += [_WHILE_MINE, _STANDS]
        owner.add(list(labels) or None, "s.labels @> %s::text[]")
        owner.add(list(no_labels) or None, "not s.labels && %s::text[]")
        owner.add(send_id, "s.send_id = %s")
        owner.add(up_to, "d.planned_position <= %s")
        if inbox:
            owner.texts.append("s.inbox")
        self.mine = _MINE.format(stride=STRIDE, where=owner.where)
        self.parameters = [device.device_id, device.device_id, *owner.parameters]
        self._shown = "where not removed" if inbox else ""

    def slice(self, connection: Connection[Any], offset: int, limit: int) -> Slice[InboxItem]:
        counting = f"{self.mine} select count(*) from mine {self._shown}"
        total = connection.execute(counting.encode(), self.parameters).fetchall()[0][0]
        columns = "send_id, device_id, number, received_at, opened_at"
        found = connection.execute(
            f"{self.mine} select {columns} from mine {self._shown}"
            " order by created_position desc offset %s limit %s".encode(),
            (*self.parameters, offset, limit),
        ).fetchall()
        sends = SEND_ROWS.select(connection, "where send_id = any(%s)", [row[0] for row in found])
        by_id = {row.send_id: row for row in sends}
        return Slice(tuple(InboxItem(by_id[send_id], *rest) for send_id, *rest in found), total)
