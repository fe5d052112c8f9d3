"""How the audience's interval rows are written: every fact that matters closes one row and opens the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from tocsin.domain.entry import Entry, Fact
from tocsin.domain.events.app import ProviderConfigured, ProviderRemoved
from tocsin.domain.events.device import (
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
from tocsin.domain.personal import Personal
from tocsin.domain.properties import terms
from tocsin.projections.erasure import Erasures
from tocsin.projections.projection import Digest, Projection, Target, of_streams
from tocsin.projections.tables import Table

SCHEMA = "audience_v1"

STILL = 2**63 - 1
"""The ``to_position`` of what is so still."""


class DeviceSpan(msgspec.Struct, frozen=True):
    """What mattered of a device from one position until another. ``through``: the API it registered through last."""

    device_id: UUID
    app_id: UUID
    platform: str
    through: str
    has_token: bool
    opted_out: bool
    retired: bool
    user_id: UUID | None
    user_position: int | None
    alias_digest: bytes | None
    from_position: int
    to_position: int = STILL


class TagSpan(msgspec.Struct, frozen=True):
    """A device had a tag from one position until another."""

    app_id: UUID
    tag: str
    device_id: UUID
    from_position: int
    to_position: int = STILL


class PropertySpan(msgspec.Struct, frozen=True):
    """A device had a property of a value, which ``digest`` stands for, from one position until another."""

    app_id: UUID
    device_id: UUID
    digest: bytes
    from_position: int
    to_position: int = STILL


class ProviderSpan(msgspec.Struct, frozen=True):
    """An app had a provider configured from one position until another."""

    app_id: UUID
    provider: str
    profile: str
    from_position: int
    to_position: int = STILL


Span = TypeVar("Span", DeviceSpan, TagSpan, PropertySpan, ProviderSpan)

_FORGET_PROPERTIES = "delete from {schema}.property where device_id = any(%s)"
_FORGET = "update {schema}.device set alias_digest = null where device_id = any(%s)"


class AudienceProjection(Projection):
    """Folds the Device streams, the providers of the App streams, and that somebody was erased."""

    name = "audience"
    wanted = of_streams("device") | {"app.provider_configured", "app.provider_removed", "user.erased"}

    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        erasures = Erasures.load(target, entries)
        # Of these nothing is there yet that could be looked up.
        born = {entry.originator_id for entry in entries if isinstance(entry.fact, DeviceRegistered)}
        _fold_devices(target, [entry for entry in entries if isinstance(entry.fact, _DEVICE_FACTS)], erasures, born)
        _fold_properties(target, [entry for entry in entries if _says_properties(entry.fact)], erasures, born)
        _fold_tags(target, [entry for entry in entries if isinstance(entry.fact, Subscribed | Unsubscribed)], born)
        _fold_providers(
            target, [entry for entry in entries if isinstance(entry.fact, ProviderConfigured | ProviderRemoved)]
        )
        if erased := [*erasures.fresh, *_erased(entries)]:
            target.run(_FORGET, erased)
            target.run(_FORGET_PROPERTIES, erased)


def _erased(entries: Sequence[Entry]) -> list[UUID]:
    """The devices that were erased by themselves, with no user."""
    return [
        entry.originator_id
        for entry in entries
        if isinstance(entry.fact, DeviceRetired) and entry.fact.reason is Retirement.ERASED
    ]


_DEVICE_FACTS = DeviceRegistered | DeviceUpdated | TokenChanged | OptedOut | OptedIn | DeviceRetired | DeviceRestored


class _Spans(Generic[Span]):
    """The spans of one table while entries are folded: those open in the target, and those opened since."""

    def __init__(self, table: Table[Span], target: Target, column: str, ids: Sequence[UUID]) -> None:
        self._table: Table[Span] = table
        self._target = target
        self._open: dict[Any, Span] = {}
        if ids:
            condition = f"where {column} = any(%s) and to_position = {STILL}"
            rows = table.select(target.connection, condition, list(ids), schema=target.schema)
            self._open = {self._subject(row): row for row in rows}
        self._stored = set(self._open)
        self._of: dict[UUID, set[Any]] = {}
        for subject in self._open:
            self._of.setdefault(subject[0], set()).add(subject)
        self._new: list[Span] = []
        self._ended: list[tuple[Any, ...]] = []

    def _subject(self, span: Span) -> Any:
        """What the span is about: its key without the position."""
        return self._table.key_of(span)[:-1]

    def now(self, *subject: Any) -> Span | None:
        """The span that is open."""
        return self._open.get(subject)

    def of(self, first: UUID) -> set[Any]:
        """The subjects of open spans that begin with this."""
        return set(self._of.get(first, ()))

    def begin(self, span: Span) -> None:
        """Open a span; one of the same subject that is open ends where this begins."""
        subject = self._subject(span)
        self.end(span.from_position, *subject)
        self._open[subject] = span
        self._of.setdefault(subject[0], set()).add(subject)

    def end(self, position: int, *subject: Any) -> None:
        """Close the span that is open, if one is."""
        span = self._open.pop(subject, None)
        if span is None:
            return
        self._of[subject[0]].discard(subject)
        if subject in self._stored:
            self._stored.discard(subject)
            self._ended.append((*subject, position))
        else:
            self._new.append(replace(span, to_position=position))

    def save(self) -> None:
        """Write what changed: ends first, since only one span of a subject may be open."""
        if self._ended:
            self._target.run(_end(self._table), *(list(column) for column in zip(*self._ended, strict=True)))
        opened: list[Span] = [span for subject, span in self._open.items() if subject not in self._stored]
        if opened or self._new:
            self._table.copy(self._target, self._new + opened)


def _end(table: Table[Any]) -> str:
    """Closes the open spans of the subjects given as columns, each at the position in the last of them."""
    columns = table.key[:-1]
    types = dict(zip(table.row.__struct_fields__, table.types, strict=True))
    arrays = ", ".join(f"%s::{types[name]}[]" for name in columns)
    same = " and ".join(f"t.{name} = e.{name}" for name in columns)
    return (
        f"update {{schema}}.{table.name} t set to_position = e.ends"
        f" from unnest({arrays}, %s::int8[]) as e ({', '.join(columns)}, ends)"
        f" where {same} and t.to_position = {STILL}"
    )


_DEVICES = Table(SCHEMA, "device", DeviceSpan, "device_id", "from_position")
_TAGGED = Table(SCHEMA, "tagged", TagSpan, "device_id", "tag", "from_position")
_PROPERTIES = Table(SCHEMA, "property", PropertySpan, "device_id", "digest", "from_position")
_PROVIDERS = Table(SCHEMA, "provider", ProviderSpan, "app_id", "provider", "profile", "from_position")


def _fold_devices(target: Target, entries: Sequence[Entry], erasures: Erasures, born: set[UUID]) -> None:
    spans = _Spans(_DEVICES, target, "device_id", list({entry.originator_id for entry in entries} - born))
    for entry in entries:
        span = _evolved(spans.now(entry.originator_id), entry, target.digest, erasures)
        if span is not None:
            spans.begin(span)
    spans.save()


def _evolved(before: DeviceSpan | None, entry: Entry, digest: Digest, erasures: Erasures) -> DeviceSpan | None:
    """The span that an entry begins; None where nothing changes that matters.

    Which facts begin one must not hang on their personal values: those read differently once they are erased, and the
    spans of a rebuilt model must be the same.
    """
    position, fact = entry.position, entry.fact
    if isinstance(fact, DeviceRegistered):
        return DeviceSpan(
            device_id=entry.originator_id,
            app_id=entry.app_id,
            platform=fact.platform,
            through=entry.actor.dialect,
            has_token=fact.token is not None,
            opted_out=False,
            retired=False,
            **_user(fact.user, position),
            alias_digest=_alias(fact.alias, position, digest, erasures),
            from_position=position,
        )
    if before is None:
        raise LookupError(f"device {entry.originator_id} was never registered")
    changes = _changes(fact, position)
    if isinstance(fact, DeviceRestored):
        changes["through"] = entry.actor.dialect
    if isinstance(fact, DeviceUpdated) and fact.alias is not UNSET:
        changes["alias_digest"] = _alias(fact.alias, position, digest, erasures)
    return replace(before, **changes, from_position=position) if changes else None


def _user(user: Personal | None, position: int) -> dict[str, Any]:
    return {"user_id": user.subject, "user_position": position} if user else {"user_id": None, "user_position": None}


def _changes(fact: Fact, position: int) -> dict[str, Any]:
    match fact:
        case TokenChanged(token=token):
            return {"has_token": token is not None}
        case OptedOut() | OptedIn():
            return {"opted_out": isinstance(fact, OptedOut)}
        case DeviceRetired() | DeviceRestored():
            return {"retired": isinstance(fact, DeviceRetired)}
        case DeviceUpdated(user=user) if user is not UNSET:
            return _user(user, position)
    return {}


def _alias(alias: Personal | None, position: int, digest: Digest, erasures: Erasures) -> bytes | None:
    if alias is None or alias.erased or erasures.cover(alias.subject, position):
        return None
    return digest("alias", alias.value)


def _says_properties(fact: Fact) -> bool:
    if isinstance(fact, DeviceRegistered):
        return fact.properties is not None
    return isinstance(fact, DeviceUpdated) and fact.properties is not UNSET


def _fold_properties(target: Target, entries: Sequence[Entry], erasures: Erasures, born: set[UUID]) -> None:
    """Of a person who is erased no span remains, nor the trace of one: whoever rebuilds finds none either."""
    if not entries:
        return
    spans = _Spans(_PROPERTIES, target, "device_id", list({entry.originator_id for entry in entries} - born))
    for entry in entries:
        before = spans.of(entry.originator_id)
        after = {(entry.originator_id, digest) for digest in _properties(entry, target.digest, erasures)}
        for subject in sorted(before - after):
            spans.end(entry.position, *subject)
        for _, digest in sorted(after - before):
            spans.begin(PropertySpan(entry.app_id, entry.originator_id, digest, entry.position))
    spans.save()


def _properties(entry: Entry, digest: Digest, erasures: Erasures) -> set[bytes]:
    assert isinstance(entry.fact, DeviceRegistered | DeviceUpdated)
    properties = entry.fact.properties
    if not isinstance(properties, Personal) or properties.erased or erasures.cover(properties.subject, entry.position):
        return set()
    return {property_digest(digest, one) for one in terms(properties.value)}


def property_digest(digest: Digest, term: str) -> bytes:
    """What stands for a property's value (``domain.properties.term``) in the table."""
    return digest("property", term)


def _fold_tags(target: Target, entries: Sequence[Entry], born: set[UUID]) -> None:
    spans = _Spans(_TAGGED, target, "device_id", list({entry.originator_id for entry in entries} - born))
    for entry in entries:
        if isinstance(entry.fact, Subscribed):
            spans.begin(TagSpan(entry.app_id, entry.fact.tag, entry.originator_id, entry.position))
        elif isinstance(entry.fact, Unsubscribed):
            spans.end(entry.position, entry.originator_id, entry.fact.tag)
    spans.save()


def _fold_providers(target: Target, entries: Sequence[Entry]) -> None:
    spans = _Spans(_PROVIDERS, target, "app_id", list({entry.originator_id for entry in entries}))
    for entry in entries:
        fact = entry.fact
        if isinstance(fact, ProviderConfigured) and spans.now(entry.originator_id, fact.provider, fact.profile) is None:
            spans.begin(ProviderSpan(entry.originator_id, fact.provider, fact.profile, entry.position))
        elif isinstance(fact, ProviderRemoved):
            spans.end(entry.position, entry.originator_id, fact.provider, fact.profile)
    spans.save()
