"""The JSON of tags."""

from __future__ import annotations

from datetime import datetime

import marshmallow as ma
import msgspec
from marshmallow import fields, validate
from msgspec import UNSET, UnsetType

from tocsin.domain.app import MAX_TEXT
from tocsin.domain.tags import MAX_TAG
from tocsin.projections.apps_rows import Tag


class TagForm(ma.Schema):
    """A tag that is to be known before any device has it."""

    tag = fields.String(required=True, validate=validate.Length(1, MAX_TAG))
    description = fields.String(validate=validate.Length(max=MAX_TEXT))


class TagChanges(ma.Schema):
    """What is to change of a tag."""

    description = fields.String(required=True, validate=validate.Length(max=MAX_TEXT))


class TagAnswer(msgspec.Struct, kw_only=True):
    """A tag. ``created``: it was created by name; others are there because devices have them. ``devices``: how many
    that are not retired have it."""

    tag: str
    description: str
    created: bool
    devices: int | UnsetType = UNSET
    created_at: datetime | UnsetType = UNSET
    position: int | UnsetType = UNSET


def of_row(row: Tag, devices: int) -> TagAnswer:
    """A tag that was created by name."""
    return TagAnswer(
        tag=row.tag,
        description=row.description,
        created=True,
        devices=devices,
        created_at=row.created_at,
        position=row.position,
    )


def in_use(tag: str, devices: int) -> TagAnswer:
    """A tag that devices have and nobody created."""
    return TagAnswer(tag=tag, description="", created=False, devices=devices)


def of_state(tag: str, description: str, devices: int | UnsetType = UNSET) -> TagAnswer:
    """A tag as its app's events make it."""
    return TagAnswer(tag=tag, description=description, created=True, devices=devices)
