"""The read model of devices: who they belong to, their tokens, their subscriptions, and the tags' counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace
from psycopg import Connection

from tocsin.domain.entry import Entry, Fact
from tocsin.domain.events.device import (
    BadgeChanged,
    DeviceRegistered,
    DeviceRestored,
    DeviceRetired,
    DeviceUpdated,
    OptedIn,
    OptedOut,
    Retirement,
    Subscribed,
    TokenChanged,
    Unsubscribed,
)
from tocsin.domain.events.user import UserErased
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import provider_for
from tocsin.projections.erasure import Erasures
from tocsin.projections.pages import Conditions, Page, page
from tocsin.projections.projection import Digest, Projection, Target, of_streams
from tocsin.projections.tables import Table

SCHEMA = "devices_v1"

ACTIVE = "active"
OPTED_OUT = "opted_out"
RETIRED = "retired"


class Device(msgspec.Struct, frozen=True):
    """``provider``: what reaches the platform, if anything. ``user_id``: the data subject that the user is,
    named at ``user_position``.

    ``state``: ``active``, ``opted_out`` or ``retired``, the last wins. ``retired``: why. ``created_position`` is also
    the device's number, for protocols whose ids are numbers. ``position``: of its newest event.
    """

    device_id: UUID
    app_id: UUID
    platform: str
    provider: str | None
    external_id: str | None
    token: str | None
    token_digest: bytes | None
    user_id: UUID | None
    user_name: str | None
    user_digest: bytes | None
    user_position: int | None
    alias: str | None
    alias_digest: bytes | None
    phone: str | None
    properties: dict[str, Any] | None
    property_types: dict[str, Any] | None
    environment: str | None
    token_scope: str | None
    attributes: dict[str, Any]
    tags: list[str]
    state: str
    opted_out: bool
    retired: str | None
    created_position: int
    created_at: datetime
    updated_at: datetime
    position: int


class _Subscription(msgspec.Struct, frozen=True):
    app_id: UUID
    tag: str
    device_id: UUID
    created_position: int


DEVICES = Table(SCHEMA, "device", Device, "device_id")
_SUBSCRIPTIONS = Table(SCHEMA, "subscription", _Subscription, "device_id", "tag")

_FORGOTTEN: dict[str, Any] = dict.fromkeys(
    (
        "token",
        "token_digest",
        "user_name",
        "user_digest",
        "alias",
        "alias_digest",
        "phone",
        "properties",
        "property_types",
    )
)

_COUNT = """
    insert into {schema}.tag_count as t (app_id, tag, devices)
    select * from unnest(%s::uuid[], %s::text[], %s::bigint[]) order by 1, 2
    on conflict (app_id, tag) do update set devices = t.devices + excluded.devices"""

_DROP_ZEROS = """
    delete from {schema}.tag_count
    where devices = 0 and (app_id, tag) in (select * from unnest(%s::uuid[], %s::text[]))"""

_FORGET_DEVICES = """
    update {schema}.device
    set token = null, token_digest = null, alias = null, alias_digest = null, phone = null, properties = null,
        property_types = null
    where device_id = any(%s)"""

_FORGET_USERS = """
    update {schema}.device d set user_name = null, user_digest = null
    from unnest(%s::uuid[], %s::bigint[]) as e (subject, position)
    where d.user_id = e.subject and d.user_position < e.position"""


class DevicesProjection(Projection):
    """Folds the Device streams; of the User streams only that somebody was erased."""

    name = "devices"
    wanted = of_streams("device") | {"user.erased"}

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        erasures = Erasures.load(target, entries)
        before, after = _evolve_all(target, [entry for entry in entries if not isinstance(entry.fact, UserErased)],
                                    erasures)  # fmt: skip
        DEVICES.save(target, before, after)
        _save_subscriptions(target, before, after)
        if erasures.fresh:
            target.run(_FORGET_DEVICES, list(erasures.fresh))
            target.run(_FORGET_USERS, list(erasures.fresh), list(erasures.fresh.values()))


def _evolve_all(
    target: Target, entries: Sequence[Entry], erasures: Erasures
) -> tuple[dict[UUID, Device], dict[UUID, Device]]:
    """The rows of these entries' devices as they were, and as they are."""
    born = {entry.originator_id for entry in entries if isinstance(entry.fact, DeviceRegistered)}
    before = DEVICES.load(target, {entry.originator_id for entry in entries} - born)
    rows = dict(before)
    writer = _Writer(target.digest, erasures)
    for entry in entries:
        rows[entry.originator_id] = writer.evolve(rows.get(entry.originator_id), entry)
    return before, rows


class _Writer:
    """Turns facts into rows: digests what is looked up by, and leaves out what was erased since."""

    def __init__(self, digest: Digest, erasures: Erasures) -> None:
        self._digest = digest
        self._erasures = erasures

    def evolve(self, row: Device | None, entry: Entry) -> Device:
        fact = entry.fact
        if isinstance(fact, DeviceRegistered):
            return self._registered(fact, entry)
        if row is None:
            raise LookupError(f"device {entry.originator_id} was never registered")
        changes = self._changes(row, fact, entry.position)
        opted_out, retired = changes.get("opted_out", row.opted_out), changes.get("retired", row.retired)
        assert entry.recorded_at is not None
        return replace(
            row,
            **changes,
            state=RETIRED if retired else OPTED_OUT if opted_out else ACTIVE,
            updated_at=entry.recorded_at,
            position=entry.position,
        )

    def _registered(self, fact: DeviceRegistered, entry: Entry) -> Device:
        assert entry.recorded_at is not None
        provider, position = provider_for(fact.platform), entry.position
        return Device(
            device_id=entry.originator_id,
            app_id=entry.app_id,
            platform=fact.platform,
            provider=provider,
            external_id=fact.external_id,
            **self._token(fact.token, provider or fact.platform, position),
            **self._user(fact.user, position),
            **self._alias(fact.alias, position),
            phone=self._clear(fact.phone, position),
            properties=self._clear(fact.properties, position),
            property_types=self._clear(fact.property_types, position),
            environment=fact.environment,
            token_scope=fact.token_scope,
            attributes=fact.attributes,
            tags=[],
            state=ACTIVE,
            opted_out=False,
            retired=None,
            created_position=position,
            created_at=entry.recorded_at,
            updated_at=entry.recorded_at,
            position=position,
        )

    def _changes(self, row: Device, fact: Fact, position: int) -> dict[str, Any]:
        match fact:
            case Subscribed(tag=tag):
                return {"tags": sorted({*row.tags, tag})}
            case Unsubscribed(tag=tag):
                return {"tags": [one for one in row.tags if one != tag]}
            case TokenChanged(token=token):
                return self._token(token, row.provider or row.platform, position)
            case DeviceUpdated():
                return self._updates(row, fact, position)
            case OptedOut() | OptedIn():
                return {"opted_out": isinstance(fact, OptedOut)}
            case DeviceRestored():
                return {"retired": None}
            case BadgeChanged():
                # What it shows now depends on the sends too: the read model of deliveries says it.
                return {}
            case DeviceRetired(reason=reason):
                return {"retired": reason.value, **(_FORGOTTEN if reason is Retirement.ERASED else {})}
        raise LookupError(f"{type(fact).__name__} is no fact of a device")

    def _updates(self, row: Device, fact: DeviceUpdated, position: int) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if fact.user is not UNSET:
            changes |= self._user(fact.user, position)
        if fact.alias is not UNSET:
            changes |= self._alias(fact.alias, position)
        for name in ("phone", "properties", "property_types"):
            if (value := getattr(fact, name)) is not UNSET:
                changes[name] = self._clear(value, position)
        if fact.environment is not UNSET:
            changes["environment"] = fact.environment
        if fact.attributes is not UNSET:
            changes["attributes"] = {
                name: value for name, value in {**row.attributes, **fact.attributes}.items() if value is not None
            }
        return changes

    def _token(self, token: Personal | None, provider: str, position: int) -> dict[str, Any]:
        clear = self._clear(token, position)
        return {"token": clear, "token_digest": None if clear is None else token_digest(self._digest, provider, clear)}

    def _user(self, user: Personal | None, position: int) -> dict[str, Any]:
        clear = self._clear(user, position)
        return {
            "user_id": None if user is None else user.subject,
            "user_name": clear,
            "user_digest": None if clear is None else self._digest("user", clear),
            "user_position": None if user is None else position,
        }

    def _alias(self, alias: Personal | None, position: int) -> dict[str, Any]:
        clear = self._clear(alias, position)
        return {"alias": clear, "alias_digest": None if clear is None else self._digest("alias", clear)}

    def _clear(self, value: Personal | None, position: int) -> Any:
        return None if value is None or self._erasures.cover(value.subject, position) else value.value


def token_digest(digest: Digest, provider: str, token: str) -> bytes:
    """By which a device is found by its token: the same string at two providers is two tokens."""
    return digest("token", f"{provider}:{token}")


def _save_subscriptions(target: Target, before: Mapping[UUID, Device], after: Mapping[UUID, Device]) -> None:
    gone: list[tuple[UUID, str]] = []
    new: dict[tuple[UUID, str], _Subscription] = {}
    counts: Counter[tuple[UUID, str]] = Counter()
    for device_id, row in after.items():
        old = before.get(device_id)
        if not row.tags and (old is None or not old.tags):
            continue
        tags_before = old.tags if old else []
        gone += [(device_id, tag) for tag in tags_before if tag not in row.tags]
        for tag in row.tags:
            if tag not in tags_before:
                new[device_id, tag] = _Subscription(row.app_id, tag, device_id, row.created_position)
        counts.update((row.app_id, tag) for tag in _counted(row))
        counts.subtract((row.app_id, tag) for tag in _counted(old))
    _SUBSCRIPTIONS.delete(target, gone)
    _SUBSCRIPTIONS.save(target, (), new)
    _add_counts(target, {key: count for key, count in counts.items() if count})


def _counted(row: Device | None) -> list[str]:
    return [] if row is None or row.state == RETIRED else row.tags


def _add_counts(target: Target, counts: Mapping[tuple[UUID, str], int]) -> None:
    if counts:
        apps, tags = zip(*counts, strict=True)
        target.run(_COUNT, list(apps), list(tags), list(counts.values()))
        target.run(_DROP_ZEROS, list(apps), list(tags))


class DeviceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of devices is narrowed to. ``user_digest``, ``alias_digest``: the ring's digests of the names, of
    purposes ``user`` and ``alias``. ``state``: ``active``, ``opted_out``, ``retired``."""

    platform: str | None = None
    user_digest: bytes | None = None
    alias_digest: bytes | None = None
    tag: str | None = None
    state: str | None = None


def device(connection: Connection[Any], app_id: UUID, device_id: UUID) -> Device | None:
    """One device of an app."""
    return DEVICES.first(connection, "where device_id = %s and app_id = %s", device_id, app_id)


def devices_by_id(connection: Connection[Any], device_ids: Collection[UUID]) -> dict[UUID, Device]:
    """Many devices at once; one that does not exist is not in the answer."""
    found = DEVICES.select(connection, "where device_id = any(%s)", list(device_ids))
    return {row.device_id: row for row in found}


def device_by_number(connection: Connection[Any], app_id: UUID, number: int) -> Device | None:
    """One device by the number that is its ``created_position``."""
    return DEVICES.first(connection, "where created_position = %s and app_id = %s", number, app_id)


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


def list_devices(
    connection: Connection[Any],
    app_id: UUID,
    wanted: DeviceFilter = DeviceFilter(),  # noqa: B008
    *,
    after: int = 0,
    limit: int = 100,
) -> Page[Device, int]:
    """Devices of an app in the order they were registered, from those whose ``created_position`` is above ``after``."""
    conditions = Conditions.of("app_id = %s and created_position > %s", app_id, after)
    conditions.add(wanted.platform, "platform = %s")
    conditions.add(wanted.state, "state = %s")
    conditions.add(wanted.user_digest, "user_digest = %s")
    conditions.add(wanted.alias_digest, "alias_digest = %s")
    conditions.add(wanted.tag, "device_id in (select s.device_id from devices_v1.subscription s"
                               " where s.app_id = t.app_id and s.tag = %s)")  # fmt: skip
    found = DEVICES.select(
        connection, f"{conditions.where} order by created_position limit %s", *conditions.parameters, limit + 1
    )
    return page(found, limit, lambda row: row.created_position)


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
