"""Errors as BaasBox says them: a status, a sentence, and a five-digit code in a string where clients look for one."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from flask import Response
from werkzeug.exceptions import HTTPException

from tocsin.api.dialects.baasbox.envelope import error_envelope
from tocsin.domain.errors import TocsinError

NO_CREDENTIALS = "Missing both Session Token and Authorization info"
NOTHING_GIVEN = "Missing Session Token, Authorization info and even the AppCode"
NO_APPCODE = "Invalid App Code. AppCode is empty or not set"
WRONG_APPCODE = "Authentication info not valid or not provided: Invalid App Code"
ENDPOINT_DISABLED = "Endpoint has been disabled"
ADMIN_ONLY = "This operation is for administrators only"
NO_USER = "Username not found"
NOT_FOUND = "API not found"
NOT_JSON = "The Content-Type must be application/json"
BROKEN_JSON = "The body payload is not valid JSON"
SIGN_UP_FAILED = "Error signing up"
EMPTY_PASSWORD = "The password field cannot be empty"  # noqa: S105
NO_FLAG = "The value must be true or false"
NO_NUMBER = "The value must be a number"
NO_FORM = "missing data: is the body multipart/form-data?"
NO_FILE = "missing file"
WRONG_LOGIN_DATA = "login_data field is not a valid JSON string"

CODES = {
    "20001": "Push notifications were sent but they may be subject to loss of data. HINT: check push settings in "
    "console",
    "40011": "The body payload cannot be empty.",
    "40020": "The body payload doesn't contain the 'message' key or message is NOT a String",
    "40021": "Push profile invalid. It must be an Array of integer and accepted values are 1,2 or 3",
    "40022": "Users MUST be an array of String",
    "40023": "The body payload doesn't contain key users",
    "40024": "Sound value MUST be a String",
    "40025": "Badge value MUST be a number",
    "40026": "ActionLocalizedKey MUST be a String",
    "40027": "LocalizedKey MUST be a String",
    "40028": "LocalizedArguments MUST be an Array of String",
    "40029": "Collapse_key MUST be a String",
    "40030": "Time_to_live MUST be a positive number or equal zero",
    "40031": "Content-available MUST be an Integer (1 for silent notification)",
    "40032": "Category MUST be a String",
    "40101": "Authentication info not valid or not provided. HINT: is your session expired?",
    "50301": "Push settings are not properly configured. HINT: go to administration console and check the settings",
    "50304": "Could not save API KEY. HINT: Check your API Key, it's possible that push service aren't enabled in the "
    "Google Play Developer Console",
    "50305": "Push app disabled, one or more app are disabled",
    "50306": "Cannot switch, because settings for the selected mode are missing",
}
"""The first three digits are the status."""

STATUSES = {
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "unavailable": 503,
    "behind": 503,
}
"""Of the engine's refusals; every other code means that the request is wrong: 400."""


class _Told(NamedTuple):
    status: int
    message: str
    bb_code: str | None


class Refusal(TocsinError):
    """One of BaasBox's own errors."""

    code = "baasbox"

    def __init__(self, status: int, message: str, bb_code: str | None = None) -> None:
        super().__init__(message)
        self.told = _Told(status, message, bb_code)


def coded(bb_code: str) -> Refusal:
    """The error of this code."""
    return Refusal(int(bb_code[:3]), CODES[bb_code], bb_code)


def missing(field: str) -> Refusal:
    """A field that has to be there is not."""
    return Refusal(400, f"The '{field}' field is missing")


def unauthorized(status: int, name: str) -> Refusal:
    """Nobody of this name, password and app's code may sign in: a wrong code is 400, a wrong password 401."""
    return Refusal(status, f"user {name:.100} unauthorized")


def internal(name: str) -> Refusal:
    """Users that are the server's own do not call it."""
    return Refusal(403, f"The user {name} cannot access via REST")


def refused(error: TocsinError) -> Response:
    """One of BaasBox's own errors, or the engine's refusal."""
    if isinstance(error, Refusal):
        return error_envelope(*error.told)
    response = error_envelope(STATUSES.get(error.code, 400), error.message)
    if "retry_after" in error.facts:
        response.headers["Retry-After"] = str(error.facts["retry_after"])
    return response


def http_error(error: HTTPException) -> Response:
    """An error of the framework. A method that an address does not have is an API that is not there."""
    status = error.code or 500
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return error_envelope(404, NOT_FOUND)
    return error_envelope(status, HTTPStatus(status).phrase)


def unexpected(_: Exception) -> Response:
    """A fault of ours."""
    return error_envelope(500, HTTPStatus.INTERNAL_SERVER_ERROR.phrase)
