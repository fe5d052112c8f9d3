"""This API in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from tocsin.api.dialects.baasbox.schemas import VISIBILITIES

_STRING = {"type": "string"}
_STRINGS = {"type": "array", "items": _STRING}
_ACCESS: list[dict[str, list[str]]] = [{"session": []}, {"basic": [], "appcode": []}]
_ACCOUNT = {"username": _STRING, "password": _STRING, **{name: {"type": "object"} for name in VISIBILITIES}}
_LOGIN = {"username": _STRING, "password": _STRING, "appcode": _STRING, "login_data": _STRING}
_CALL_ID = {"name": "call_id", "in": "query", "description": "Repeated in the answer.", "schema": _STRING}
_VERBOSE = {
    "name": "verbose",
    "in": "query",
    "description": "`true`: an administrator is told how the push was understood.",
    "schema": _STRING,
}
_CONTENT = {
    "message": _STRING,
    "profiles": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 3}},
    "sound": _STRING,
    "badge": {"type": "integer", "minimum": 0},
    "actionLocalizedKey": _STRING,
    "localizedKey": _STRING,
    "localizedArguments": _STRINGS,
    "content-available": {"type": "integer"},
    "category": _STRING,
    "collapse_key": _STRING,
    "time_to_live": {"type": "number", "minimum": 0},
    "custom": True,
}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "BaasBox push notifications", "version": "0.9.5"},
        "paths": _paths(),
        "components": {
            "schemas": {"Ok": _envelope("ok", "data"), "Error": _envelope("error", "message")},
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "header", "name": "X-BB-SESSION"},
                "appcode": {"type": "apiKey", "in": "header", "name": "X-BAASBOX-APPCODE"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _paths() -> dict[str, Any]:
    device = _operation("The device is the caller's from now on", ["system", "token"])
    users = {**_CONTENT, "users": _STRINGS}
    return {
        "/push/device/{system}/{token}": {"put": device},
        "/push/enable/{system}/{token}": {"put": device},
        "/push/disable/{token}": {"put": _operation("Let a device go", ["token"])},
        "/push/message": {
            "post": _operation("Push to users", body=users, required=("message", "users"), query=[_CALL_ID, _VERBOSE])
        },
        "/push/message/{username}": {
            "post": _operation("Push to one user", ["username"], body=_CONTENT, required=("message",))
        },
        "/user": {
            "post": _operation(
                "Sign up", body=_ACCOUNT, required=("username", "password"), access=[{"appcode": []}], done="201"
            )
        },
        "/login": {"post": _operation("Sign in", body=_LOGIN, required=("username", "password", "appcode"), access=[])},
        "/logout": {"post": _operation("End the session")},
        "/logout/{token}": {"post": _operation("End the session, let a device go", ["token"])},
        "/me": {"get": _operation("The caller's account")},
        "/admin/configuration/Push/{key}": {
            "get": _operation("A setting", ["key"]),
            "put": _with_file(_operation("Change a setting", ["key"], body={"value": _STRING}, required=("value",))),
        },
    }


def _operation(
    summary: str,
    parameters: list[str] | None = None,
    *,
    body: dict[str, Any] | None = None,
    required: tuple[str, ...] = (),
    access: list[dict[str, list[str]]] | None = None,
    query: list[dict[str, Any]] | None = None,
    done: str = "200",
) -> dict[str, Any]:
    failures = ("400", "401", "403", "404", "413", "422", "503")
    operation: dict[str, Any] = {
        "summary": summary,
        "security": _ACCESS if access is None else access,
        "responses": {done: _answer("Ok"), **{status: _answer("Error") for status in failures}},
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
                for name in parameters or ()
            ),
            *(query or [_CALL_ID]),
        ],
    }
    if body is not None:
        schema = {"type": "object", "properties": body, "required": list(required)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _with_file(operation: dict[str, Any]) -> dict[str, Any]:
    """Certificates are sent as files."""
    file = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
    operation["requestBody"]["content"]["multipart/form-data"] = {"schema": file}
    return operation


def _answer(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": "Done." if schema == "Ok" else "Refused; `message` says why.", "content": content}


def _envelope(result: str, member: str) -> dict[str, Any]:
    properties = {
        "result": {"const": result},
        member: True,
        "http_code": {"type": "integer"},
        "bb_code": _STRING,
        "call_id": _STRING,
    }
    return {"type": "object", "required": ["result", member, "http_code"], "properties": properties}
