"""Which app a call means that carries no credential: the one that answers at its host, else its dialect's default."""

from __future__ import annotations

from flask import request

from tocsin.api.reads import reading
from tocsin.domain.errors import NotFound
from tocsin.projections import apps
from tocsin.projections.apps_rows import App, Credential


def app_of_call(dialect: str) -> App:
    """The app of a call without a credential. Raises NotFound where neither its host nor its dialect names one.

    The default is an app whose settings say so: ``{"<dialect>": {"default": true}}``.
    """
    host, _, port = request.host.rpartition(":")
    if not port.isdigit():
        host = request.host
    with reading("apps") as connection:
        found = apps.app_by_host(connection, _storable(host.lower())) or apps.default_app(connection, dialect)
    if found is None or found.disabled:
        raise NotFound("no app answers at this host, and none is the default of this API")
    return found


def app_of_credential(dialect: str, kind: str, public_id: str) -> Credential | None:
    """The credential of this kind whose openly shown half is ``public_id``, unless it was revoked."""
    with reading("apps") as connection:
        found = apps.credential_by_public_id(connection, dialect, _storable(public_id), kind)
    return None if found is None or found.revoked else found


def _storable(text: str) -> str:
    """``text`` without what PostgreSQL has no place for, so that it is looked for and not found."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
