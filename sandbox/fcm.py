"""FCM HTTP v1: ``POST /v1/projects/<project>/messages:send``."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import unquote

from tocsin.sandbox.access_tokens import AccessTokens
from tocsin.sandbox.exchange import Answer, Refused, Request, json_answer
from tocsin.sandbox.faults import Fault
from tocsin.sandbox.fcm_message import check_message, find_target, read_request
from tocsin.sandbox.journal import Push
from tocsin.sandbox.provider import PushProvider, retry_after_seconds

SEND_PATH = re.compile(r"/v1/projects/([^/]+)/messages:send")
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"

# FCM's error codes: HTTP status, Google's canonical status, and a message.
ERRORS = {
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token"),
    "UNREGISTERED": (404, "NOT_FOUND", "Requested entity was not found."),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED", "SenderId mismatch"),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED", "Quota exceeded."),
    "UNAVAILABLE": (503, "UNAVAILABLE", "The service is currently unavailable."),
    "INTERNAL": (500, "INTERNAL", "Internal error encountered."),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service"),
}
# Errors of Google's front end, which have no FCM error code: canonical status and message.
CANONICAL = {
    "UNAUTHENTICATED": (401, "Request had invalid authentication credentials."),
    "PERMISSION_DENIED": (403, "The service account may not send for this project."),
    "NOT_FOUND": (404, "There is no such resource."),
    "UNIMPLEMENTED": (405, "The method is not allowed here: use POST."),
}
REASON_OF_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "SENDER_ID_MISMATCH",
    404: "UNREGISTERED",
    429: "QUOTA_EXCEEDED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
PREFIXES = {
    "bad0": "INVALID_ARGUMENT",
    "unre": "UNREGISTERED",
    "send": "SENDER_ID_MISMATCH",
    "quot": "QUOTA_EXCEEDED",
    "unav": "UNAVAILABLE",
    "intr": "INTERNAL",
    "3rdp": "THIRD_PARTY_AUTH_ERROR",
}


@dataclass
class Fcm(PushProvider):
    """Google's push service for one project."""

    tokens: AccessTokens
    project: str
    clock: Callable[[], float]

    name = "fcm"
    prefix_faults = {prefix: Fault("fcm", prefix, reason=reason) for prefix, reason in PREFIXES.items()}
    _numbers = count(1)

    def examine(self, push: Push) -> None:
        self._check_sender(push.request)
        message, validate_only = read_request(push.request.body)
        push.topic, push.delivers = self.project, not validate_only
        target = find_target(message)
        push.token = target.device
        check_message(message, target)

    def _check_sender(self, request: Request) -> None:
        match = SEND_PATH.fullmatch(unquote(request.path))
        if match is None:
            raise _canonical("NOT_FOUND")
        if request.method != "POST":
            raise _canonical("UNIMPLEMENTED")
        if not self.tokens.good("fcm", request.bearer()):
            raise _canonical("UNAUTHENTICATED")
        if match[1] != self.project:
            raise _canonical("PERMISSION_DENIED")

    def accept(self, push: Push) -> Answer:
        number = f"0:{int(self.clock() * 1_000_000)}%{next(self._numbers):016x}" if push.delivers else "fake_message_id"
        push.message_id = f"projects/{self.project}/messages/{number}"
        return json_answer(200, {"name": push.message_id})

    def refuse(self, refused: Refused, _: Request) -> Answer:
        _code, status, message = ERRORS.get(refused.reason, (0, refused.reason, ""))
        error: dict[str, Any] = {"code": refused.status, "message": refused.detail or message, "status": status}
        details = _details(refused)
        if details:
            error["details"] = details
        answer = json_answer(refused.status, {"error": error})
        answer.authenticated = refused.status != 401
        seconds = retry_after_seconds(refused)
        if seconds is not None:
            answer.headers.append(("retry-after", str(seconds)))
        return answer

    def scripted_refusal(self, status: int | None, reason: str | None) -> Refused:
        if reason is None:
            reason = REASON_OF_STATUS.get(status or 500, "INTERNAL")
        known = ERRORS[reason][0] if reason in ERRORS else CANONICAL.get(reason, (400, ""))[0]
        return Refused(status or known, reason, CANONICAL.get(reason, (0, ""))[1])


def _canonical(status: str) -> Refused:
    code, message = CANONICAL[status]
    return Refused(code, status, message)


def _details(refused: Refused) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if refused.reason in ERRORS:
        details.append({"@type": FCM_ERROR, "errorCode": refused.reason})
    if refused.field_path:
        violation = {"field": refused.field_path, "description": refused.detail}
        details.append({"@type": BAD_REQUEST, "fieldViolations": [violation]})
    return details
