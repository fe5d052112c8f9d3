"""What every answer is wrapped in. No credential, token or password is repeated in it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from flask import Response, request

API_VERSION = "0.9.5"
HIDDEN = "******"

SHOWN_HEADERS = frozenset(
    ("accept", "accept-encoding", "accept-language", "connection", "content-length", "content-type", "host", "origin")
)
"""Headers that are repeated as they came; the values of all others may be credentials."""

_TOKEN = re.compile(r"^(/push/(?:enable|device)/[^/]*/|/push/disable/|/logout/)(.+)$", re.IGNORECASE | re.DOTALL)


def envelope(data: Any = "", status: int = 200, bb_code: str | None = None) -> Response:
    """An answer to what was done."""
    body = {"result": "ok", "data": data, "http_code": status}
    return _wrapped(body, status, bb_code)


def error_envelope(status: int, message: str, bb_code: str | None = None) -> Response:
    """An answer to what was refused."""
    body = {
        "result": "error",
        "message": message,
        "resource": _TOKEN.sub(rf"\1{HIDDEN}", request.path),
        "method": request.method,
        "request_header": _headers(),
        "API_version": API_VERSION,
        "http_code": status,
    }
    return _wrapped(body, status, bb_code)


def _wrapped(body: dict[str, Any], status: int, bb_code: str | None) -> Response:
    if bb_code is not None:
        body["bb_code"] = bb_code
    if "call_id" in request.args:
        body["call_id"] = request.args["call_id"]
    return Response(msgspec.json.encode(body), status=status, content_type="application/json")


def _headers() -> dict[str, list[str]]:
    return {
        name: request.headers.getlist(name) if name.lower() in SHOWN_HEADERS else [HIDDEN]
        for name in request.headers.keys()  # noqa: SIM118 - a header may come several times
    }
