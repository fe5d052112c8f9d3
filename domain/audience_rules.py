"""What an audience, or the criteria of a segment, may be."""

from __future__ import annotations

from msgspec.structs import replace

from tocsin.domain import expression
from tocsin.domain.audience import Audience, Criteria
from tocsin.domain.errors import Invalid
from tocsin.domain.platforms import PLATFORMS
from tocsin.domain.rules import one_of, personal_text, text
from tocsin.domain.tags import tag_name

MAX_NAMED = 10_000
"""Devices, users, aliases and tags one audience may name; larger ones are said by tags."""

MAX_SEGMENTS = 50
MAX_PROPERTIES = 20
MAX_VALUES = 100


def check_audience(audience: Audience) -> Audience:
    """``audience`` with its tags in normal form. Errors: Invalid: it names nobody or too many, an expression does not
    parse (``position``), a platform is not known."""
    if not audience.names_someone:
        raise Invalid("the audience names nobody: say everyone, devices, users, aliases, tags or an expression",
                      field="audience")  # fmt: skip
    for name in ("devices", "users", "aliases"):
        check_number(getattr(audience, name), f"audience.{name}")
    check_number(audience.segments, "audience.segments", MAX_SEGMENTS)
    for name in ("users", "aliases"):
        for value in getattr(audience, name):
            personal_text(value, f"audience.{name}", 255)
    for segment in audience.segments:
        text(segment.name, "audience.segments", 255)
    text(audience.profile, "audience.profile", 64)
    for dialect in audience.through:
        text(dialect, "audience.through", 64)
    shared = Criteria(
        tags=audience.tags,
        expression=audience.expression,
        properties=audience.properties,
        platforms=audience.platforms,
    )
    return replace(audience, tags=check_criteria(shared, "audience").tags)


def check_criteria(criteria: Criteria, field: str = "criteria") -> Criteria:
    """``criteria`` with its tags in normal form. Errors: Invalid, as ``check_audience``."""
    check_number(criteria.tags, f"{field}.tags")
    for platform in criteria.platforms:
        one_of(platform, f"{field}.platforms", PLATFORMS)
    if criteria.expression is not None:
        expression.parse(criteria.expression, f"{field}.expression")
    check_number(tuple(criteria.properties), f"{field}.properties", MAX_PROPERTIES)
    for name, values in criteria.properties.items():
        _check_property(name, values, f"{field}.properties")
    return replace(criteria, tags=tuple(tag_name(tag, f"{field}.tags") for tag in criteria.tags))


def _check_property(name: str, values: tuple[object, ...], field: str) -> None:
    text(name, field, 255)
    if not values:
        raise Invalid(f"{field}.{name} names no value, so nobody would be meant", field=field)
    check_number(values, f"{field}.{name}", MAX_VALUES)
    for value in values:
        if isinstance(value, str):
            if value:
                text(value, field, 1000)
        elif not isinstance(value, int | float):
            raise Invalid(f"{field}.{name} takes strings, numbers, true and false", field=field)


def check_number(named: tuple[object, ...], field: str, most: int = MAX_NAMED) -> None:
    """At most ``most`` things are named. Errors: Invalid."""
    if len(named) > most:
        raise Invalid(f"{field} names {len(named)}, at most {most} are allowed: use a tag", field=field)
