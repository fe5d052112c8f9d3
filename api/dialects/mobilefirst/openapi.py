"""This API in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from tocsin.api.dialects.mobilefirst.chapters import BASE
from tocsin.api.dialects.mobilefirst.document_parts import (
    JSON,
    REASONS,
    error,
    parameters,
    path_parameter,
    response,
    security_schemes,
)
from tocsin.api.dialects.mobilefirst.document_schemas import schemas
from tocsin.api.dialects.mobilefirst.token_routes import FORM, IAM

_APP = "/apps/{applicationId}"
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
            "parameters": parameters(),
            "responses": {status: response(text, "Error") for status, text in REASONS.items()},
            "securitySchemes": security_schemes(),
        },
    }


def _paths() -> dict[str, Any]:
    chapters = (_service, _applications, _devices, _tags, _subscriptions, _messages, _settings, _webhooks)
    return {path: item for chapter in chapters for path, item in chapter().items()}


def _service() -> dict[str, Any]:
    health = {"200": response("It answers.", "Health"), "406": error("406")}
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
            "parameters": [path_parameter("deviceId")],
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
            "parameters": [path_parameter("name")],
            "get": _operation("getTag", "Tag"),
            "put": _operation("updateTag", "Tag", body="TagChanges"),
            "delete": _operation("deleteTag"),
        },
    }


def _subscriptions() -> dict[str, Any]:
    one = _operation("subscribe", "Subscription", status="201", query=("action",), body="NewSubscription")
    one["responses"]["207"] = response("What came of each tag of a list.", "SubscriptionOutcome")
    return {
        f"{_APP}/subscriptions": {
            "get": _operation("listSubscriptions", "Subscriptions", query=(*_LIST, "deviceId", "tagName", "userId")),
            "post": one,
            "delete": _operation("unsubscribe", query=("deviceId", "tagName")),
        },
        f"{_APP}/subscriptions/{{subscriptionId}}": {
            "parameters": [path_parameter("subscriptionId")],
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
            "parameters": [path_parameter("messageId")],
            "get": _operation("getMessage", "Message"),
            "delete": _operation("deleteMessage"),
            "put": _operation("reportMessage", "Receipt", body="Receipt"),
        },
        f"{_APP}/messages/{{messageId}}/deliverystatus": {
            "parameters": [path_parameter("messageId")],
            "get": _operation("getDeliveries", "Deliveries", query=("offset", "size", "deviceId")),
            "put": _operation("reportDelivery", "Receipt", body="Receipt"),
        },
        **{
            f"{_APP}/messages/{{messageId}}/{name}": {
                "parameters": [path_parameter("messageId")],
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
            "parameters": [path_parameter("name")],
            "get": _operation("getWebhook", "Webhook"),
            "put": _operation("updateWebhook", "Webhook", body="WebhookChanges"),
            "delete": _operation("deleteWebhook"),
        },
    }


def _setting(name: str, form: str, kind: str = JSON) -> dict[str, Any]:
    return {
        "get": _operation(f"get{name}Conf", name),
        "put": _operation(f"put{name}Conf", name, body=form, kind=kind),
        "delete": _operation(f"delete{name}Conf"),
    }


def _tokens() -> dict[str, Any]:
    """They lie beside the service."""
    answers = {
        "200": response("A token.", "Token"),
        **{status: response("No token.", "TokenError") for status in ("400", "401", "413", "503")},
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
    kind: str = JSON,
) -> dict[str, Any]:
    """Without a ``schema`` nothing is answered (204)."""
    done = {"204": {"description": "Done."}} if schema is None else {status: response("Done.", schema)}
    operation: dict[str, Any] = {
        "operationId": name,
        "security": [{"bearer": []}, {"appSecret": []}, {"clientSecret": []}],
        "responses": {**done, **{status: error(status) for status in REASONS}},
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
            item["parameters"] = [path_parameter("applicationId"), *item.get("parameters", [])]
    return paths
