"""Credentials: tokens of the native API, and what callers of dialects prove themselves with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request

from tocsin.api.bodies import Resources
from tocsin.api.native.access import AUDITOR, needs
from tocsin.api.native.credentials_json import (
    CredentialAnswer,
    CredentialForm,
    credential_issued,
    credential_of_fact,
    credential_of_row,
)
from tocsin.api.native.document import AS_OF, REASON, lists, reads, writes
from tocsin.api.native.history import as_of, history_of_part, stood, tells_history
from tocsin.api.native.writing import write
from tocsin.api.reads import after, as_json, limit, paged, reading
from tocsin.api.requests import address_of
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.credentials import CredentialResult, issue_credential, revoke_credential
from tocsin.domain import app as app_rules
from tocsin.domain.errors import NotFound
from tocsin.domain.events.app import CredentialIssued, CredentialRevoked
from tocsin.projections import apps

SERVES = ("apps",)

blueprint = Resources(
    "credentials", __name__, url_prefix="/v1/apps/<uuid:app_id>", description="Credentials: who may call, and for what."
)


@blueprint.route("/credentials", methods=["POST"])
@needs()
@blueprint.arguments(CredentialForm)
@writes(201, kind=CredentialAnswer, description="The credential; its secret is shown this once.")
def issue(form: dict[str, Any], app_id: UUID) -> Response:
    """Issue a credential. The answer holds its secret, this once."""

    def answer(result: CredentialResult, shown: bool) -> Answer:
        location = address_of("credentials.get", app_id=app_id, credential_id=result.credential.credential_id)
        return Answer(201, credential_issued(result, shown=shown), {"Location": location, "Cache-Control": "no-store"})

    return write(
        lambda context: issue_credential(services().engine, context, app_id, **form),
        lambda result: answer(result, True),
        SERVES,
        kept=lambda result: answer(result, False),
    )


@blueprint.route("/credentials", methods=["GET"])
@needs(AUDITOR)
@lists(CredentialAnswer)
def list_all(app_id: UUID) -> Response:
    """The app's credentials, revoked ones among them."""
    with reading("apps") as connection:
        page = apps.list_credentials(connection, app_id, after=after(int) or 0, limit=limit())
    return paged(page, credential_of_row)


@blueprint.route("/credentials/<uuid:credential_id>", methods=["GET"])
@needs(AUDITOR)
@reads(CredentialAnswer, parameters=[AS_OF])
def get(app_id: UUID, credential_id: UUID) -> Response:
    """One credential, as it is or as it was."""
    position = as_of()
    if position is not None:
        return as_json(_stood(app_id, credential_id, position))
    with reading("apps") as connection:
        found = apps.credential(connection, credential_id)
    if found is None or found.app_id != app_id:
        raise _unknown(credential_id)
    return as_json(credential_of_row(found))


@blueprint.route("/credentials/<uuid:credential_id>", methods=["DELETE"])
@needs()
@writes(204, description="Revoked.", parameters=[REASON])
def revoke(app_id: UUID, credential_id: UUID) -> Response:
    """Revoke a credential: it opens nothing from now on."""
    reason = request.args.get("reason")
    return write(
        lambda context: revoke_credential(services().engine, context, app_id, credential_id, reason),
        lambda _: Answer(204),
        SERVES,
    )


@blueprint.route("/credentials/<uuid:credential_id>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history()
def past(app_id: UUID, credential_id: UUID) -> Response:
    """Its issue and its revocation."""
    return history_of_part(
        app_id,
        app_id,
        lambda fact: isinstance(fact, CredentialIssued | CredentialRevoked) and fact.credential_id == credential_id,
        "credential",
    )


def _stood(app_id: UUID, credential_id: UUID, position: int) -> CredentialAnswer:
    state, _ = stood(app_id, app_id, app_rules, position)
    if credential_id not in state.credentials:
        raise _unknown(credential_id)
    return credential_of_fact(app_id, state.credentials[credential_id], revoked=credential_id in state.revoked)


def _unknown(credential_id: UUID) -> NotFound:
    return NotFound("there is no such credential", credential=str(credential_id))
