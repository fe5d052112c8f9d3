"""The bodies of this API in JSON Schema, for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from tocsin.api.dialects.mobilefirst.messages import MOST_IN_BULK, TYPES
from tocsin.api.dialects.mobilefirst.platforms import PLATFORMS
from tocsin.api.dialects.mobilefirst.webhooks import TYPES as TYPES_OF_EVENTS

_STRING = {"type": "string"}
_TEXT = {"type": "string", "minLength": 1}
_STRINGS = {"type": "array", "items": _STRING}
_DATE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"}
_NUMERAL = {"type": "string", "pattern": r"^\d+$"}
_FLAG = {"enum": ["true", "false", True, False]}
_SAID = {"enum": ["true", "false"]}
_OBJECT = {"type": "object"}


def schemas() -> dict[str, Any]:
    """By name."""
    chapters = (_common, _of_devices, _of_tags, _of_messages, _of_settings, _of_webhooks, _of_tokens)
    return {name: schema for chapter in chapters for name, schema in chapter().items()}


def _common() -> dict[str, Any]:
    return {
        "Error": _object({"code": _STRING, "message": _STRING}),
        "Health": _object({"status": {"const": "UP"}}),
        "PageInfo": _object({"count": _NUMERAL, "next": _STRING, "previous": _STRING, "totalCount": _NUMERAL}),
        "NewApplication": _object({"applicationId": {**_TEXT, "maxLength": 255}, "enabled": _FLAG}, ("applicationId",)),
        "Application": _object({"applicationId": _STRING, "enabled": _SAID}),
        "Applications": _list("applications", "Application"),
        "Status": _object({"enabled": _FLAG}),
    }


def _of_devices() -> dict[str, Any]:
    said = {"deviceId": {**_TEXT, "maxLength": 255}, "token": _TEXT}
    further = {"userId": {"type": ["string", "null"], "maxLength": 254}, "phoneNumber": {"type": ["string", "integer"]}}
    shown = dict.fromkeys(("deviceId", "href", "platform", "token", "userId"), _STRING)
    more = {"phoneNumber": _STRING, "userAgent": _STRING, "createdTime": _DATE, "lastUpdatedTime": _DATE}
    return {
        "NewDevice": _object({**said, "platform": {"enum": list(PLATFORMS)}, **further}, (*said, "platform")),
        "DeviceChanges": _object({**said, **further}, ()),
        "Device": _object({**shown, **more, "createdMode": {"const": "API"}}, tuple(shown)),
        "Devices": _list("devices", "Device"),
    }


def _of_tags() -> dict[str, Any]:
    shown = dict.fromkeys(("name", "description", "href", "uri"), _STRING)
    subscription = dict.fromkeys(("deviceId", "tagName", "subscriptionId", "userId", "href"), _STRING)
    subscriptions = {"type": "array", "items": _reference("Subscription")}
    unknown = _object({"tags": _STRINGS, "message": _STRING, "code": _STRING})
    described = {"name": {**_TEXT, "maxLength": 64}, "description": {"type": ["string", "null"], "maxLength": 1000}}
    return {
        "NewTag": _object(described, ("name",)),
        "TagChanges": _object(described, ()),
        "Tag": {**_object(shown), "additionalProperties": _STRING},
        "Tags": _list("tags", "Tag"),
        "NewSubscription": _object({"deviceId": _TEXT, "tagName": _TEXT, "tagNames": _STRINGS}, ("deviceId",)),
        "Subscription": {**_object(subscription), "additionalProperties": _STRING},
        "Subscriptions": _list("subscriptions", "Subscription"),
        "SubscribedDevices": _object(
            {
                "devices": {"type": "array", "items": _reference("Device")},
                "pageInfo": _reference("PageInfo"),
                **subscription,
            }
        ),
        "SubscriptionOutcome": _object(
            {"tagsNotFound": unknown, "subscriptionExists": subscriptions, "subscribed": subscriptions}
        ),
    }


def _of_messages() -> dict[str, Any]:
    alert = _object({"alert": _STRING})
    target = {"platforms", "deviceIds", "userIds", "tagNames", "consumerIds"}
    receipt = {"deviceId": _TEXT, "status": {"enum": ["OPEN", "SEEN"]}}
    listed = {"messageId": _STRING, "alert": _STRING, "createdTime": _DATE, "href": _STRING}
    delivery = dict.fromkeys(("deviceId", "platform", "status"), _STRING)
    return {
        "NewMessage": _object(
            {
                "message": _object({"alert": {**_TEXT, "maxLength": 4096}, "url": _STRING}, ("alert",)),
                "notificationType": {"enum": list(TYPES)},
                "target": {"type": "object", "properties": dict.fromkeys(sorted(target), _STRINGS)},
                "settings": {"type": "object", "properties": _settings_of_messages()},
            },
            ("message",),
        ),
        "Messages": {"type": "array", "items": _reference("NewMessage"), "minItems": 1, "maxItems": MOST_IN_BULK},
        "AcceptedMessage": _object({"messageId": _STRING, "message": _object({"message": alert})}),
        "AcceptedMessages": {"type": "array", "items": _reference("AcceptedMessage")},
        "Message": _object({"messageId": _STRING, "alert": _STRING}),
        "MessageList": _list("messages", "ListedMessage"),
        "ListedMessage": _object(listed),
        "Receipt": _object(receipt),
        "Report": {**_object({"messageId": _STRING, "status": _STRING}), "additionalProperties": _STRING},
        "Delivery": _object({**delivery, "failureReason": _STRING}, tuple(delivery)),
        "Deliveries": _list("deliveryStatus", "Delivery"),
    }


def _settings_of_messages() -> dict[str, Any]:
    apns = {
        "badge": {"type": "integer", "minimum": 0},
        "type": {"enum": ["DEFAULT", "MIXED", "SILENT"]},
        "payload": _OBJECT,
        **dict.fromkeys(("sound", "title", "subtitle", "interactiveCategory", "attachmentUrl", "locKey"), _STRING),
        **dict.fromkeys(("locArgs", "titleLocArgs"), _STRINGS),
    }
    gcm = {
        "timeToLive": {"type": "number", "minimum": 0, "maximum": 2_419_200},
        "priority": {"enum": ["min", "low", "default", "high", "max"]},
        "visibility": {"enum": ["public", "private", "secret"]},
        "delayWhileIdle": {"type": "boolean"},
        "payload": _OBJECT,
        **dict.fromkeys(("sound", "collapseKey", "icon", "androidTitle", "interactiveCategory"), _STRING),
        **dict.fromkeys(("lights", "style"), _OBJECT),
    }
    wns = {"cachePolicy": {"type": "boolean"}, **dict.fromkeys(("badge", "raw", "tile", "toast"), _OBJECT)}
    parts = {"apns": apns, "gcm": gcm, "wns": wns}
    return {name: {"type": "object", "properties": members} for name, members in parts.items()}


def _of_settings() -> dict[str, Any]:
    links = dict.fromkeys(("applicationId", "apnsConf", "gcmConf", "wnsConf"), _STRING)
    parameter = {"name": _STRING, "value": _STRING, "encode": _SAID}
    gateway = dict.fromkeys(("host", "name", "port", "programName"), _STRING)
    parameters = {"type": "array", "items": _object(parameter)}
    return {
        "Settings": _object({**links, "mode": {"enum": ["PRODUCTION", "SANDBOX"]}}),
        "GcmForm": _object({"apiKey": _TEXT, "senderId": _TEXT, "serviceAccount": _OBJECT}, ("senderId",)),
        "Gcm": _object({"apiKey": _STRING, "senderId": _STRING}),
        "Sender": _object({"senderId": _STRING}),
        "WnsForm": _object({"packageSID": _TEXT, "clientSecret": _TEXT}),
        "Wns": _object({"packageSID": _STRING, "clientSecret": _STRING}),
        "SmsForm": _object({**gateway, "parameters": parameters}, ("host", "port")),
        "Sms": _object({**gateway, "parameters": parameters}),
        "ApnsForm": _object(
            {"certificate": {"type": "string", "format": "binary"}, "password": _STRING, "isSandBox": _SAID},
            ("certificate",),
        ),
        "Apns": _object({"certificate": _STRING, "isSandBox": _SAID, "validUntil": _STRING}),
        "Binary": _STRING,
    }


def _of_webhooks() -> dict[str, Any]:
    shown = dict.fromkeys(("name", "url", "eventTypes", "href"), _STRING)
    address = {"type": "string", "maxLength": 2048, "example": "https://example.org/hook"}
    types = {"type": "string", "description": f"`*`, or with commas between: {', '.join(TYPES_OF_EVENTS)}."}
    said = {"name": {**_TEXT, "maxLength": 255}, "url": address, "eventTypes": types}
    return {
        "NewWebhook": _object(said),
        "WebhookChanges": _object(said, ()),
        "Webhook": _object(shown),
        "CreatedWebhook": _object({**shown, "secret": _STRING}),
        "Webhooks": _list("webhooks", "Webhook"),
    }


def _of_tokens() -> dict[str, Any]:
    token = {"access_token": _STRING, "token_type": {"const": "Bearer"}, "expires_in": {"type": "integer"}}
    return {
        "TokenForm": _object({"grant_type": {"const": "client_credentials"}, "scope": _STRING}, ("grant_type",)),
        "ApiKeyForm": _object({"grant_type": _STRING, "apikey": _STRING}),
        "Token": _object({**token, "scope": _STRING}),
        "TokenError": _object({"error": _STRING, "error_description": _STRING}),
    }


def _list(name: str, item: str) -> dict[str, Any]:
    return _object({name: {"type": "array", "items": _reference(item)}, "pageInfo": _reference("PageInfo")})


def _object(members: dict[str, Any], required: tuple[str, ...] | None = None) -> dict[str, Any]:
    """An object; without ``required`` all of its members are."""
    return {"type": "object", "required": list(members if required is None else required), "properties": members}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
