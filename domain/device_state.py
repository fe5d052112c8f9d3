"""What a device's events come to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from tocsin.domain.entry import Fact
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
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import provider_for
from tocsin.domain.rules import OutOfPlace

PERSONAL = ("user", "alias", "phone", "properties")
"""The members that a registration and a change may say of the person."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """``tags``: its subscriptions. ``opted_out``: it is left out of every audience. ``retired``: why it is no longer
    sent to. ``property_types``: of those properties that were given a type. Personal values whose keys were destroyed
    are tombstones."""

    platform: str
    token: Personal | None = None
    user: Personal | None = None
    alias: Personal | None = None
    phone: Personal | None = None
    properties: Personal | None = None
    property_types: Personal | None = None
    external_id: str | None = None
    environment: str | None = None
    attributes: dict[str, Any] = {}
    token_scope: str | None = None
    tags: frozenset[str] = frozenset()
    opted_out: bool = False
    retired: Retirement | None = None

    @property
    def provider(self) -> str | None:
        """The provider that reaches it, if any."""
        return provider_for(self.platform)

    @property
    def erased(self) -> bool:
        """True where its personal data was destroyed on request: it can never be registered again."""
        return self.retired is Retirement.ERASED or (self.token is not None and self.token.erased)


def fold(facts: Iterable[Fact], state: Device | None = None) -> Device | None:
    """The state after ``facts``, from ``state`` or from nothing."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: Device | None, fact: Fact) -> Device:
    """The state after ``fact``. Errors: OutOfPlace for a fact that cannot begin a device, or of another stream."""
    if state is None:
        if isinstance(fact, DeviceRegistered):
            return _registered(fact)
        raise OutOfPlace("device", fact)
    match fact:
        case Subscribed(tag=tag):
            return replace(state, tags=state.tags | {tag})
        case Unsubscribed(tag=tag):
            return replace(state, tags=state.tags - {tag})
        case DeviceUpdated():
            return _updated(state, fact)
        case TokenChanged(token=token):
            return replace(state, token=token)
        case BadgeChanged():
            # What it is now depends on the sends too: the read model of deliveries says it.
            return state
        case OptedOut():
            return replace(state, opted_out=True)
        case OptedIn():
            return replace(state, opted_out=False)
        case DeviceRetired(reason=reason):
            return replace(state, retired=reason)
        case DeviceRestored():
            return replace(state, retired=None)
    raise OutOfPlace("device", fact)


def _registered(fact: DeviceRegistered) -> Device:
    return Device(
        platform=fact.platform,
        token=fact.token,
        user=fact.user,
        alias=fact.alias,
        phone=fact.phone,
        properties=fact.properties,
        property_types=fact.property_types,
        external_id=fact.external_id,
        environment=fact.environment,
        attributes=fact.attributes,
        token_scope=fact.token_scope,
    )


def _updated(state: Device, fact: DeviceUpdated) -> Device:
    given = {name: getattr(fact, name) for name in (*PERSONAL, "property_types", "environment")}
    changes = {name: value for name, value in given.items() if value is not UNSET}
    if fact.attributes is not UNSET:
        changes["attributes"] = merged(state.attributes, fact.attributes)
    return replace(state, **changes)


def merged(attributes: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Attributes after ``changes`` to them: what is None is removed."""
    return {name: value for name, value in {**attributes, **changes}.items() if value is not None}
