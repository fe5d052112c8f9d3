"""The bodies of this API, as schemas for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from tocsin.api.dialects.twinpush.contents import LONGEST_ALERT
from tocsin.api.dialects.twinpush.targets import MOST_NAMED, MOST_PROPERTIES, MOST_SEGMENTS
from tocsin.api.dialects.twinpush.translation import ATTRIBUTES, PLATFORMS, SPEEDS
from tocsin.domain.properties import TYPES

_STRING = {"type": "string"}
_FLAG = {"type": "boolean"}
_TEXT = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_ID = {"type": "string", "pattern": "^[a-z2-7]{16}$"}
_DEVICE_DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000$"}
_DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"}
_NO_DATE = {**_DATE, "type": ["string", "null"]}
_TAGS = {"type": "array", "items": _STRING}
_WHOLE = {"type": ["integer", "string"], "description": "A number, or the same as text."}
_BADGE = {"type": ["integer", "string"], "description": 'A number, or a change to one such as `"+1"`.'}
_PROPERTIES = {"type": "object", "additionalProperties": _STRING}


def schemas() -> dict[str, Any]:
    """All of them, by name."""
    return {**_asked(), **_shown()}


def reference(schema: str) -> dict[str, str]:
    """One of them."""
    return {"$ref": f"#/components/schemas/{schema}"}


def _asked() -> dict[str, Any]:
    known = dict.fromkeys((*ATTRIBUTES, "push_token", "alias_device"), _TEXT)
    new = {"udid": {"type": "string", "minLength": 1}, "platform": {"enum": list(PLATFORMS)}}
    page = {"page": _WHOLE, "per_page": _WHOLE}
    degrees = {
        name: {"type": "number", "minimum": -most, "maximum": most}
        for name, most in (("latitude", 90), ("longitude", 180))
    }
    value = {"type": ["string", "boolean", "number", "array", "null"]}
    return {
        "Registration": {
            "anyOf": [_object({**new, **known}, tuple(new)), _object({"device_id": _ID, **known}, ("device_id",))]
        },
        "Renewal": _object(known, ()),
        "NewBadge": _object({"badge": _BADGE}),
        "Opened": _object({"open_at": _COUNT}, ()),
        "Closed": _object({"closed_at": _COUNT}, ()),
        "Place": _object({"device": _object(degrees)}),
        "Property": _object(
            {"name": {"type": "string", "minLength": 1}, "type": {"enum": list(TYPES)}, "value": value},
            ("name", "type"),
        ),
        "Search": _object({"tags": _TAGS, "no_tags": _TAGS, **page}, ()),
        "Page": _object(page, ()),
        "Receipt": _object({"open_at": {"description": "Ignored."}}, ()),
        "NewNotification": _new_notification(),
    }


def _new_notification() -> dict[str, Any]:
    alert = {"type": "string", "minLength": 1, "maxLength": LONGEST_ALERT}
    content = {"alert": alert, "title": _TEXT, "url": _TEXT, "badge": _BADGE, "custom_properties": {"type": "object"}}
    options = {
        **dict.fromkeys(("subtitle", "category", "sound", "name", "group_name"), _TEXT),
        **dict.fromkeys(("inbox", "protected_content", "mutable_content"), _FLAG),
        "tags": _TAGS,
        "delivery_speed": {"enum": list(SPEEDS)},
        "send_since": {"type": ["string", "null"], "examples": ["2026-01-31 12:00:00 +0000"]},
    }
    return {
        **_object({**content, **options, **_targets(content)}, ("alert",)),
        "description": "With exactly one target.",
    }


def _targets(content: dict[str, Any]) -> dict[str, Any]:
    named = {**_TAGS, "maxItems": MOST_NAMED}
    multiple = {"type": "object", "maxProperties": MOST_NAMED, "additionalProperties": _object(content, ())}
    return {
        "broadcast": _FLAG,
        **dict.fromkeys(("devices_ids", "devices_aliases"), named),
        "segments": {**_TAGS, "maxItems": MOST_SEGMENTS},
        "target_properties": {
            "type": "object",
            "maxProperties": MOST_PROPERTIES,
            "additionalProperties": {"type": "array"},
        },
        **dict.fromkeys(("multiple_devices", "multiple_alias"), multiple),
    }


def _shown() -> dict[str, Any]:
    device = _device()
    whole = {
        **device,
        "active": _FLAG,
        "registration_updated_at": _DEVICE_DATE,
        "custom_properties": {"type": "object"},
    }
    notification = _notification()
    return {
        "Device": _object(device),
        "Devices": _envelope("Device"),
        "DevicePage": _page("Device"),
        "WholeDevice": _single(whole),
        "Notification": _object(notification),
        "Notifications": _envelope("Notification"),
        "OneNotification": _single(notification),
        "NotificationPage": _page("Notification"),
        "InboxItem": _object({"id": _STRING, **_delivered(), "notification": reference("Notification")}),
        "InboxPage": _page("InboxItem"),
        "InboxSummary": _object({"total_count": _COUNT, "unopened_count": _COUNT}),
        "Delivery": _object(
            {"id": _COUNT, **_delivered(), "device": {"anyOf": [reference("Device"), {"type": "null"}]}}
        ),
        "DeliveryPage": _page("Delivery"),
        "Report": _report(),
        "ReportPage": _page("Report"),
        "Badge": _object({"badge": _COUNT}),
        "Done": {"type": "object"},
        "Error": _object({"errors": _object({"type": _STRING, "message": _STRING})}),
    }


def _device() -> dict[str, Any]:
    dates = dict.fromkeys(("created_at", "updated_at", "last_registered_at"), _DEVICE_DATE)
    texts = dict.fromkeys((*ATTRIBUTES, "push_token", "alias_device"), _TEXT)
    return {"id": _ID, "app_id": _ID, "type": {"const": "Device"}, "platform": _STRING, **texts, **dates}


def _notification() -> dict[str, Any]:
    texts = ("sound", "alert", "title", "badge", "tp_rich_url", "subtitle", "category", "name", "group_name")
    flags = ("mutable_content", "protected_content", "inbox")
    return {
        "id": _ID,
        "type": {"const": "Notification"},
        **dict.fromkeys(texts, _TEXT),
        **dict.fromkeys(flags, _FLAG),
        "custom_properties": _PROPERTIES,
        "delivery_speed": {"enum": list(SPEEDS)},
        **dict.fromkeys(("send_since", "created_at", "updated_at"), _DATE),
        "last_sent_at": _NO_DATE,
        "tags": _TAGS,
    }


def _delivered() -> dict[str, Any]:
    return {"type": {"const": "Delivery"}, "created_at": _DATE, "received_at": _NO_DATE, "open_at": _NO_DATE}


def _report() -> dict[str, Any]:
    problem = {
        "platform": {"enum": ["ios", "android", "all"]},
        "level": {"enum": ["critical", "error", "warning"]},
        "key": _STRING,
        "message": _STRING,
        "created_at": _DATE,
    }
    return _object(
        {
            "type": {"const": "NotificationReport"},
            "status": {"enum": ["draft", "sending", "sent", "error", "scheduled"]},
            **dict.fromkeys(("delivery_count", "opening_count", "received_count"), _COUNT),
            "errors": {"type": "array", "items": _object(problem)},
            "notification": reference("Notification"),
        }
    )


def _envelope(schema: str) -> dict[str, Any]:
    return _object(_objects(reference(schema)))


def _single(members: dict[str, Any]) -> dict[str, Any]:
    return _object({**members, **_objects(_object(members))})


def _page(schema: str) -> dict[str, Any]:
    numbers = ("offset", "total_pages", "total_entries", "per_page", "current_page")
    return _object({**dict.fromkeys(numbers, _COUNT), **_objects(reference(schema))})


def _objects(schema: dict[str, Any]) -> dict[str, Any]:
    return {"objects": {"type": "array", "items": schema}, "references": {"type": "array", "maxItems": 0}}


def _object(members: dict[str, Any], required: tuple[str, ...] | None = None) -> dict[str, Any]:
    """An object; without ``required`` all of its members are."""
    return {"type": "object", "properties": members, "required": list(members if required is None else required)}
