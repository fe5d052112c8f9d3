"""Applications: an app under the id its clients know it by, which is the public half of its first ``appSecret``.

An app that was given none is known by its own id, and so is every other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection

from tocsin.api.dialects.apps import app_of_credential
from tocsin.api.dialects.settings import settings_of
from tocsin.api.reads import reading
from tocsin.commands.apps import INSTANCE
from tocsin.projections import apps
from tocsin.projections.apps_rows import App

NAME = "mobilefirst"
KIND = "app-secret"
"""Of the credentials whose public half is an application's id."""


@dataclass(frozen=True, slots=True)
class Application:
    """An app, under the id it was asked for by."""

    application_id: str
    app: App

    @property
    def app_id(self) -> UUID:
        """The app's own id."""
        return self.app.app_id

    @property
    def disabled(self) -> bool:
        """Whether it takes nothing at present."""
        return self.app.disabled

    @property
    def settings(self) -> dict[str, Any]:
        """What the app's settings say of this API: ``{"mobilefirst": …}``."""
        return settings_of(self.app.settings, NAME)

    @property
    def asks_phones(self) -> bool:
        """Whether phones have to send their secret, as those of old applications need not."""
        return self.settings.get("verifyClientSecret") is not False


def application(application_id: str) -> Application | None:
    """The application of an id; None where there is none, or it was deleted."""
    found = _by_own_id(application_id) or _by_public_id(application_id)
    return None if found is None else Application(application_id, found)


def _by_own_id(text: str) -> App | None:
    """The app whose id this is, if it has credentials of this API. Nobody can take its id as a public one."""
    app_id = _uuid(text)
    # The instance's clients are kept by an app that stands for it, and is nobody's application.
    if app_id is None or app_id == INSTANCE:
        return None
    with reading("apps") as connection:
        known = apps.credentials_in_force(connection, app_id, NAME)
        return apps.app(connection, app_id) if known else None


def _by_public_id(text: str) -> App | None:
    named = app_of_credential(NAME, KIND, text)
    if named is None or named.app_id == INSTANCE:
        return None
    with reading("apps") as connection:
        return apps.app(connection, named.app_id)


def named_applications() -> dict[UUID, str]:
    """Every application: the id it is known by, by the app's own, in the order they were created."""
    with reading("apps") as connection:
        found = apps.credentials_of_dialect(connection, NAME, KIND)
    ids: dict[UUID, str] = {}
    for credential in found:
        if credential.public_id is not None:
            ids.setdefault(credential.app_id, credential.public_id)
    return ids


def known_as(connection: Connection[Any], app_id: UUID) -> str:
    """The id an app is known by, for who speaks of it unasked."""
    found = apps.credentials_in_force(connection, app_id, NAME, KIND)
    return next((one.public_id for one in found if one.public_id is not None), str(app_id))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
