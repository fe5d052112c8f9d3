"""Where confidential clients get access tokens: the MobileFirst Server's endpoint, and IBM Cloud's.

The second is what the clients for IBM Cloud ask: by one API key, which here is client id and secret with a colon
between.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from tocsin.api.dialects.apps import app_of_credential
from tocsin.api.dialects.mobilefirst.access import CLIENT
from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.api.dialects.mobilefirst.errors import TokenRefused, answer
from tocsin.api.dialects.routing import serving
from tocsin.api.requests import actor
from tocsin.api.services import services
from tocsin.commands.context import Context
from tocsin.commands.tokens import TokenResult, issue_access_token
from tocsin.domain.errors import Forbidden, Invalid, NotFound
from tocsin.projections.apps_rows import Credential

IAM = "/identity"
API_KEY_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
FORM = "application/x-www-form-urlencoded"

blueprint = Blueprint(f"{NAME}-token", __name__)
serves = serving(blueprint)


@serves("POST", "/mfp/api/az/v1/token")
def token() -> Response:
    """A token for a client that shows id and secret (Basic), for the scopes it asks for, or all it may have."""
    form = _form()
    if form.get("grant_type") != "client_credentials":
        raise _unsupported("client_credentials")
    given = request.authorization
    if given is None or given.type != "basic":
        raise _unknown_client()
    client = _client(given.username or "", given.password or "")
    issued = _issued(client, form.get("scope", "").split())
    return _private({**_common(issued), "scope": " ".join(issued.token.scope)})


@serves("POST", f"{IAM}/token")
def iam_token() -> Response:
    """A token for an API key; it is good for all that its client may do. It is renewed by asking again."""
    form = _form()
    if form.get("grant_type") not in (API_KEY_GRANT, "refresh_token"):
        raise _unsupported(API_KEY_GRANT)
    client_id, _, secret = form.get("apikey", "").partition(":")
    client = _client(client_id, secret)
    issued = _issued(client, ())
    return _private(
        {
            **_common(issued),
            "refresh_token": "not_supported",
            "ims_user_id": client.created_position,
            "expiration": int(issued.token.expires_at.timestamp()),
            "scope": "ibm openid",
        }
    )


def _form() -> dict[str, str]:
    if request.mimetype != FORM:
        raise TokenRefused(400, "invalid_request", f"The request must be of Content-Type {FORM}.")
    return request.form.to_dict()


def _client(client_id: str, secret: str) -> Credential:
    """The confidential client with this secret. Raises TokenRefused."""
    found = app_of_credential(NAME, CLIENT, client_id) if client_id else None
    if found is None or not services().checks.matches(CLIENT, found.secret_id, secret):
        raise _unknown_client()
    return found


def _issued(client: Credential, scope: Sequence[str]) -> TokenResult:
    """A token. Without ``scope``, for all the client may have."""
    wanted = scope or (client.scope or "").split()
    context = Context(actor(f"credential:{client.credential_id}", NAME, str(client.credential_id)))
    try:
        return issue_access_token(services().engine, context, client.app_id, client.credential_id, wanted).result
    except (Forbidden, Invalid) as error:
        raise TokenRefused(400, "invalid_scope", "The client may not have the requested scope.") from error
    except NotFound as error:
        raise _unknown_client() from error


def _common(issued: TokenResult) -> dict[str, Any]:
    seconds = (issued.token.expires_at - services().engine.clock()).total_seconds()
    return {"access_token": issued.text, "token_type": "Bearer", "expires_in": int(seconds)}


def _private(body: dict[str, Any]) -> Response:
    response = answer(HTTPStatus.OK, body)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response


def _unknown_client() -> TokenRefused:
    return TokenRefused(401, "invalid_client", "The client is not known, or its secret is wrong.")


def _unsupported(supported: str) -> TokenRefused:
    return TokenRefused(400, "unsupported_grant_type", f"The grant type must be {supported}.")
