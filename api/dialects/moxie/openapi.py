"""This API in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from tocsin.api.dialects.moxie.representations import ROOTS
from tocsin.domain.notification import MAX_BODY, MAX_LABEL, MAX_URL

_SIGNED: list[dict[str, list[str]]] = [{"key": [], "signature": [], "nonce": []}]
_DATE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"}
_STRING = {"type": "string"}
_MESSAGE = {"type": "string", "minLength": 1, "maxLength": MAX_BODY}
_URL = {"type": ["string", "null"], "maxLength": MAX_URL, "description": "What describes it."}
_LABEL = {"type": ["string", "null"], "maxLength": MAX_LABEL, "description": "What describes it, such as `flood`."}
_IDENT = {"name": "ident", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_NUMBER = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
_HISTORY = {
    "name": "history",
    "in": "query",
    "description": "`true`, `True`, `1` or `t`: all there are, not only those in force.",
    "schema": {"type": "string", "default": "false"},
}
_NOTIFICATION = {"message": _MESSAGE, "timestamp": _DATE, "expires": _DATE, "url": _URL, "label": _LABEL}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Moxie notifications", "version": "1", "description": "Dates are in UTC."},
        "servers": [{"url": root} for root in ROOTS],
        "paths": _paths(),
        "components": {"schemas": _schemas(), "securitySchemes": _security(), "responses": _errors()},
    }


def _paths() -> dict[str, Any]:
    return {
        "/": {
            "get": _operation("list", "The notifications in force", _answer(200, "Notifications"), [_HISTORY]),
            "post": _operation("create", "Publish one", _answer(201, "Created"), body="NewNotification", signed=True),
        },
        "/{ident}": {
            "parameters": [_IDENT],
            "get": _operation("get", "One notification", _answer(200, "Notification")),
            "post": _operation(
                "update", "Change some of it", _answer(200, "Notification"), body="NotificationChanges", signed=True
            ),
            "delete": _operation("delete", "Delete it", _answer(200, "Status"), signed=True),
        },
        "/{ident}/followup": {
            "parameters": [_IDENT],
            "post": _operation(
                "addFollowup", "Add a follow-up", _answer(201, "FollowupCreated"), body="NewFollowup", signed=True
            ),
        },
        "/{ident}/followup/{id}": {
            "parameters": [_IDENT, _NUMBER],
            "get": _operation("getFollowup", "One follow-up", _answer(200, "Followup")),
            "post": _operation(
                "updateFollowup", "Change it", _answer(200, "Followup"), body="FollowupChanges", signed=True
            ),
            "delete": _operation("deleteFollowup", "Delete it", _answer(200, "Status"), signed=True),
        },
        "/push": {
            "post": _operation(
                "push", "Push a notification to the devices", _answer(202, "Status"), body="Push", signed=True
            ),
        },
        "/register/gcm": {"post": _registration("registerGcm", "An Android device registers", "GcmRegistration")},
        "/register/apns": {"post": _registration("registerApns", "An Apple device registers", "ApnsRegistration")},
    }


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Any],
    parameters: list[Any] | None = None,
    *,
    body: str | None = None,
    signed: bool = False,
) -> dict[str, Any]:
    failures = ["400", "404", "406", "413", "503", *(["401", "409"] if signed else [])]
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {**answers, **{status: {"$ref": f"#/components/responses/{status}"} for status in failures}},
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _reference(body)}}}
    if signed:
        operation["security"] = _SIGNED
    return operation


def _registration(name: str, summary: str, body: str) -> dict[str, Any]:
    operation = _operation(name, summary, _answer(202, "Registered"), body=body)
    operation["responses"] |= {
        status: {
            "description": "Refused.",
            "content": {"application/json": {"schema": _reference("RegistrationError")}},
        }
        for status in ("400", "404", "406", "409", "413", "503")
    }
    return operation


def _answer(status: int, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(schema)}}
    return {str(status): {"description": "Done.", "content": content}}


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _object(properties: dict[str, Any], required: tuple[str, ...] | None = None) -> dict[str, Any]:
    """An object; without ``required`` all of its members are."""
    return {"type": "object", "required": list(properties if required is None else required), "properties": properties}


def _schemas() -> dict[str, Any]:
    link = _object({"self": _object({"href": _STRING})})
    flat = {"id": {"type": "integer"}, "message": _STRING, "timestamp": _DATE}
    whole = {
        "uuid": _STRING,
        "ident": _STRING,
        "message": _STRING,
        "timestamp": _DATE,
        "expires": {**_DATE, "type": ["string", "null"]},
        "followups": {"type": "array", "items": _object(flat)},
        "_links": link,
    }
    embedded = _object({"followups": {"type": "array", "items": _reference("Followup")}})
    optional = {"url": _STRING, "label": _STRING, "_embedded": embedded}
    listed = {"type": "array", "items": _reference("Notification")}
    return {
        "NewNotification": _object(_NOTIFICATION, ("message",)),
        "NotificationChanges": {**_object(_NOTIFICATION, ()), "minProperties": 1},
        "NewFollowup": _object({"message": _MESSAGE, "timestamp": _DATE}, ("message",)),
        "FollowupChanges": {**_object({"message": _MESSAGE, "timestamp": _DATE}, ()), "minProperties": 1},
        "Push": _object({"notification": _STRING, "message": {"type": "string", "minLength": 3, "maxLength": 250}}),
        "GcmRegistration": _object({"registration_id": {"type": "string", "minLength": 1}}),
        "ApnsRegistration": _object({"device_token": {"type": "string", "minLength": 1}}),
        "Notification": _object({**whole, **optional}, tuple(whole)),
        "Notifications": _object(
            {"notifications": listed, "_embedded": _object({"notifications": listed, "alerts": listed}), "_links": link}
        ),
        "Followup": _object({**flat, "_links": link}),
        "Created": _object({"ident": _STRING, "status": {"const": "created"}}),
        "FollowupCreated": _object({"id": {"type": "integer"}, "status": {"const": "created"}}),
        "Status": _object({"status": {"enum": ["success", "deleted"]}}),
        "Registered": _object({"success": {"const": 1}}),
        "Error": _object({"description": _STRING}),
        "RegistrationError": _object({"error": _STRING}),
    }


def _security() -> dict[str, Any]:
    signature = (
        "The lower-case hexadecimal HMAC-SHA1 of `METHOD\\nURL\\ndate:DATE\\nx-hmac-nonce:NONCE`: the method in upper "
        "case, the absolute URL, and the headers `Date` and `X-HMAC-Nonce` as they are sent."
    )
    return {
        "key": {"type": "apiKey", "in": "header", "name": "X-Moxie-Key"},
        "nonce": {"type": "apiKey", "in": "header", "name": "X-HMAC-Nonce"},
        "signature": {"type": "apiKey", "in": "header", "name": "Authorization", "description": signature},
    }


def _errors() -> dict[str, Any]:
    meanings = {
        "400": "The request is wrong; `description` says how.",
        "401": "It is not signed by a key of ours; `WWW-Authenticate` says why.",
        "404": "There is no such thing.",
        "406": "Only JSON is answered.",
        "409": "The thing is in a state that forbids this.",
        "413": "The body is too large.",
        "503": "The database does not answer: try again.",
    }
    content = {"application/json": {"schema": _reference("Error")}}
    return {status: {"description": meaning, "content": content} for status, meaning in meanings.items()}
