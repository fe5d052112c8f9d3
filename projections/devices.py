"""The read model of devices: who they belong to, their tokens, their subscriptions, and the tags' counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

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
from tocsin.projections.devices_queries import (
    DeviceFilter,
    SubscribedDevice,
    addressees,
    device,
    device_by_external_id,
    device_by_handle,
    device_by_number,
    device_by_token,
    devices_by_external_id,
    devices_by_handle,
    devices_by_id,
    devices_by_phone,
    list_devices,
    slice_devices,
    slice_subscriptions,
    tag_counts,
    tag_counts_by_platform,
    token_digest,
)
from tocsin.projections.devices_rows import (
    ACTIVE,
    DEVICES,
    OPTED_OUT,
    RETIRED,
    SCHEMA,
    SUBSCRIPTIONS,
    Addressee,
    Device,
    Subscription,
)
from tocsin.projections.erasure import Erasures
from tocsin.projections.projection import Digest, Projection, Target, of_streams

__all__ = [
    "ACTIVE",
    "DEVICES",
    "OPTED_OUT",
    "RETIRED",
    "SCHEMA",
    "Addressee",
    "Device",
    "DeviceFilter",
    "DevicesProjection",
    "SubscribedDevice",
    "addressees",
    "device",
    "device_by_external_id",
    "device_by_handle",
    "device_by_number",
    "device_by_token",
    "devices_by_external_id",
    "devices_by_handle",
    "devices_by_id",
    "devices_by_phone",
    "list_devices",
    "slice_devices",
    "slice_subscriptions",
    "tag_counts",
    "tag_counts_by_platform",
    "token_digest",
]

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
        if isinstance(fact, DeviceRestored):
            changes |= {"through": entry.actor.dialect, "registered_at": entry.recorded_at}
        elif isinstance(fact, TokenChanged) and fact.source == "registration":
            changes["registered_at"] = entry.recorded_at
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
        token, user = self._clear(fact.token, position), self._clear(fact.user, position)
        alias = self._clear(fact.alias, position)
        return Device(
            device_id=entry.originator_id,
            app_id=entry.app_id,
            platform=fact.platform,
            provider=provider,
            external_id=fact.external_id,
            token=token,
            token_digest=self._token_digest(token, provider or fact.platform, fact.token_scope),
            user_id=None if fact.user is None else fact.user.subject,
            user_name=user,
            user_digest=None if user is None else self._digest("user", user),
            user_position=None if fact.user is None else position,
            alias=alias,
            alias_digest=None if alias is None else self._digest("alias", alias),
            phone=self._clear(fact.phone, position),
            properties=self._clear(fact.properties, position),
            property_types=self._clear(fact.property_types, position),
            environment=fact.environment,
            through=entry.actor.dialect,
            registered_at=entry.recorded_at,
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
                return self._token(token, row.provider or row.platform, row.token_scope, position)
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

    def _token(self, token: Personal | None, provider: str, scope: str | None, position: int) -> dict[str, Any]:
        clear = self._clear(token, position)
        return {"token": clear, "token_digest": self._token_digest(clear, provider, scope)}

    def _token_digest(self, token: str | None, provider: str, scope: str | None) -> bytes | None:
        return None if token is None else token_digest(self._digest, provider, token, scope)

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


def _save_subscriptions(target: Target, before: Mapping[UUID, Device], after: Mapping[UUID, Device]) -> None:
    gone: list[tuple[UUID, str]] = []
    new: dict[tuple[UUID, str], Subscription] = {}
    counts: Counter[tuple[UUID, str]] = Counter()
    for device_id, row in after.items():
        old = before.get(device_id)
        if not row.tags and (old is None or not old.tags):
            continue
        tags_before = old.tags if old else []
        gone += [(device_id, tag) for tag in tags_before if tag not in row.tags]
        for tag in row.tags:
            if tag not in tags_before:
                new[device_id, tag] = Subscription(row.app_id, tag, device_id, row.created_position)
        counts.update((row.app_id, tag) for tag in _counted(row))
        counts.subtract((row.app_id, tag) for tag in _counted(old))
    SUBSCRIPTIONS.delete(target, gone)
    SUBSCRIPTIONS.save(target, (), new)
    _add_counts(target, {key: count for key, count in counts.items() if count})


def _counted(row: Device | None) -> list[str]:
    return [] if row is None or row.state == RETIRED else row.tags


def _add_counts(target: Target, counts: Mapping[tuple[UUID, str], int]) -> None:
    if counts:
        apps, tags = zip(*counts, strict=True)
        target.run(_COUNT, list(apps), list(tags), list(counts.values()))
        if min(counts.values()) < 0:
            target.run(_DROP_ZEROS, list(apps), list(tags))
