"""WNS: ``POST <channel URI>``.

Source: Microsoft's "Push notification service request and response headers (Windows Runtime apps)".
"""

import re
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs
from xml.parsers import expat

from tocsin.sandbox.access_tokens import AccessTokens
from tocsin.sandbox.exchange import Answer, Refused, Request
from tocsin.sandbox.faults import Fault
from tocsin.sandbox.journal import Push
from tocsin.sandbox.provider import PushProvider, retry_after_seconds

MAX_PAYLOAD_BYTES = 5000
XML_TYPES = ("wns/toast", "wns/badge", "wns/tile")
RAW_TYPE = "wns/raw"

DESCRIPTIONS = {
    400: "The request's headers are wrong or contradict each other",
    401: "The access token is missing, unknown or expired",
    403: "The app is not allowed to push to this channel",
    404: "The channel URI is not valid or not known",
    405: "The method must be POST",
    406: "The app sends too much: it is throttled",
    410: "The channel has expired",
    413: f"The payload is over {MAX_PAYLOAD_BYTES} bytes",
    500: "Internal failure",
    503: "The service is unavailable",
}
NOT_SHOWN = ("dropped", "channelthrottled")

_OPTIONAL_HEADERS = {
    "x-wns-cache-policy": re.compile("cache|no-cache"),
    "x-wns-requestforstatus": re.compile("true|false"),
    "x-wns-suppresspopup": re.compile("true|false"),
    "x-wns-tag": re.compile("[A-Za-z0-9]{1,16}"),
    "x-wns-ttl": re.compile("[0-9]{1,10}"),
    "x-wns-priority": re.compile("[1-4]|high|medium|low|verylow", re.IGNORECASE),
}


def _prefix_faults() -> dict[str, Fault]:
    faults = {str(code): Fault("wns", str(code), status=code) for code in (403, 404, 406, 410, 500, 503)}
    shown = {"drp": "dropped", "thr": "channelthrottled"}
    return faults | {prefix: Fault("wns", prefix, status=200, reason=reason) for prefix, reason in shown.items()}


@dataclass
class Wns(PushProvider):
    """Microsoft's push service for one app."""

    tokens: AccessTokens

    name = "wns"
    prefix_faults = _prefix_faults()
    prefix_length = 3

    def examine(self, push: Push) -> None:
        request = push.request
        if request.method != "POST":
            raise _refused(405)
        push.token = parse_qs(request.query).get("token", [""])[0]
        if not push.token:
            raise _refused(404)
        if not self.tokens.good("wns", request.bearer()):
            raise _refused(401)
        _check_headers(request)
        _check_payload(request)
        push.topic = request.headers["x-wns-type"]

    def accept(self, push: Push) -> Answer:
        push.message_id = secrets.token_hex(8).upper()
        return Answer(200, _headers("received", push.message_id, push.request))

    def refuse(self, refused: Refused, request: Request) -> Answer:
        status = refused.reason if refused.reason in NOT_SHOWN else "dropped"
        answer = Answer(refused.status, _headers(status, secrets.token_hex(8).upper(), request))
        answer.authenticated = refused.status != 401
        if refused.status != 200:
            answer.headers.append(("x-wns-error-description", refused.detail))
        if refused.status == 401:
            answer.headers.append(("www-authenticate", 'Bearer error="invalid_token"'))
        seconds = 1 if refused.status == 406 and refused.retry_after is None else retry_after_seconds(refused)
        if seconds is not None:
            answer.headers.append(("retry-after", str(seconds)))
        return answer

    def scripted_refusal(self, status: int | None, reason: str | None) -> Refused:
        if reason in NOT_SHOWN:
            return Refused(status or 200, reason or "")
        code = status or 500
        return Refused(code, "", reason or DESCRIPTIONS.get(code, "The sandbox was told to refuse"))


def _refused(status: int, description: str = "") -> Refused:
    return Refused(status, "", description or DESCRIPTIONS[status])


def _headers(status: str, message_id: str, request: Request) -> list[tuple[str, str]]:
    headers = [
        ("x-wns-status", status),
        # The name in the older manual, which the service still sends.
        ("x-wns-notificationstatus", status),
        ("x-wns-msg-id", message_id),
        ("x-wns-debug-trace", "SANDBOX"),
    ]
    if request.headers.get("x-wns-requestforstatus") == "true":
        headers.append(("x-wns-deviceconnectionstatus", "connected"))
    return headers


def _check_headers(request: Request) -> None:
    headers = request.headers
    kind = headers.get("x-wns-type", "")
    if kind not in XML_TYPES and kind != RAW_TYPE:
        raise _refused(400, f"X-WNS-Type must be {', '.join(XML_TYPES)} or {RAW_TYPE}")
    wanted = "application/octet-stream" if kind == RAW_TYPE else "text/xml"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise _refused(400, f"Content-Type must be {wanted} for {kind}")
    for name, form in _OPTIONAL_HEADERS.items():
        if name in headers and not form.fullmatch(headers[name]):
            raise _refused(400, f"{name} must match {form.pattern}")


def _check_payload(request: Request) -> None:
    if len(request.body) > MAX_PAYLOAD_BYTES:
        raise _refused(413)
    if request.headers["x-wns-type"] == RAW_TYPE:
        return
    try:
        _parse(request.body)
    except (expat.ExpatError, ValueError) as error:
        raise _refused(400, "The payload is not well-formed XML") from error


def _parse(body: bytes) -> None:
    parser = expat.ParserCreate()
    # A few nested entities make gigabytes of five kilobytes.
    parser.EntityDeclHandler = _refuse_entities
    parser.Parse(body, True)


def _refuse_entities(*_: object) -> None:
    raise ValueError("the payload declares entities")
