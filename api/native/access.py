"""Who may do what: bearer tokens, their roles, and the apps they are good for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast
from uuid import UUID

from flask import g, request

from tocsin.api.requests import actor
from tocsin.api.services import services
from tocsin.commands.apps import INSTANCE
from tocsin.commands.secrets import credential_of
from tocsin.domain.entry import Actor
from tocsin.domain.errors import Forbidden, NotFound, Unauthenticated
from tocsin.projections import apps

View = TypeVar("View", bound=Callable[..., Any])

KIND = "bearer"
DIALECT = "native"

ADMIN = "admin"
REGISTRAR = "registrar"
SENDER = "sender"
AUDITOR = "auditor"
OPERATOR = "operator"

EVERYBODY = (REGISTRAR, SENDER, AUDITOR, OPERATOR)
"""Every role; an admin's credential has all of them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A credential that proved itself. ``app_id``: the one app it is good for, or the instance's, good for all."""

    credential_id: UUID
    app_id: UUID
    roles: frozenset[str]

    @property
    def of_instance(self) -> bool:
        """Whether it is good for every app."""
        return self.app_id == INSTANCE

    def has(self, *roles: str) -> bool:
        """Whether it has one of these roles; admin stands for all."""
        return ADMIN in self.roles or not self.roles.isdisjoint(roles)

    @property
    def sees_people(self) -> bool:
        """Whether personal data of events is shown in clear."""
        return self.has(AUDITOR)

    @property
    def actor(self) -> Actor:
        """The caller as the events name it."""
        return actor(f"credential:{self.credential_id}", DIALECT, str(self.credential_id))


def caller() -> Caller:
    """The caller of this request, once ``needs`` let it in."""
    return cast(Caller, g.caller)


def needs(*roles: str, instance: bool = False) -> Callable[[View], View]:
    """Lets in who has one of ``roles`` (or is admin) for the app in the path; ``instance``: for the whole instance.

    Another app's path is answered as if there were no such app. Raises Unauthenticated, NotFound, Forbidden.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            who = g.caller = authenticated()
            if "app_id" in kwargs:
                _check_app(who, kwargs["app_id"])
            if instance and not who.of_instance:
                raise Forbidden("this takes a credential of the instance, not of an app", role=ADMIN)
            if not who.has(*roles):
                raise _lacking(roles)
            return view(*args, **kwargs)

        return cast(View, guarded)

    return decorate


def authenticated() -> Caller:
    """The caller whose bearer token this request carries (RFC 6750, section 2.1). Raises Unauthenticated."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not token:
        raise Unauthenticated("this needs a token: send Authorization: Bearer tcn_…")
    credential_id = credential_of(token.strip()) if scheme.lower() == "bearer" else None
    if credential_id is None:
        raise Unauthenticated("this is not a token of this API: they begin with tcn_")
    with services().readers.connection() as connection:
        found = apps.credential(connection, credential_id)
    known = found is not None and not found.revoked and (found.kind, found.dialect) == (KIND, DIALECT)
    if found is None or not known or not services().checks.matches(KIND, found.secret_id, token.strip()):
        raise Unauthenticated("this token opens nothing: it was revoked, or never issued here")
    return Caller(credential_id, found.app_id, frozenset(found.roles))


def _check_app(who: Caller, app_id: UUID) -> None:
    """Whether the caller may know of the app. A write to one that is not there is refused by its command."""
    if who.of_instance:
        if request.method in ("GET", "HEAD"):
            with services().readers.connection() as connection:
                known = apps.app(connection, app_id) is not None
        else:
            known = True
    else:
        known = who.app_id == app_id
    if not known:
        raise NotFound("there is no such app", app=str(app_id))


def _lacking(roles: tuple[str, ...]) -> Forbidden:
    if not roles:
        return Forbidden("this takes a credential with the role admin", role=ADMIN)
    return Forbidden(f"this takes a credential with the role {' or '.join(roles)}", role=roles[0], roles=list(roles))
