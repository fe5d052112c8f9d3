"""APNs: ``POST /3/device/<token>``.

Source: Apple's "Sending notification requests to APNs" and "Handling notification responses from APNs".
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from tocsin.sandbox.exchange import Answer, Ending, Refused, Request, json_answer, read_json
from tocsin.sandbox.faults import Fault
from tocsin.sandbox.journal import Push
from tocsin.sandbox.provider import PushProvider, retry_after_seconds
from tocsin.sandbox.provider_tokens import ProviderTokens

DEVICE_PATH = "/3/device/"
MAX_PAYLOAD_BYTES = 4096
MAX_VOIP_PAYLOAD_BYTES = 5120
MAX_COLLAPSE_ID_BYTES = 64

STATUS_OF_REASON = {
    "BadCollapseId": 400,
    "BadDeviceToken": 400,
    "BadExpirationDate": 400,
    "BadMessageId": 400,
    "BadPriority": 400,
    "BadTopic": 400,
    "DeviceTokenNotForTopic": 400,
    "DuplicateHeaders": 400,
    "IdleTimeout": 400,
    "InvalidPushType": 400,
    "MissingDeviceToken": 400,
    "MissingTopic": 400,
    "PayloadEmpty": 400,
    "TopicDisallowed": 400,
    "BadCertificate": 403,
    "BadCertificateEnvironment": 403,
    "BadEnvironmentKeyIdInToken": 403,
    "BadEnvironmentKeyInToken": 403,
    "ExpiredProviderToken": 403,
    "Forbidden": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "UnrelatedKeyIdInToken": 403,
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "ExpiredToken": 410,
    "Unregistered": 410,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}

# What a script means that gives a status alone.
REASON_OF_STATUS = {
    400: "BadDeviceToken",
    403: "ExpiredProviderToken",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}

# Push types, and what is put after the app's id to make their topic.
TOPIC_SUFFIX = {
    "alert": "",
    "background": "",
    "mdm": "",
    "voip": ".voip",
    "complication": ".complication",
    "fileprovider": ".pushkit.fileprovider",
    "location": ".location-query",
    "liveactivity": ".push-type.liveactivity",
    "pushtotalk": ".voip-ptt",
    "widgets": ".push-type.widgets",
    "controls": ".push-type.controls",
}

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DEVICE_TOKEN = re.compile(r"[0-9a-fA-F]{64}")
_EXPIRATION = re.compile(r"-?[0-9]{1,19}")
_TOPIC = re.compile(r"[A-Za-z0-9.-]{1,255}")


def _prefix_faults() -> dict[str, Fault]:
    reasons = {
        "0400": "BadDeviceToken",
        "0401": "DeviceTokenNotForTopic",
        "0403": "ExpiredProviderToken",
        "0410": "Unregistered",
        "0411": "ExpiredToken",
        "0413": "PayloadTooLarge",
        "0429": "TooManyRequests",
        "0430": "TooManyProviderTokenUpdates",
        "0500": "InternalServerError",
        "0503": "ServiceUnavailable",
        "0504": "Shutdown",
    }
    endings = {"0997": Ending.HANG, "0998": Ending.GOAWAY, "0999": Ending.RESET}
    faults = {prefix: Fault("apns", prefix, reason=reason) for prefix, reason in reasons.items()}
    faults |= {prefix: Fault("apns", prefix, action=ending.value) for prefix, ending in endings.items()}
    return faults | {"0996": Fault("apns", "0996", action="status", status=502)}


@dataclass
class Apns(PushProvider):
    """Apple's push service for one app id."""

    tokens: ProviderTokens
    topic: str
    clock: Callable[[], float]

    name = "apns"
    prefix_faults = _prefix_faults()

    def examine(self, push: Push) -> None:
        request = push.request
        push.token = _device_token(request)
        if request.repeated:
            raise _refused("DuplicateHeaders")
        self._check_sender(request)
        push_type = request.headers.get("apns-push-type", "")
        push.topic = self._checked_topic(request, push_type)
        _check_device_token(push.token)
        _check_options(request, push_type)
        _check_payload(request.body, push_type)
        push.message_id = request.headers.get("apns-id", "")

    def accept(self, push: Push) -> Answer:
        push.message_id = push.message_id or _new_id()
        headers = [("apns-id", push.message_id)]
        if push.request.development:
            headers.append(("apns-unique-id", str(uuid.uuid4())))
        return Answer(200, headers)

    def refuse(self, refused: Refused, request: Request) -> Answer:
        body: dict[str, str | int] = {"reason": refused.reason}
        if refused.status == 410:
            body["timestamp"] = refused.timestamp_ms or int(self.clock() * 1000)
        answer = json_answer(refused.status, body, ("apns-id", request.headers.get("apns-id") or _new_id()))
        answer.authenticated = refused.status != 403
        seconds = retry_after_seconds(refused)
        if seconds is not None:
            answer.headers.append(("retry-after", str(seconds)))
        return answer

    def scripted_refusal(self, status: int | None, reason: str | None) -> Refused:
        if reason is None:
            reason = REASON_OF_STATUS.get(status or 500, "InternalServerError")
        return Refused(status or STATUS_OF_REASON.get(reason, 400), reason)

    def _check_sender(self, request: Request) -> None:
        token = request.bearer()
        if token is not None:
            self.tokens.check(token)
        elif not request.client_topic:
            raise _refused("MissingProviderToken")

    def _checked_topic(self, request: Request, push_type: str) -> str:
        if push_type and push_type not in TOPIC_SUFFIX:
            raise _refused("InvalidPushType")
        topic = request.headers.get("apns-topic", request.client_topic)
        if not topic:
            raise _refused("MissingTopic")
        if not _TOPIC.fullmatch(topic):
            raise _refused("BadTopic")
        suffixes = [TOPIC_SUFFIX[push_type]] if push_type else TOPIC_SUFFIX.values()
        if topic not in [self.topic + suffix for suffix in suffixes]:
            raise _refused("TopicDisallowed")
        return topic


def _refused(reason: str) -> Refused:
    return Refused(STATUS_OF_REASON[reason], reason)


def _new_id() -> str:
    return str(uuid.uuid4()).upper()


def _device_token(request: Request) -> str:
    if not request.path.startswith(DEVICE_PATH):
        raise _refused("BadPath")
    if request.method != "POST":
        raise _refused("MethodNotAllowed")
    return request.path[len(DEVICE_PATH) :]


def _check_device_token(device_token: str) -> None:
    if not device_token:
        raise _refused("MissingDeviceToken")
    if not _DEVICE_TOKEN.fullmatch(device_token):
        raise _refused("BadDeviceToken")


def _check_options(request: Request, push_type: str) -> None:
    headers = request.headers
    priority = headers.get("apns-priority", "")
    if priority not in ("", "1", "5", "10") or (push_type == "background" and priority == "10"):
        raise _refused("BadPriority")
    if "apns-expiration" in headers and not _EXPIRATION.fullmatch(headers["apns-expiration"]):
        raise _refused("BadExpirationDate")
    if len(headers.get("apns-collapse-id", "").encode("latin-1")) > MAX_COLLAPSE_ID_BYTES:
        raise _refused("BadCollapseId")
    if "apns-id" in headers and not _UUID.fullmatch(headers["apns-id"]):
        raise _refused("BadMessageId")


def _check_payload(body: bytes, push_type: str) -> None:
    """Apple has one reason for no payload and for one that is not a JSON dictionary."""
    if len(body) > (MAX_VOIP_PAYLOAD_BYTES if push_type == "voip" else MAX_PAYLOAD_BYTES):
        raise _refused("PayloadTooLarge")
    try:
        payload = read_json(body)
    except ValueError as error:
        raise _refused("PayloadEmpty") from error
    if not isinstance(payload, dict) or not payload:
        raise _refused("PayloadEmpty")
