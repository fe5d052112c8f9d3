"""This API in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from tocsin.domain.platforms import MAX_TOKEN

_STRING = {"type": "string"}
_DATE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$", "description": "In UTC."}
_ID = {"type": "integer", "minimum": 1}
_REGISTRATION_ID = {"type": "string", "minLength": 1, "maxLength": MAX_TOKEN}
_USER = {
    "name": "user",
    "in": "path",
    "required": True,
    "description": "The id of the user, who must be the one who signs in.",
    "schema": {"type": "integer", "minimum": 1},
}
_CRON = [
    {"name": "X-Appengine-Cron", "in": "header", "required": True, "schema": {"const": "true"}},
    {"name": "X-Forwarded-For", "in": "header", "required": True, "schema": {"type": "string", "example": "10.0.0.1"}},
]
_REASONS = {
    "400": "The request cannot be read.",
    "401": "Nobody is signed in.",
    "403": "Whoever is signed in may not do this.",
    "404": "There is no such user.",
    "405": "This method does not go with this address.",
    "409": "The thing is in a state that forbids this.",
    "413": "The body is too large.",
    "429": "Too many requests; `Retry-After` says when to go on.",
    "501": "The scheme of the credentials is not served.",
    "503": "The database does not answer: try again.",
}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "ThinkBIT FCM registration tokens", "version": "1"},
        "servers": [{"url": "/api"}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic", "description": "Email and password."}},
            "schemas": _schemas(),
        },
    }


def _paths() -> dict[str, Any]:
    created = {"201": {"description": "It is added.", "content": _json("Device")}}
    removed = {"204": {"description": "It is removed."}}
    done = {"204": {"description": "What was due is done."}}
    return {
        "/cron": {
            "get": {
                "operationId": "cron",
                "summary": "Do what is due",
                "parameters": _CRON,
                "responses": {**done, **_failures("401", "403", "405", "429", "503")},
            }
        },
        "/users/{user}/fcm_registration_tokens": {
            "parameters": [_USER],
            "post": _on_device("addDevice", "Add a device to the user's group", created),
            "delete": _on_device("removeDevice", "Remove a device from it", removed),
        },
    }


def _on_device(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    invalid = {"422": {"description": "The registration id breaks a rule.", "content": _json("Invalid")}}
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"basic": []}],
        "requestBody": {"required": True, "content": _json("Registration")},
        "responses": {**answers, **invalid, **_failures(*_REASONS)},
    }


def _failures(*statuses: str) -> dict[str, Any]:
    return {status: {"description": _REASONS[status], "content": _json("Error")} for status in statuses}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _schemas() -> dict[str, Any]:
    return {
        "Registration": _object(registration_id=_REGISTRATION_ID),
        "Device": _object(id=_ID, user_id=_ID, registration_id=_REGISTRATION_ID, created_at=_DATE, updated_at=_DATE),
        "Error": _object(message=_STRING),
        "Invalid": _object(
            message=_STRING,
            errors={"type": "object", "additionalProperties": {"type": "array", "items": _STRING, "minItems": 1}},
        ),
    }


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members)}
