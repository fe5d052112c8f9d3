"""This API in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from tocsin.api.dialects.twinpush.access import API_HEADER, CREATOR_HEADERS
from tocsin.api.dialects.twinpush.openapi_schemas import reference, schemas
from tocsin.api.dialects.twinpush.serving import ROOT

_API: list[dict[str, list[str]]] = [{"apiToken": []}]
_CREATOR: list[dict[str, list[str]]] = [{"creatorToken": []}]

_REASONS = {
    "403": "The token is missing, or is not this app's.",
    "404": "There is no such app, device, notification, delivery or page.",
    "406": "The body is not a JSON object, or `Accept` leaves no JSON.",
    "413": "The body is too large.",
    "422": "A parameter is wrong.",
    "503": "The database does not answer: try again.",
}

_PAGE = [
    {"name": "page", "in": "query", "description": "From 1.", "schema": {"type": "integer", "default": 1}},
    {
        "name": "per_page",
        "in": "query",
        "description": "At most 1000; 0 is 30.",
        "schema": {"type": "integer", "default": 30},
    },
]
_TAGS = [
    {"name": name, "in": "query", "description": text, "schema": {"type": "array", "items": {"type": "string"}}}
    for name, text in (("tags[]", "It has all of these."), ("no_tags[]", "It has none of these."))
]
_SINCE = {"name": "date", "in": "query", "description": "Since then.", "schema": {"type": "string", "format": "date"}}
_FILTERS = [
    _SINCE,
    {"name": "alias", "in": "query", "description": "In any case.", "schema": {"type": "string"}},
    {"name": "active", "in": "query", "schema": {"type": "boolean"}},
]


def _addressed(name: str, pattern: str, text: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schema}


_EITHER = "^([a-z2-7]{16}|[0-9]{1,15})$"
_ADDRESSED = [
    _addressed("app", "^[a-z2-7]{16}$", "16 lower-case letters and digits."),
    _addressed("device", _EITHER, "16 lower-case letters and digits, or the number in `tp_device_id`."),
    _addressed("notification", _EITHER, "16 lower-case letters and digits, or the number in `tp_id`."),
]

_APP = "/apps/{app}"
_DEVICE = f"{_APP}/devices/{{device}}"
_NOTIFICATION = f"{_APP}/notifications/{{notification}}"
_OF_DEVICE = f"{_DEVICE}/notifications/{{notification}}"
_ALONE = "/devices/{device}/notifications/{notification}"


def description() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TwinPush",
            "version": "2",
            "description": "Without a token, a device's id is all a caller has to know.",
        },
        "servers": [{"url": ROOT}],
        "paths": {path: _path(path, operations) for path, operations in _operations().items()},
        "components": {"schemas": schemas(), "securitySchemes": _security(), "responses": _errors()},
    }


def _operations() -> dict[str, Any]:
    return {**_of_devices(), **_of_inboxes(), **_of_notifications()}


def _of_devices() -> dict[str, Any]:
    register = _operation("A device reports itself", "Devices", body="Registration", security=_API)
    post = f"{_DEVICE}/"
    return {
        f"{_APP}/devices": {
            "get": _operation("The app's devices", "DevicePage", [*_FILTERS, *_PAGE], security=_API),
            "post": register,
        },
        f"{_APP}/devices/register": {"post": register},
        _DEVICE: {
            "get": _operation("One device", "WholeDevice", security=_API),
            "put": _operation("It reports itself again", "Devices", body="Renewal", security=_API),
            "delete": _operation("Nothing is sent to it any more", "Done", security=_API),
        },
        f"{post}badge": {"get": _operation("The number on the icon", "Badge")},
        f"{post}update_badge": {"post": _operation("Set or change it", "Done", body="NewBadge")},
        f"{post}open_app": {"post": _operation("The app was opened", "Done", body="Opened", needed=False)},
        f"{post}close_app": {"post": _operation("It was closed", "Done", body="Closed", needed=False)},
        f"{post}report_statistics": {"post": _operation("Where the device is", "Done", body="Place")},
        f"{post}set_custom_property": {"post": _operation("Set a property", "Done", body="Property")},
        f"{post}clear_custom_properties": {"delete": _operation("Take all away", "Done")},
    }


def _of_inboxes() -> dict[str, Any]:
    receipts = {
        f"{path}/{name}": {"post": _operation(text, "Done", body="Receipt", needed=False)}
        for path in (_OF_DEVICE, _ALONE)
        for name, text in (("received_notification", "It arrived"), ("open_notification", "It was opened"))
    }
    shown = _operation("One notification, as the device was told it", "OneNotification")
    return {
        f"{_DEVICE}/search_notifications": {
            "post": _operation("What the device was sent", "NotificationPage", body="Search", needed=False)
        },
        f"{_DEVICE}/inbox": {"get": _operation("The inbox of its alias", "InboxPage", [*_TAGS, *_PAGE])},
        f"{_DEVICE}/inbox_summary": {"get": _operation("How much is in it", "InboxSummary")},
        _OF_DEVICE: {"get": shown, "delete": _operation("Take it out of the inbox", "Done")},
        _ALONE: {"get": shown},
        **receipts,
    }


def _of_notifications() -> dict[str, Any]:
    listed = _operation("What became of it at each device", "DeliveryPage", _PAGE, security=_API)
    asked = _operation("The same", "DeliveryPage", body="Page", needed=False, security=_API)
    return {
        f"{_APP}/notifications": {
            "get": _operation("The app's notifications", "NotificationPage", _PAGE, security=_API),
            "post": _operation("Send one", "Notifications", body="NewNotification", security=_CREATOR),
        },
        _NOTIFICATION: {
            "get": _operation("One notification", "OneNotification"),
            "delete": _operation("Take it back", "Done", security=_CREATOR),
        },
        f"{_APP}/notifications/reports": {
            "get": _operation("What became of them", "ReportPage", [_SINCE, *_PAGE], security=_API)
        },
        f"{_NOTIFICATION}/report": {"get": _operation("What became of it", "Report", security=_API)},
        f"{_NOTIFICATION}/deliveries": {"get": listed, "post": asked},
    }


def _path(path: str, operations: dict[str, Any]) -> dict[str, Any]:
    shown = [parameter for parameter in _ADDRESSED if f"{{{parameter['name']}}}" in path]
    return {"parameters": shown, **operations}


def _operation(
    summary: str,
    answer: str,
    parameters: list[Any] | None = None,
    *,
    body: str | None = None,
    needed: bool = True,
    security: list[dict[str, list[str]]] | None = None,
) -> dict[str, Any]:
    failures = {status: {"$ref": f"#/components/responses/{status}"} for status in _REASONS}
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {"200": {"description": "Done.", "content": _json(answer)}, **failures},
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": needed, "content": _json(body)}
    if security is not None:
        operation["security"] = security
    return operation


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": reference(schema)}}


def _security() -> dict[str, Any]:
    return {
        "apiToken": {"type": "apiKey", "in": "header", "name": API_HEADER},
        "creatorToken": {"type": "apiKey", "in": "header", "name": CREATOR_HEADERS[0]},
    }


def _errors() -> dict[str, Any]:
    return {status: {"description": reason, "content": _json("Error")} for status, reason in _REASONS.items()}
