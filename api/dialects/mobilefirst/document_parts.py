"""What the parts of this API's OpenAPI document share: errors, parameters, ways to prove oneself."""

from __future__ import annotations

from typing import Any

JSON = "application/json"

REASONS = {
    "400": "The request cannot be understood; `message` names what is wrong.",
    "401": "The caller is not known; `WWW-Authenticate` says why.",
    "403": "The caller may not do this, or the application is disabled.",
    "404": "There is no such thing.",
    "405": "The body is of another kind than is read here, or the method does not go with this address.",
    "406": "The answer cannot be had in the form asked for.",
    "409": "It exists already.",
    "413": "The body is too large.",
    "503": "The server is busy: submit the request again.",
}


def path_parameter(name: str) -> dict[str, Any]:
    """A part of an address."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def parameters() -> dict[str, Any]:
    """What may stand in a query, by name."""
    numbers = {"offset": ("From 0.", 0), "size": ("At most 500.", 1)}
    texts = {
        "filter": "`name==value` or `name=@part`, with commas between alternatives.",
        "expand": "`true`: with all that is known of each.",
        "subscriptionCount": "With the numbers of subscriptions.",
        "action": "`delete`: unsubscribe instead.",
        **dict.fromkeys(("userId", "deviceId", "tagName"), "Only of this one."),
    }
    return {
        **{
            name: {"name": name, "in": "query", "description": text, "schema": {"type": "integer", "minimum": lowest}}
            for name, (text, lowest) in numbers.items()
        },
        **{
            name: {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in texts.items()
        },
    }


def security_schemes() -> dict[str, Any]:
    """How a caller proves itself."""
    secret = {"type": "apiKey", "in": "header"}
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token with the scopes of the call."},
        "appSecret": {**secret, "name": "appSecret", "description": "Of servers."},
        "clientSecret": {**secret, "name": "clientSecret", "description": "Of phones."},
        "client": {"type": "http", "scheme": "basic", "description": "Id and secret of a confidential client."},
    }


def response(text: str, schema: str) -> dict[str, Any]:
    """An answer in JSON."""
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": text, "content": content}


def error(status: str) -> dict[str, str]:
    """One of the errors that every call may be answered."""
    return {"$ref": f"#/components/responses/{status}"}
