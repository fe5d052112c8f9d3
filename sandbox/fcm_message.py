"""The rules for an FCM v1 message: which fields there are, of which types, and how large it may be.

Source: the REST reference of ``projects.messages`` and Google's "FCM error codes".
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tocsin.sandbox.exchange import Refused, read_json

MAX_PAYLOAD_BYTES = 4096
MAX_TOPIC_PAYLOAD_BYTES = 2048
MAX_TTL_SECONDS = 2_419_200
TARGETS = ("token", "fid", "topic", "condition")
# Google reads JSON names in both spellings, and so does this table: see _snake.
MESSAGE_FIELDS = frozenset(
    {*TARGETS, "name", "data", "notification", "android", "webpush", "apns", "fcm_options"},
)
ANDROID_PRIORITIES = frozenset({"NORMAL", "HIGH"})
RESERVED_KEYS = frozenset({"from", "message_type"})
RESERVED_PREFIXES = ("google", "gcm")

_TOPIC = re.compile(r"[a-zA-Z0-9\-_.~%]+")
_DURATION = re.compile(r"([0-9]+)(\.[0-9]{1,9})?s")
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes: ``kind`` is one of TARGETS."""

    kind: str
    value: str

    @property
    def device(self) -> str:
        """The name of the fake device; a topic or condition is named as such, for it is no token."""
        return self.value if self.kind in ("token", "fid") else f"{self.kind}:{self.value}"


def read_request(body: bytes) -> tuple[dict[str, Any], bool]:
    """The message, and whether it is only to be validated; raises Refused."""
    try:
        document = read_json(body)
    except ValueError as error:
        raise invalid("", "Invalid JSON payload received.") from error
    if not isinstance(document, dict):
        raise invalid("", "Invalid JSON payload received. It must be an object.")
    fields = _known(document, frozenset({"message", "validate_only"}), "")
    validate_only = fields.get("validate_only", False)
    if not isinstance(validate_only, bool):
        raise _mistyped("validate_only", "TYPE_BOOL", validate_only)
    message = _object(fields.get("message"), "message")
    return _known(message, MESSAGE_FIELDS, "message"), validate_only


def check_message(message: dict[str, Any], target: Target) -> None:
    """Raises Refused at the first part of a message that is not right."""
    for name, check in CHECKS.items():
        if name in message:
            check(_object(message[name], f"message.{name}"), f"message.{name}")
    _check_size(message, target)


def invalid(path: str, description: str) -> Refused:
    """An INVALID_ARGUMENT that names the field."""
    return Refused(400, "INVALID_ARGUMENT", description, path)


def find_target(message: dict[str, Any]) -> Target:
    """Where the message goes; raises Refused unless it names exactly one target."""
    given = [name for name in TARGETS if message.get(name) not in (None, "")]
    if not given:
        raise invalid("message", "Recipient of the message is not set.")
    if len(given) > 1:
        raise invalid(
            f"message.{given[1]}", f"The target is already set by {given[0]}: give one of {', '.join(TARGETS)}."
        )
    kind = given[0]
    value = _string(message[kind], f"message.{kind}")
    if kind == "topic" and not _TOPIC.fullmatch(value):
        raise invalid("message.topic", "Malformed topic name")
    return Target(kind, value)


def _check_data(data: dict[str, Any], path: str) -> None:
    for index, (key, value) in enumerate(data.items()):
        _string(value, f"{path}[{index}].value")
        if key in RESERVED_KEYS or key.startswith(RESERVED_PREFIXES):
            raise invalid(path, f"Invalid data payload key: {key}")


def _check_notification(notification: dict[str, Any], path: str) -> None:
    for name, value in _known(notification, frozenset({"title", "body", "image"}), path).items():
        _string(value, f"{path}.{name}")


def _check_android(android: dict[str, Any], path: str) -> None:
    fields = {_snake(name): value for name, value in android.items()}
    if "priority" in fields and str(fields["priority"]).upper() not in ANDROID_PRIORITIES:
        raise _mistyped(f"{path}.priority", "AndroidMessagePriority", fields["priority"])
    if "ttl" in fields:
        _check_ttl(fields["ttl"], f"{path}.ttl")
    for name in ("collapse_key", "restricted_package_name"):
        if name in fields:
            _string(fields[name], f"{path}.{name}")
    if "data" in fields:
        _check_data(_object(fields["data"], f"{path}.data"), f"{path}.data")
    if "notification" in fields:
        _object(fields["notification"], f"{path}.notification")


def _check_ttl(ttl: Any, path: str) -> None:
    match = _DURATION.fullmatch(ttl) if isinstance(ttl, str) else None
    if match is None:
        raise _mistyped(path, "google.protobuf.Duration", ttl)
    if int(match[1]) > MAX_TTL_SECONDS:
        raise invalid(path, f"TTL must be from 0 to {MAX_TTL_SECONDS} seconds")


def _check_apns(apns: dict[str, Any], path: str) -> None:
    for name, value in _object(apns.get("headers", {}), f"{path}.headers").items():
        _string(value, f"{path}.headers.{name}")
    payload = _object(apns.get("payload", {}), f"{path}.payload")
    if len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()) > MAX_PAYLOAD_BYTES:
        raise invalid(f"{path}.payload", "APNs payload is too big")


def _check_webpush(webpush: dict[str, Any], path: str) -> None:
    for name in ("headers", "data"):
        for key, value in _object(webpush.get(name, {}), f"{path}.{name}").items():
            _string(value, f"{path}.{name}.{key}")


CHECKS = {
    "data": _check_data,
    "notification": _check_notification,
    "android": _check_android,
    "apns": _check_apns,
    "webpush": _check_webpush,
}


def _check_size(message: dict[str, Any], target: Target) -> None:
    limit = MAX_TOPIC_PAYLOAD_BYTES if target.kind in ("topic", "condition") else MAX_PAYLOAD_BYTES
    parts = (message.get("data", {}), message.get("notification", {}))
    if sum(len(text.encode()) for part in parts for text in _texts(part)) > limit:
        raise invalid("message", "Message too big")


def _texts(fields: dict[str, str]) -> Iterator[str]:
    for name, value in fields.items():
        yield name
        yield value


def _known(document: dict[str, Any], names: frozenset[str], path: str) -> dict[str, Any]:
    fields = {_snake(name): value for name, value in document.items()}
    for name in fields:
        if name not in names:
            where = f" at '{path}'" if path else ""
            raise invalid(path, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')
    return fields


def _snake(name: str) -> str:
    return _CAPITAL.sub(r"_\1", name).lower()


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mistyped(path, "object", value)
    return value


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _mistyped(path, "TYPE_STRING", value)
    return value


def _mistyped(path: str, kind: str, value: Any) -> Refused:
    return invalid(path, f"Invalid value at '{path}' ({kind}), {json.dumps(value)}")
