"""Who calls: by the app's API token, by its creator token, or with nothing but a device's id in the address."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import request

from tocsin.api.dialects.twinpush import errors
from tocsin.api.dialects.twinpush.errors import Refusal
from tocsin.api.reads import reading
from tocsin.api.requests import actor
from tocsin.api.services import services
from tocsin.domain.entry import Actor
from tocsin.projections import apps
from tocsin.projections.apps_rows import App, Credential
from tocsin.projections.devices import Device

NAME = "twinpush"

KIND = "api-token"
"""Of both tokens; which of them one is, is said by its role."""

API_ROLE = "registrar"
CREATOR_ROLE = "sender"

API_HEADER = "X-TwinPush-REST-API-Token"
CREATOR_HEADERS = ("X-TwinPush-REST-API-Key-Creator", "X-TwinPush-REST-API-Token-Creator")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls which app. ``scope``: within what its idempotency keys are its own."""

    app: App
    actor: Actor
    scope: UUID

    @property
    def app_id(self) -> UUID:
        """The app's id, as the engine knows it."""
        return self.app.app_id

    @property
    def shown_app(self) -> str:
        """The app's id, as this API shows it."""
        return services().handles.of(self.app.app_id)


def app_addressed(shown: str) -> App:
    """The app whose id is in the address. Raises Refusal."""
    handles = services().handles
    with reading("apps") as connection:
        return _usable(apps.app_by_handle(connection, handles, shown))


def by_api_token(shown: str) -> Caller:
    """Whoever sent the API token of the app in the address. Raises Refusal: of the app first, then of the token."""
    app = app_addressed(shown)
    credential = _presented(app, API_ROLE, request.headers.get(API_HEADER))
    if credential is None:
        raise Refusal(errors.INVALID_TOKEN)
    return _caller(app, credential)


def by_creator_token(shown: str) -> Caller:
    """Whoever sent the creator token of the app in the address. Raises Refusal, likewise."""
    app = app_addressed(shown)
    sent = next((request.headers[name] for name in CREATOR_HEADERS if name in request.headers), None)
    credential = _presented(app, CREATOR_ROLE, sent)
    if credential is None:
        raise Refusal(errors.INVALID_CREATOR_TOKEN)
    return _caller(app, credential)


def as_device(app: App, device: Device) -> Caller:
    """A device that calls for itself: its id is all it has to know. A token it sent is named, and is not needed."""
    credential = _presented(app, API_ROLE, request.headers.get(API_HEADER))
    named = None if credential is None else str(credential.credential_id)
    return Caller(app, actor(f"device:{device.device_id}", NAME, named), device.device_id)


def app_of_device(device: Device) -> App:
    """The app of a device that was addressed without it. Raises Refusal where that is disabled."""
    with reading("apps") as connection:
        return _usable(apps.app(connection, device.app_id))


def _usable(found: App | None) -> App:
    if found is None or found.disabled:
        raise Refusal(errors.APP_NOT_FOUND)
    return found


def _presented(app: App, role: str, token: str | None) -> Credential | None:
    """The app's credential with this role whose secret was sent."""
    if not token:
        return None
    with reading("apps") as connection:
        issued = apps.credentials_in_force(connection, app.app_id, NAME, KIND)
    matches = services().checks.matches
    return next((one for one in issued if role in one.roles and matches(KIND, one.secret_id, token)), None)


def _caller(app: App, credential: Credential) -> Caller:
    named = str(credential.credential_id)
    return Caller(app, actor(f"credential:{named}", NAME, named), credential.credential_id)
