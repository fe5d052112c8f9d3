"""A client of the BaasBox API, as its manual describes one."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse


@dataclass(frozen=True)
class Client:
    """``user``: name and password for Basic; ``session``: instead of both."""

    app: Flask
    appcode: str | None
    user: tuple[str, str] | None = None
    session: str | None = None

    def call(self, method: str, path: str, body: Any = None, **headers: str | None) -> TestResponse:
        """One request; ``body`` is JSON, or bytes as they are. ``headers`` win, None leaves one out."""
        sent: dict[str, str | None] = {"X-BAASBOX-APPCODE": self.appcode, "X-BB-SESSION": self.session}
        if self.user is not None:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(self.user).encode()).decode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kept = {name: value for name, value in sent.items() if value is not None}
        return self.app.test_client().open(path, method=method, headers=kept, data=data)

    def post(self, path: str, body: Any = None, **headers: str | None) -> TestResponse:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str | None) -> TestResponse:
        return self.call("PUT", path, body, **headers)

    def get(self, path: str, **headers: str | None) -> TestResponse:
        return self.call("GET", path, **headers)

    def signed_up(self, name: str) -> Client:
        """A new user with a session."""
        answer = self.post("/user", {"username": name, "password": "secret " + name})
        assert answer.status_code == 201, answer.text
        return replace(self, appcode=None, session=answer.json["data"]["X-BB-SESSION"])
