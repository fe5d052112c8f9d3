"""Tags: what is known of them, and how many devices have each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from tocsin.api.dialects.mobilefirst.broadcasts import BROADCAST, is_broadcast
from tocsin.api.dialects.mobilefirst.errors import Refusal, missing
from tocsin.api.dialects.mobilefirst.platforms import PLATFORMS, engine_platforms
from tocsin.api.dialects.mobilefirst.representations import Shown, date, href
from tocsin.api.services import services
from tocsin.commands.apps import load_enabled
from tocsin.domain.errors import Invalid
from tocsin.domain.tags import tag_name

COUNT = "subscriptionCount"
COUNTED = ("A", "G", "W")
"""Platforms whose subscriptions are counted apart."""


def known_tag(app_id: UUID, name: str) -> str:
    """A tag of the app, as the record has it. Raises Refusal."""
    try:
        tag = tag_name(name)
    except Invalid:
        raise no_such_tag() from None
    if tag not in load_enabled(services().engine, app_id).tags:
        raise no_such_tag()
    return tag


def sorted_out(app_id: UUID, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Those of these names that devices may subscribe to, as they are kept, and those that are no tags."""
    known, unknown = [], []
    for name in names:
        try:
            known.append(BROADCAST if is_broadcast(name) else known_tag(app_id, name))
        except Refusal:
            unknown.append(name)
    return known, unknown


def no_such_tag() -> Refusal:
    """What is said of a tag that is not there."""
    return missing("tags", "tagName")


def tag(
    application_id: str,
    name: str,
    description: str,
    created_at: datetime,
    updated_at: datetime,
    *,
    expand: bool = True,
    counts: Mapping[str, int] | None = None,
) -> Shown:
    """A tag, of strings alone. ``counts``: its subscriptions by platform of the engine, where they are wanted."""
    address = href(application_id, "tags", name)
    shown = {"name": name, "description": description, "href": address, "uri": address}
    if expand:
        shown |= {"createdMode": "API", "createdTime": date(created_at), "lastUpdatedTime": date(updated_at)}
    return shown | ({} if counts is None else _counts(counts))


def _counts(counts: Mapping[str, int]) -> Shown:
    shown = {COUNT: str(sum(counts.values()))}
    for platform in COUNTED:
        assert platform in PLATFORMS
        shown[f"{COUNT}{platform}"] = str(sum(counts.get(one, 0) for one in engine_platforms(platform)))
    return shown
