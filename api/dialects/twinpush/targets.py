"""Who a notification is for: the one target it names, of seven kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from tocsin.api.dialects.twinpush import contents, lookups
from tocsin.api.dialects.twinpush.contents import Content
from tocsin.api.dialects.twinpush.errors import invalid
from tocsin.api.dialects.twinpush.schemas import flag, texts
from tocsin.api.services import services
from tocsin.commands.people import alias
from tocsin.domain.audience import Segment
from tocsin.domain.personal import Personal

MOST_NAMED = 1000
MOST_SEGMENTS = 50
MOST_PROPERTIES = 5

TOGETHER = {"segments", "target_properties"}
"""The only targets that may be named together: who is in the segments and has the properties."""

OLD_NAMES = {"devices_alias": "devices_aliases", "target_property": "target_properties"}

Target = tuple[dict[str, Any], tuple[Personal, ...]]
"""Members of an audience, and what each of those it names is told differently."""

Changes = Mapping[str, dict[str, Any]]
"""By recipient, what it is told differently, as the engine takes it."""


def target(app_id: UUID, asked: Mapping[str, Any], common: Content) -> Target:
    """The target of a notification that says ``common`` to everybody. Raises Refusal unless it names exactly one.

    An empty list or object names none, and neither does ``"broadcast": false``.
    """
    named = {name: value for name, value in _given(asked).items() if _says_something(name, value)}
    if not named or (len(named) > 1 and named.keys() != TOGETHER):
        raise invalid(f"one target must be named, of {', '.join((*SIMPLE, *MULTIPLE))}")
    for name in named.keys() & MULTIPLE.keys():
        return MULTIPLE[name](app_id, _changes(named[name], name, common))
    audience: dict[str, Any] = {}
    for name, value in named.items():
        audience |= SIMPLE[name](app_id, value)
    if "segments" in named:
        audience["everyone"] = False
    return audience, ()


def _given(asked: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: asked[name] for name in (*SIMPLE, *MULTIPLE) if name in asked}
    for old, name in OLD_NAMES.items():
        if old in asked and not given.get(name):
            given[name] = asked[old]
    return given


def _says_something(name: str, value: Any) -> bool:
    if name == "broadcast":
        return flag(value, name, False)
    if name == "target_properties":
        return bool(_properties(value))
    return value not in (None, "", [], {})


def _broadcast(_: UUID, __: Any) -> dict[str, Any]:
    return {"everyone": True}


def _devices(app_id: UUID, value: Any) -> dict[str, Any]:
    numbered = [str(one) if type(one) is int else one for one in _listed(value)]
    ids = lookups.devices_named(app_id, _bounded(numbered, "devices_ids", MOST_NAMED))
    return {"devices": tuple(dict.fromkeys(ids.values()))}


def _aliases(app_id: UUID, value: Any) -> dict[str, Any]:
    digest = services().engine.digest
    named = _bounded(_listed(value), "devices_aliases", MOST_NAMED)
    return {"aliases": tuple(alias(digest, app_id, name) for name in named)}


def _segments(_: UUID, value: Any) -> dict[str, Any]:
    named = _bounded(_listed(value), "segments", MOST_SEGMENTS)
    return {"segments": tuple(Segment(name=name) for name in named)}


def _having(_: UUID, value: Any) -> dict[str, Any]:
    properties = _properties(value)
    if len(properties) > MOST_PROPERTIES:
        raise invalid(f"target_properties names {len(properties)}, at most {MOST_PROPERTIES} are allowed")
    return {"everyone": True, "properties": properties}


def _properties(value: Any) -> dict[str, tuple[Any, ...]]:
    """Name to values; of the older form, ``{"name", "values"}``, its one name. Names without values are left out."""
    if value in (None, "", []):
        return {}
    if not isinstance(value, dict):
        raise invalid("target_properties must be an object")
    if value.keys() == {"name", "values"}:
        name = value["name"]
        value = {name: value["values"]} if isinstance(name, str) and name else {}
    lists = {name: values if isinstance(values, list) else [values] for name, values in value.items()}
    return {name: tuple(values) for name, values in lists.items() if values and values != [None]}


def _to_devices(app_id: UUID, changes: Changes) -> Target:
    ids = lookups.devices_named(app_id, list(changes))
    personal = (
        Personal(ids[name], {"device": str(ids[name]), "message": change}) for name, change in changes.items() if change
    )
    return {"devices": tuple(dict.fromkeys(ids.values()))}, tuple(personal)


def _to_aliases(app_id: UUID, changes: Changes) -> Target:
    people = {name: alias(services().engine.digest, app_id, name) for name in changes}
    personal = (
        Personal(people[name].subject, {"alias": name, "message": change}) for name, change in changes.items() if change
    )
    return {"aliases": tuple(people.values())}, tuple(personal)


def _changes(value: Any, name: str, common: Content) -> Changes:
    if not isinstance(value, dict) or not all(isinstance(own, dict) for own in value.values()):
        raise invalid(f"{name} must be an object of objects")
    _bounded(value, name, MOST_NAMED)
    return {
        recipient: contents.personal_changes(common, contents.changed(common, own)) for recipient, own in value.items()
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _bounded(named: list[Any] | dict[str, Any], field: str, most: int) -> tuple[str, ...]:
    if len(named) > most:
        raise invalid(f"{field} names {len(named)}, at most {most} are allowed")
    return texts(list(named), field)


SIMPLE: dict[str, Callable[[UUID, Any], dict[str, Any]]] = {
    "broadcast": _broadcast,
    "devices_ids": _devices,
    "devices_aliases": _aliases,
    "segments": _segments,
    "target_properties": _having,
}
"""Targets that are all told the same: members of an audience."""

MULTIPLE: dict[str, Callable[[UUID, Changes], Target]] = {
    "multiple_devices": _to_devices,
    "multiple_alias": _to_aliases,
}
"""Targets whose members are each told something else."""
