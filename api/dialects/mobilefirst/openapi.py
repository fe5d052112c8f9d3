"""This API in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from tocsin.api.dialects.mobilefirst.chapters import BASE
from tocsin.api.dialects.mobilefirst.document_schemas import schemas
from tocsin.api.dialects.mobilefirst.token_routes import FORM, IAM

_APP = "/apps/{applicationId}"
_JSON = "application/json"
_REASONS = {
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
_LIST = ("offset", "size", "filter", "expand")


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "IBM MobileFirst Push", "version": "1", "description": "Dates are in UTC."},
        "servers": [{"url": "/"}],
        "paths": {BASE + path: item for path, item in _with_applications(_paths()).items()} | _tokens(),
        "components": {
            "schemas": schemas(),
            "parameters": _parameters(),
            "responses": {status: _response(text, "Error") for status, text in _REASONS.items()},
            "securitySchemes": _security(),
        },
    }


def _paths() -> dict[str, Any]:
    chapters = (_service, _applications, _devices, _tags, _subscriptions, _messages, _settings, _webhooks)
    return {path: item for chapter in chapters for path, item in chapter().items()}


def _service() -> dict[str, Any]:
    health = {"200": _response("It answers.", "Health"), "406": _error("406")}
    return {"/health/status": {"get": {"operationId": "health", "security": [], "responses": health}}}


def _applications() -> dict[str, Any]:
    return {
        "/apps": {
            "get": _operation("listApplications", "Applications", query=_LIST),
            "post": _operation("createApplication", "Application", status="201", body="NewApplication"),
        },
        _APP: {
            "get": _operation("getApplication", "Application"),
            "delete": _operation("deleteApplication"),
        },
        f"{_APP}/status": {
            "get": _operation("getStatus", "Application"),
            "put": _operation("putStatus", "Application", body="Status"),
        },
    }


def _devices() -> dict[str, Any]:
    return {
        f"{_APP}/devices": {
            "get": _operation("listDevices", "Devices", query=(*_LIST, "userId")),
            "post": _operation("registerDevice", "Device", status="201", body="NewDevice"),
        },
        f"{_APP}/devices/{{deviceId}}": {
            "parameters": [_path("deviceId")],
            "get": _operation("getDevice", "Device"),
            "put": _operation("updateDevice", "Device", body="DeviceChanges"),
            "delete": _operation("deleteDevice"),
        },
    }


def _tags() -> dict[str, Any]:
    return {
        f"{_APP}/tags": {
            "get": _operation("listTags", "Tags", query=(*_LIST, "subscriptionCount")),
            "post": _operation("createTag", "Tag", status="201", body="NewTag"),
        },
        f"{_APP}/tags/{{name}}": {
            "parameters": [_path("name")],
            "get": _operation("getTag", "Tag"),
            "put": _operation("updateTag", "Tag", body="TagChanges"),
            "delete": _operation("deleteTag"),
        },
    }


def _subscriptions() -> dict[str, Any]:
    one = _operation("subscribe", "Subscription", status="201", query=("action",), body="NewSubscription")
    one["responses"]["207"] = _response("What came of each tag of a list.", "SubscriptionOutcome")
    return {
        f"{_APP}/subscriptions": {
            "get": _operation("listSubscriptions", "Subscriptions", query=(*_LIST, "deviceId", "tagName", "userId")),
            "post": one,
            "delete": _operation("unsubscribe", query=("deviceId", "tagName")),
        },
        f"{_APP}/subscriptions/{{subscriptionId}}": {
            "parameters": [_path("subscriptionId")],
            "get": _operation("getSubscription", "SubscribedDevices"),
            "delete": _operation("deleteSubscription"),
        },
    }


def _messages() -> dict[str, Any]:
    bulk = _operation("sendMessages", "AcceptedMessages", status="202", body="Messages")
    return {
        f"{_APP}/messages": {
            "get": _operation("listMessages", "MessageList", query=("offset", "size")),
            "post": _operation("sendMessage", "AcceptedMessage", status="202", body="NewMessage"),
        },
        f"{_APP}/messages/bulk": {"post": bulk},
        f"{_APP}/messages/{{messageId}}": {
            "parameters": [_path("messageId")],
            "get": _operation("getMessage", "Message"),
            "delete": _operation("deleteMessage"),
            "put": _operation("reportMessage", "Receipt", body="Receipt"),
        },
        f"{_APP}/messages/{{messageId}}/deliverystatus": {
            "parameters": [_path("messageId")],
            "get": _operation("getDeliveries", "Deliveries", query=("offset", "size", "deviceId")),
            "put": _operation("reportDelivery", "Receipt", body="Receipt"),
        },
        **{
            f"{_APP}/messages/{{messageId}}/{name}": {
                "parameters": [_path("messageId")],
                "get": _operation(f"get{name.capitalize()}", "Report"),
            }
            for name in ("report", "status")
        },
    }


def _settings() -> dict[str, Any]:
    binary: dict[str, Any] = _operation("getApnsCert", "Binary")
    binary["responses"]["200"]["content"] = {"application/octet-stream": {"schema": {"type": "string"}}}
    return {
        f"{_APP}/settings": {"get": _operation("getSettings", "Settings")},
        f"{_APP}/settings/apnsConf": _setting("Apns", "ApnsForm", "multipart/form-data"),
        **{f"{_APP}/settings/{name.lower()}Conf": _setting(name, f"{name}Form") for name in ("Gcm", "Wns", "Sms")},
        f"{_APP}/settings/gcmConfPublic": {"get": _operation("getGcmConfPublic", "Sender")},
        f"{_APP}/settings/chromeAppExtConfPublic": {"get": _operation("getChromeAppExtConfPublic", "Sender")},
        f"{_APP}/settings/apnsCert": {"get": binary},
    }


def _webhooks() -> dict[str, Any]:
    return {
        f"{_APP}/webhooks": {
            "get": _operation("listWebhooks", "Webhooks", query=("offset", "size")),
            "post": _operation("createWebhook", "CreatedWebhook", status="201", body="NewWebhook"),
        },
        f"{_APP}/webhooks/{{name}}": {
            "parameters": [_path("name")],
            "get": _operation("getWebhook", "Webhook"),
            "put": _operation("updateWebhook", "Webhook", body="WebhookChanges"),
            "delete": _operation("deleteWebhook"),
        },
    }


def _setting(name: str, form: str, kind: str = _JSON) -> dict[str, Any]:
    return {
        "get": _operation(f"get{name}Conf", name),
        "put": _operation(f"put{name}Conf", name, body=form, kind=kind),
        "delete": _operation(f"delete{name}Conf"),
    }


def _tokens() -> dict[str, Any]:
    """They lie beside the service."""
    answers = {
        "200": _response("A token.", "Token"),
        **{status: _response("No token.", "TokenError") for status in ("400", "401", "413", "503")},
    }

    def issuing(name: str, form: str, security: list[dict[str, list[str]]]) -> dict[str, Any]:
        content = {FORM: {"schema": {"$ref": f"#/components/schemas/{form}"}}}
        body = {"required": True, "content": content}
        return {"post": {"operationId": name, "security": security, "requestBody": body, "responses": answers}}

    return {
        "/mfp/api/az/v1/token": issuing("token", "TokenForm", [{"client": []}]),
        f"{IAM}/token": issuing("tokenForApiKey", "ApiKeyForm", []),
    }


def _operation(
    name: str,
    schema: str | None = None,
    *,
    status: str = "200",
    query: tuple[str, ...] = (),
    body: str | None = None,
    kind: str = _JSON,
) -> dict[str, Any]:
    """Without a ``schema`` nothing is answered (204)."""
    done = {"204": {"description": "Done."}} if schema is None else {status: _response("Done.", schema)}
    operation: dict[str, Any] = {
        "operationId": name,
        "security": [{"bearer": []}, {"appSecret": []}, {"clientSecret": []}],
        "responses": {**done, **{status: _error(status) for status in _REASONS}},
    }
    if query:
        operation["parameters"] = [{"$ref": f"#/components/parameters/{one}"} for one in query]
    if body is not None:
        content = {kind: {"schema": {"$ref": f"#/components/schemas/{body}"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _with_applications(paths: dict[str, Any]) -> dict[str, Any]:
    for path, item in paths.items():
        if path.startswith(_APP):
            item["parameters"] = [_path("applicationId"), *item.get("parameters", [])]
    return paths


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _parameters() -> dict[str, Any]:
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


def _security() -> dict[str, Any]:
    secret = {"type": "apiKey", "in": "header"}
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token with the scopes of the call."},
        "appSecret": {**secret, "name": "appSecret", "description": "Of servers."},
        "clientSecret": {**secret, "name": "clientSecret", "description": "Of phones."},
        "client": {"type": "http", "scheme": "basic", "description": "Id and secret of a confidential client."},
    }


def _response(text: str, schema: str) -> dict[str, Any]:
    content = {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": text, "content": content}


def _error(status: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{status}"}
