"""The native REST API under ``/v1``."""

from __future__ import annotations

from flask import Flask

from tocsin.api.native import (
    apps,
    credentials,
    deliveries,
    devices,
    events,
    followups,
    imports,
    notifications,
    providers,
    sends,
    tags,
    users,
    webhooks,
)
from tocsin.api.native.document import components, describe

BLUEPRINTS = (
    apps.blueprint,
    credentials.blueprint,
    providers.blueprint,
    devices.blueprint,
    imports.blueprint,
    tags.blueprint,
    users.blueprint,
    notifications.blueprint,
    followups.blueprint,
    sends.blueprint,
    deliveries.blueprint,
    events.blueprint,
    webhooks.blueprint,
)


def register(app: Flask) -> None:
    """Add the native API, and its document at ``/openapi.json``, to an app."""
    app.url_map.converters["tag"] = tags.TagInPath
    api = describe(app)
    for name, schema in components().items():
        api.spec.components.schema(name, schema)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
