"""A client of the TwinPush API, and what a test does in place of the workers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from patience import eventually
from werkzeug.test import TestResponse

from tocsin.api.services import Services
from tocsin.commands.apps import create_app
from tocsin.commands.context import Context
from tocsin.dialects import PROVISIONS
from tocsin.domain.entry import system
from tocsin.projections.registry import NAMES

DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
API = "X-TwinPush-REST-API-Token"
CREATOR = "X-TwinPush-REST-API-Key-Creator"


@dataclass(frozen=True)
class Client:
    """``app_id``, and both tokens, as they were provisioned. All calls go by both, as the Ruby client's do.

    A write that says it is not readable yet is waited for, so that the next call finds it on any machine.
    """

    app: Flask
    services: Services
    app_id: str
    api_token: str
    creator_token: str

    @classmethod
    def provisioned(cls, app: Flask, services: Services, app_id: UUID) -> Client:
        """A client of this app."""
        issued = PROVISIONS["twinpush"](services.engine, Context(system("test")), app_id, sandbox=False)
        await_position(services, services.record.head().position)
        tokens = issued["TWINPUSH_API_TOKEN"], issued["TWINPUSH_CREATOR_TOKEN"]
        return cls(app, services, issued["TWINPUSH_APP_ID"], *tokens)

    def call(self, method: str, path: str, body: Any = None, **headers: str | None) -> TestResponse:
        """One request; a ``path`` that begins with a slash is below /api/v2, any other below the app.

        ``body`` is JSON, or bytes as they are. ``headers`` win, None leaves one out.
        """
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent: dict[str, str | None] = {API: self.api_token, CREATOR: self.creator_token}
        if data is not None:
            sent["Content-Type"] = "application/json; charset: utf-8"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"/api/v2{path}" if path.startswith("/") else f"/api/v2/apps/{self.app_id}/{path}"
        kept = {name: value for name, value in sent.items() if value is not None}
        answer = self.app.test_client().open(url, method=method, headers=kept, data=data)
        if "Tocsin-Lag" in answer.headers:
            await_position(self.services, int(answer.headers["Tocsin-Position"]))
        return answer

    def get(self, path: str, body: Any = None, **headers: str | None) -> TestResponse:
        return self.call("GET", path, body, **headers)

    def post(self, path: str, body: Any = None, **headers: str | None) -> TestResponse:
        return self.call("POST", path, body, **headers)

    def delete(self, path: str, **headers: str | None) -> TestResponse:
        return self.call("DELETE", path, **headers)

    def register(self, **members: Any) -> dict[str, Any]:
        """A new device, with a token of its own unless told otherwise."""
        udid = members.pop("udid", uuid4().hex)
        answer = self.post(
            "devices/register", {"udid": udid, "platform": "android", "push_token": f"token-{udid}", **members}
        )
        assert answer.status_code == 200, answer.text
        (device,) = answer.json["objects"]
        return dict(device)

    def create(self, **members: Any) -> dict[str, Any]:
        """A new notification, to everybody unless told otherwise."""
        target = {} if TARGETS & members.keys() else {"broadcast": True}
        answer = self.post("notifications", {"alert": "Hello", "delivery_speed": "instant", **target, **members})
        assert answer.status_code == 200, answer.text
        (notification,) = answer.json["objects"]
        return dict(notification)


TARGETS = {
    "broadcast",
    "devices_ids",
    "devices_aliases",
    "segments",
    "target_properties",
    "multiple_devices",
    "multiple_alias",
}


def await_position(services: Services, position: int) -> None:
    """Wait until every read model has passed a position."""
    eventually(lambda: services.waiter.wait_for(position, NAMES, 1.0), f"position {position} is readable")


def new_app(services: Services, name: str) -> UUID:
    """An app without anything."""
    return create_app(services.engine, Context(system("test")), name).result.app_id


def refusal(answer: TestResponse) -> tuple[int, str]:
    """Status and type of an error, whose message must be there too."""
    errors = answer.json["errors"]
    assert errors.keys() == {"type", "message"}
    assert isinstance(errors["message"], str)
    assert errors["message"]
    return answer.status_code, errors["type"]
