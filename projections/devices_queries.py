"""What can be asked of the read model of devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Connection

from tocsin.domain.identity import token_key, user_stream_id
from tocsin.eventlog.handles import Handles
from tocsin.eventlog.packed import uuids
from tocsin.projections.cursors import settled
from tocsin.projections.devices_rows import ADDRESSEES, DEVICES, SCHEMA, Addressee, Device
from tocsin.projections.pages import Conditions, Matching, Page, Slice, page
from tocsin.projections.projection import Digest


def token_digest(digest: Digest, provider: str, token: str, scope: str | None = None) -> bytes:
    """By which a device is found by its token; ``provider``: or the platform, where none reaches it."""
    return digest("token", token_key(provider, token, scope))


class DeviceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of devices is narrowed to. ``user_digest``, ``alias_digest``: the ring's digests of the names, of
    purposes ``user`` and ``alias``; ``alias``: in any case. ``state``: ``active``, ``opted_out``, ``retired``;
    ``active``: in that state or not; ``registered``: not retired; ``removed``: retired on request, or erased.
    ``through``: the API it registered through. ``updated_since``: or at that moment. ``has_user``: whether one is
    known. ``matching``: on ``platform``, ``user``, ``device`` (the external id) and ``token``."""

    platform: str | None = None
    user_digest: bytes | None = None
    alias_digest: bytes | None = None
    alias: str | None = None
    has_user: bool | None = None
    tag: str | None = None
    state: str | None = None
    active: bool | None = None
    registered: bool | None = None
    removed: bool | None = None
    through: str | None = None
    updated_since: datetime | None = None
    matching: Matching = ()


def device(connection: Connection[Any], app_id: UUID, device_id: UUID) -> Device | None:
    """One device of an app."""
    return DEVICES.first(connection, "where device_id = %s and app_id = %s", device_id, app_id)


def devices_by_id(connection: Connection[Any], device_ids: Collection[UUID]) -> dict[UUID, Device]:
    """Many devices at once; one that does not exist is not in the answer."""
    found = DEVICES.select(connection, "where device_id = any(%s)", list(device_ids))
    return {row.device_id: row for row in found}


def addressees(connection: Connection[Any], device_ids: Collection[UUID]) -> dict[UUID, Addressee]:
    """What is needed to send to these devices; one that does not exist is not in the answer."""
    found = ADDRESSEES.select(connection, "where device_id = any(%b::uuid[])", uuids(device_ids))
    return {row.device_id: row for row in found}


def device_by_number(connection: Connection[Any], app_id: UUID | None, number: int) -> Device | None:
    """One device by the number that is its ``created_position``; of whichever app, where none is said."""
    return DEVICES.first(
        connection, "where created_position = %s and app_id = coalesce(%s::uuid, app_id)", number, app_id
    )


def device_by_token(connection: Connection[Any], app_id: UUID, digest: bytes) -> Device | None:
    """The device that has this token (``token_digest``) now; a retired one only where no other has it."""
    return DEVICES.first(
        connection,
        "where token_digest = %s and app_id = %s order by retired is not null, position desc",
        digest,
        app_id,
    )


def device_by_external_id(connection: Connection[Any], app_id: UUID, external_id: str) -> Device | None:
    """The device a client knows by this id; the newest, should several have borne it."""
    return DEVICES.first(
        connection, "where external_id = %s and app_id = %s order by created_position desc", external_id, app_id
    )


def devices_by_external_id(
    connection: Connection[Any], app_id: UUID, external_ids: Collection[str]
) -> dict[str, Device]:
    """Many devices by the ids clients know them by; one that does not exist is not in the answer."""
    condition = "where external_id = any(%s) and app_id = %s order by created_position"
    found = DEVICES.select(connection, condition, list(external_ids), app_id)
    return {row.external_id: row for row in found if row.external_id is not None}


def devices_by_phone(connection: Connection[Any], app_id: UUID, phones: Collection[str]) -> list[Device]:
    """The devices that are not retired and have one of these phone numbers, in the order they were registered.

    No index finds them, as it would make every registration dearer: all of the app are looked through, once for all.
    """
    condition = "where app_id = %s and retired is null and phone = any(%s) order by created_position"
    return DEVICES.select(connection, condition, app_id, list(phones))


def device_by_handle(connection: Connection[Any], app_id: UUID | None, handles: Handles, handle: str) -> Device | None:
    """One device by its id in short form; of whichever app, where none is said. None where that of two is the same."""
    return devices_by_handle(connection, app_id, handles, [handle]).get(handle)


def devices_by_handle(
    connection: Connection[Any], app_id: UUID | None, handles: Handles, wanted: Collection[str]
) -> dict[str, Device]:
    """Many devices by their ids in short form; one that does not exist, or whose is another's too, is not in the
    answer."""
    ranges = {ids for handle in wanted if (ids := handles.ids(handle)) is not None}
    if not ranges:
        return {}
    lowest, highest = zip(*ranges, strict=True)
    among = "join unnest(%s::uuid[], %s::uuid[]) as r (lowest, highest) on t.device_id between lowest and highest"
    condition = f"{among} where app_id = coalesce(%s::uuid, app_id)"
    found = DEVICES.select(connection, condition, list(lowest), list(highest), app_id)
    shown = [handles.of(row.device_id) for row in found]
    times = Counter(shown)
    return {handle: row for handle, row in zip(shown, found, strict=True) if times[handle] == 1}


def list_devices(
    connection: Connection[Any],
    app_id: UUID,
    wanted: DeviceFilter = DeviceFilter(),  # noqa: B008
    *,
    after: int = 0,
    limit: int = 100,
) -> Page[Device, int]:
    """Devices of an app in the order they were registered, from those whose ``created_position`` is above ``after``."""
    conditions, order = _conditions(connection, app_id, wanted), _order(wanted)
    conditions.add(after, f"{order} > %s")
    found = DEVICES.select(
        connection, f"{conditions.where} order by {order} limit %s", *conditions.parameters, limit + 1
    )
    return page(found, limit, lambda row: row.created_position)


def slice_devices(
    connection: Connection[Any],
    app_id: UUID,
    wanted: DeviceFilter = DeviceFilter(),  # noqa: B008
    *,
    offset: int = 0,
    limit: int = 100,
) -> Slice[Device]:
    """So many devices of an app from the ``offset``-th on, in the order they were registered. Raises Invalid."""
    rows, total = DEVICES.slice(connection, _conditions(connection, app_id, wanted), _order(wanted), offset, limit)
    return Slice(tuple(rows), total)


# The devices of a tag in their order, from the subscriptions: looked for among all devices, those of a tag that few
# have would be found by passing over all the others.
_TAGGED = """
    join (select device_id as subscriber, created_position as turn from devices_v1.subscription
          where app_id = %s and tag = %s) s on s.subscriber = t.device_id"""


def _order(wanted: DeviceFilter) -> str:
    """What says in which order the devices were registered."""
    if wanted.tag is not None:
        return "s.turn"
    # The planner takes those of an alias in any case for many, and would look for them in the order of all: so that
    # they are found first and sorted then, it must not know this for an index's order.
    return "created_position" if wanted.alias is None else "created_position + 0"


def _conditions(connection: Connection[Any], app_id: UUID, wanted: DeviceFilter) -> Conditions:
    conditions = Conditions.of("app_id = %s", app_id)
    if wanted.tag is not None:
        conditions = Conditions(["app_id = %s"], [app_id, wanted.tag, app_id], _TAGGED)
    conditions.add(settled(connection, SCHEMA), f"{_order(wanted)} <= %s")
    conditions.add(wanted.platform, "platform = %s")
    conditions.add(wanted.state, "state = %s")
    conditions.add(_user(app_id, wanted.user_digest), "user_id = %s")
    conditions.add(wanted.user_digest, "user_digest = %s")
    conditions.add(wanted.alias_digest, "alias_digest = %s")
    conditions.add(wanted.alias, "lower(alias) = lower(%s)")
    conditions.add(wanted.has_user, "(user_id is not null) = %s")
    conditions.add(wanted.active, "(state = 'active') = %s")
    conditions.add(wanted.registered, "(retired is null) = %s")
    conditions.add(wanted.removed, "(coalesce(retired, '') in ('requested', 'erased')) = %s")
    conditions.add(wanted.through, "through = %s")
    conditions.add(wanted.updated_since, "updated_at >= %s")
    conditions.match(wanted.matching, _MATCHED)
    return conditions


def _user(app_id: UUID, digest: bytes | None) -> UUID | None:
    """The user whose name has this digest. By id their devices are found; those of somebody erased lack the digest."""
    return None if digest is None else user_stream_id(app_id, digest)


_MATCHED = {"platform": "platform", "user": "user_name", "device": "external_id", "token": "token"}


class SubscribedDevice(NamedTuple):
    """A device that is not retired, and a tag it has."""

    device: Device
    tag: str


_SUBSCRIBED = """
    from devices_v1.subscription s join devices_v1.device d on d.device_id = s.device_id {where}"""


def slice_subscriptions(
    connection: Connection[Any],
    app_id: UUID,
    *,
    device_id: UUID | None = None,
    tag: str | None = None,
    user_digest: bytes | None = None,
    has_user: bool | None = None,
    but: Collection[str] = (),
    matching: Matching = (),
    offset: int = 0,
    limit: int = 100,
) -> Slice[SubscribedDevice]:
    """So many subscriptions of an app from the ``offset``-th on, in the order they were made.

    ``has_user``: of devices of which one is known. ``but``: tags that do not count. ``matching``: on ``tag``,
    ``device`` (the external id), ``platform`` and ``user``. Raises Invalid.
    """
    conditions = Conditions.of("s.app_id = %s and d.retired is null", app_id)
    conditions.add(settled(connection, SCHEMA), "s.created_position <= %s")
    conditions.add(has_user, "(d.user_id is not null) = %s")
    conditions.add(list(but) or None, "s.tag <> all(%s)")
    conditions.add(device_id, "s.device_id = %s")
    conditions.add(tag, "s.tag = %s")
    conditions.add(_user(app_id, user_digest), "d.user_id = %s")
    conditions.add(user_digest, "d.user_digest = %s")
    columns = {"tag": "s.tag", "device": "d.external_id", "platform": "d.platform", "user": "d.user_name"}
    conditions.match(matching, columns)
    subscribed = _SUBSCRIBED.format(where=conditions.where)
    total = connection.execute(f"select count(*) {subscribed}".encode(), conditions.parameters).fetchall()[0][0]
    rows = connection.execute(
        f"select s.device_id, s.tag {subscribed} order by s.created_position, s.tag offset %s limit %s".encode(),
        (*conditions.parameters, offset, limit),
    ).fetchall()
    found = devices_by_id(connection, {device_id for device_id, _ in rows})
    return Slice(tuple(SubscribedDevice(found[device_id], tag) for device_id, tag in rows), total)


def tag_counts(connection: Connection[Any], app_id: UUID, tags: Collection[str] | None = None) -> dict[str, int]:
    """How many devices that are not retired have each tag; all tags in use where ``tags`` is None."""
    conditions = Conditions.of("app_id = %s", app_id)
    conditions.add(None if tags is None else list(tags), "tag = any(%s)")
    return dict(
        connection.execute(
            f"select tag, devices from devices_v1.tag_count {conditions.where} order by tag".encode(),
            conditions.parameters,
        ).fetchall()
    )


def tag_counts_by_platform(
    connection: Connection[Any], app_id: UUID, tags: Collection[str]
) -> dict[str, dict[str, int]]:
    """How many devices that are not retired have each of these tags, by platform; none of one that nobody has."""
    counting = """
        select s.tag, d.platform, count(*)
        from devices_v1.subscription s join devices_v1.device d on d.device_id = s.device_id
        where s.app_id = %s and s.tag = any(%s) and d.retired is null
        group by s.tag, d.platform"""
    counts: dict[str, dict[str, int]] = {}
    for tag, platform, devices in connection.execute(counting, (app_id, list(tags))).fetchall() if tags else ():
        counts.setdefault(tag, {})[platform] = devices
    return counts
