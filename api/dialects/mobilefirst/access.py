"""Who calls: a confidential client by its access token, a server by ``appSecret``, a phone by ``clientSecret``.

Every call needs the scope ``push.application.<applicationId>`` and one that says what it does, such as
``messages.write``. What the two headers open follows from what each is for: a server may do everything in its app but
change the app itself; a phone what ``push.mobileclient`` allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import request

from tocsin.api.dialects.mobilefirst import errors
from tocsin.api.dialects.mobilefirst.applications import NAME, Application, application
from tocsin.api.reads import reading
from tocsin.api.requests import actor
from tocsin.api.services import services
from tocsin.commands.apps import INSTANCE
from tocsin.commands.tokens import AccessToken, read_access_token
from tocsin.domain.entry import Actor
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.token import allows
from tocsin.projections import apps, users
from tocsin.projections.apps_rows import Credential

CLIENT = "client"
APP_SECRET = "app-secret"  # noqa: S105 - the name of a kind
DEVICE_SECRET = "device-secret"  # noqa: S105

APP_SECRET_HEADER = "appSecret"  # noqa: S105 - the name of a header
DEVICE_SECRET_HEADER = "clientSecret"  # noqa: S105

APPLICATION = "push.application."
"""Followed by the application's id: the scope that every call needs."""

MOBILE = "push.mobileclient"
"""The scope of phones."""

APPS_WRITE = "apps.write"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who may do what was asked for. ``application``: whose app it is about; None where it is about no one app.

    ``credential_id``: None for a phone of an app that does not ask for its secret. ``mobile``: it may do no more than
    a phone may.
    """

    application: Application | None
    credential_id: UUID | None
    mobile: bool = False

    @property
    def app_id(self) -> UUID:
        """The app."""
        assert self.application is not None
        return self.application.app_id

    @property
    def application_id(self) -> str:
        """The id by which it was asked for."""
        assert self.application is not None
        return self.application.application_id

    @property
    def scope(self) -> UUID:
        """Within which an idempotency key means one request."""
        return self.credential_id or self.app_id

    @property
    def actor(self) -> Actor:
        """The caller as the events name it."""
        if self.credential_id is None:
            return actor("anonymous", NAME)
        return actor(f"credential:{self.credential_id}", NAME, str(self.credential_id))


def authorized(application_id: str, *scopes: str, mobile: bool = False, disabled: bool = False) -> Caller:
    """The caller, who may do what any one of ``scopes`` allows in an application.

    ``mobile``: phones may too. ``disabled``: also where the application is disabled. Raises Refusal for who is not
    known or may not, and for an application that is not there or is disabled.
    """
    token = bearer()
    found = application(application_id)
    if token is not None:
        caller = _by_token(token, application_id, found, scopes, mobile)
    else:
        caller = _by_header(found, application_id, scopes, mobile)
    if caller.application is None:
        raise errors.missing("applications", "applicationId")
    if caller.application.disabled and not disabled:
        raise errors.Refusal(errors.DISABLED)
    return caller


def authorized_for_apps(scope: str, application_id: str = "*") -> tuple[Caller, AccessToken]:
    """The caller, who may do what ``scope`` allows with applications as such. Raises Refusal."""
    token = bearer()
    if token is None:
        raise errors.unauthenticated()
    required = (scope, APPLICATION + application_id)
    if not all(allows(token.scope, one) for one in required):
        raise errors.insufficient_scope(" ".join(required))
    return Caller(None, token.credential_id), token


def bearer() -> AccessToken | None:
    """The access token of this request, None where it carries none. Raises Refusal for one that is not good."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        token = read_access_token(services().engine, text.strip())
    except Unauthenticated as error:
        raise errors.invalid_token() from error
    with reading("apps", "users") as connection:
        found = apps.credential(connection, token.credential_id)
        revoked = users.is_revoked(connection, token.token_id)
    if found is None or found.revoked or found.dialect != NAME or revoked:
        raise errors.invalid_token()
    return token


def reaches(token: AccessToken, app_id: UUID) -> bool:
    """Whether a client is the app's own, or the whole instance's."""
    return token.app_id in (INSTANCE, app_id)


def _by_token(
    token: AccessToken, application_id: str, found: Application | None, scopes: tuple[str, ...], mobile: bool
) -> Caller:
    own = found is not None and token.app_id == found.app_id
    named = allows(token.scope, APPLICATION + application_id)
    full = named and any(allows(token.scope, scope) for scope in scopes)
    if not full and not (mobile and MOBILE in token.scope and (own or named)):
        raise _insufficient(application_id, scopes)
    seen = found if found is not None and reaches(token, found.app_id) else None
    return Caller(seen, token.credential_id, mobile=not full)


def _by_header(found: Application | None, application_id: str, scopes: tuple[str, ...], mobile: bool) -> Caller:
    if APP_SECRET_HEADER in request.headers:
        if found is None:
            return Caller(None, None)
        credential = _matching(found.app_id, APP_SECRET, request.headers[APP_SECRET_HEADER])
        if APPS_WRITE in scopes:
            raise _insufficient(application_id, scopes)
        return Caller(found, credential.credential_id)
    if DEVICE_SECRET_HEADER in request.headers:
        if found is None:
            return Caller(None, None)
        credential = _matching(found.app_id, DEVICE_SECRET, request.headers[DEVICE_SECRET_HEADER])
        if not mobile:
            raise _insufficient(application_id, scopes)
        return Caller(found, credential.credential_id, mobile=True)
    if mobile and found is not None and not found.asks_phones:
        return Caller(found, None, mobile=True)
    raise errors.unauthenticated()


def _matching(app_id: UUID, kind: str, secret: str) -> Credential:
    """The app's credential that has this secret. Raises Refusal."""
    with reading("apps") as connection:
        known = apps.credentials_in_force(connection, app_id, NAME, kind)
    for credential in known:
        if services().checks.matches(kind, credential.secret_id, secret):
            return credential
    raise errors.invalid_token()


def _insufficient(application_id: str, scopes: tuple[str, ...]) -> errors.Refusal:
    return errors.insufficient_scope(f"{scopes[0]} {APPLICATION}{application_id}")
