"""The JSON of credentials and of providers' configurations. No secret is ever answered but a new token, once."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma
import msgspec
from marshmallow import fields, validate
from msgspec import UNSET, UnsetType

from tocsin.api.native.access import DIALECT, KIND
from tocsin.commands.credentials import CredentialResult
from tocsin.commands.providers import ProviderResult
from tocsin.commands.secrets import HASHED, KEPT
from tocsin.domain.app import MAX_NAME, MAX_SCOPE, MAX_TEXT, ROLES
from tocsin.domain.errors import Invalid
from tocsin.domain.events.app import CredentialIssued, ProviderConfigured
from tocsin.projections.apps_rows import Credential, Provider

KINDS = tuple(kind for kind in (*HASHED, *KEPT) if kind not in ("session", "webhook"))
"""Kinds an admin issues: sessions are opened by users, webhooks have secrets of their own."""

MAX_SECRET = 65_536
"""Characters of a provider's key file."""


class CredentialForm(ma.Schema):
    """A new credential. Of the native API unless ``dialect`` and ``kind`` say otherwise."""

    name = fields.String(required=True, validate=validate.Length(1, MAX_NAME))
    roles = fields.List(fields.String(validate=validate.OneOf(ROLES)), load_default=list)
    kind = fields.String(load_default=KIND, validate=validate.OneOf(KINDS))
    dialect = fields.String(load_default=DIALECT, validate=validate.Length(1, MAX_NAME))
    public_id = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, MAX_NAME))
    scope = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_SCOPE),
        metadata={"description": "What a client's access tokens may be for: elements with spaces between, `*` in one "
                                 "standing for anything."},
    )  # fmt: skip
    secret = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(16, MAX_TEXT),
        metadata={"description": "Your own secret, for kinds other than bearer.", "writeOnly": True},
    )

    @ma.validates_schema
    def _check(self, data: dict[str, Any], **_: Any) -> None:
        if data["kind"] == KIND and data["secret"] is not None:
            raise ma.ValidationError("a bearer token is made here and cannot be chosen", "secret")
        if data["kind"] == KIND and not data["roles"]:
            raise ma.ValidationError("name at least one role", "roles")


class CredentialAnswer(msgspec.Struct, kw_only=True):
    """A credential. ``secret``: the token to send, in the answer to its issue alone; null when that is repeated."""

    credential_id: UUID
    app_id: UUID
    name: str
    kind: str
    dialect: str
    roles: list[str]
    public_id: str | None
    scope: str | None
    revoked: bool
    issued_at: datetime | UnsetType = UNSET
    revoked_at: datetime | None | UnsetType = UNSET
    position: int | UnsetType = UNSET
    secret: str | None | UnsetType = UNSET
    secret_shown: str | UnsetType = UNSET


class ProviderForm(ma.Schema):
    """How an app reaches a provider.

    ``configuration``: of apns: topic, environment, key_id, team_id; of fcm: project_id; of wns: client_id, token_url,
    scope. ``secret``: a .p8 key or PEM certificate, the service account's JSON, or the
    client secret, as text; ``secret_base64``: the same as base64, for a .p12.
    """

    configuration = fields.Dict(keys=fields.String(), load_default=dict)
    secret = fields.String(validate=validate.Length(1, MAX_SECRET), metadata={"writeOnly": True})
    secret_base64 = fields.String(validate=validate.Length(1, 2 * MAX_SECRET), metadata={"writeOnly": True})
    password = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=MAX_TEXT),
        metadata={"description": "Opens the .p12.", "writeOnly": True},
    )


class ProviderAnswer(msgspec.Struct, kw_only=True):
    """A provider's configuration. ``fingerprint``: by which people tell one secret from another."""

    app_id: UUID
    provider: str
    profile: str
    configuration: dict[str, Any]
    fingerprint: str
    configured_at: datetime | UnsetType = UNSET
    position: int | UnsetType = UNSET


def secret_of(form: dict[str, Any]) -> bytes:
    """The secret of a provider's form. Raises Invalid where there is none, or two."""
    text, encoded = form.get("secret"), form.get("secret_base64")
    if (text is None) == (encoded is None):
        raise Invalid("send the secret once: as text in secret, or as base64 in secret_base64", field="secret")
    if text is not None:
        return bytes(text.encode())
    try:
        return base64.b64decode("".join(str(encoded).split()), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("secret_base64 is not base64", field="secret_base64") from None


def credential_of_row(row: Credential) -> CredentialAnswer:
    """A credential as the read model has it."""
    return CredentialAnswer(
        credential_id=row.credential_id,
        app_id=row.app_id,
        name=row.name,
        kind=row.kind,
        dialect=row.dialect,
        roles=row.roles,
        public_id=row.public_id,
        scope=row.scope,
        revoked=row.revoked,
        issued_at=row.issued_at,
        revoked_at=row.revoked_at,
        position=row.position,
    )


def credential_of_fact(
    app_id: UUID, issued: CredentialIssued, *, revoked: bool = False, at: datetime | None = None
) -> CredentialAnswer:
    """A credential as its event says it."""
    return CredentialAnswer(
        credential_id=issued.credential_id,
        app_id=app_id,
        name=issued.name,
        kind=issued.kind,
        dialect=issued.dialect,
        roles=list(issued.roles),
        public_id=issued.public_id,
        scope=issued.scope,
        revoked=revoked,
        issued_at=at or UNSET,
    )


def credential_issued(result: CredentialResult, *, shown: bool) -> CredentialAnswer:
    """The answer to an issue, with its secret or (``shown`` false) saying that it was shown before."""
    answer = credential_of_fact(result.app_id, result.credential)
    answer.secret = result.secret if shown else None
    answer.secret_shown = "now" if shown else "once"
    return answer


def provider_of_row(row: Provider) -> ProviderAnswer:
    """A configuration as the read model has it."""
    return ProviderAnswer(
        app_id=row.app_id,
        provider=row.provider,
        profile=row.profile,
        configuration=row.configuration,
        fingerprint=row.fingerprint,
        configured_at=row.configured_at,
        position=row.position,
    )


def provider_of_fact(app_id: UUID, configured: ProviderConfigured, at: datetime | None = None) -> ProviderAnswer:
    """A configuration as its event says it."""
    return ProviderAnswer(
        app_id=app_id,
        provider=configured.provider,
        profile=configured.profile,
        configuration=configured.configuration,
        fingerprint=configured.fingerprint,
        configured_at=at or UNSET,
    )


def provider_of_result(result: ProviderResult) -> ProviderAnswer:
    """A configuration as the command left it."""
    return provider_of_fact(result.app_id, result.configured)
