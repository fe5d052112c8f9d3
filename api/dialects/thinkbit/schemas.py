"""What a request carries: its credentials, and the registration id, as Laravel's validation reads them."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from flask import request

from tocsin.api.bodies import decoded
from tocsin.api.dialects.thinkbit import errors
from tocsin.api.dialects.thinkbit.errors import FIELD, Breach
from tocsin.api.problems import Malformed
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.platforms import MAX_TOKEN

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def credentials() -> tuple[str, str]:
    """Email and password (RFC 7617). Raises Unauthenticated, UnsupportedPrefix."""
    prefix, space, rest = request.headers.get("Authorization", "").partition(" ")
    if not space:
        raise Unauthenticated(errors.NO_TOKEN)
    if prefix.lower() != "basic":
        raise errors.unsupported(prefix)
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise errors.wrong_credentials() from error
    email, _, password = pair.partition(":")
    return email, password


def registration_id() -> str:
    """From the body, JSON or a form, else from the query. Raises Malformed, and Breach of the first rule that fails."""
    value = _given()
    if isinstance(value, str):
        value = value.strip()
    if value in (None, "", [], {}):
        raise Breach(errors.REQUIRED)
    if not isinstance(value, str):
        raise Breach(errors.NOT_A_STRING)
    if len(value) > MAX_TOKEN:
        raise Breach(errors.TOO_LONG)
    if "\0" in value:
        raise Breach(errors.FORMAT)
    return value


def _given() -> Any:
    body = _body()
    return body[FIELD] if FIELD in body else request.args.get(FIELD)


def _body() -> dict[str, Any]:
    if request.mimetype in FORMS:
        return request.form.to_dict()
    sent = request.get_data(cache=True)
    if not sent.strip():
        return {}
    try:
        read = decoded(sent)
    except Malformed as error:
        raise Malformed(errors.UNREADABLE) from error
    return read if isinstance(read, dict) else {}
