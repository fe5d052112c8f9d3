"""A client of IBM MobileFirst Push, as its manual describes one."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

HOST = "example.com:443"
AGENT = "TestUserAgent"


def basic(name: str, secret: str) -> str:
    """The value of an ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


@dataclass
class Client:
    """``application``: the id that stands in the addresses. The access token is asked for once for each scope."""

    app: Flask
    application: str
    client_id: str
    client_secret: str
    app_secret: str = ""
    device_secret: str = ""
    _tokens: dict[str, str] = field(default_factory=dict)

    def token(self, scope: str = "*") -> str:
        """An access token with this scope."""
        if scope not in self._tokens:
            answer = self.ask_token(scope=scope)
            assert answer.status_code == 200, answer.text
            self._tokens[scope] = answer.json["access_token"]
        return self._tokens[scope]

    def ask_token(
        self, name: str | None = None, secret: str | None = None, grant: str = "client_credentials", **form: str
    ) -> TestResponse:
        """The answer of the token endpoint."""
        return self.app.test_client().post(
            "/mfp/api/az/v1/token",
            data={"grant_type": grant, **form},
            headers={"Authorization": basic(name or self.client_id, secret or self.client_secret)},
        )

    def call(self, method: str, path: str, body: Any = None, scope: str | None = "*", **headers: str) -> TestResponse:
        """One request, with a token of this scope, None for no token. ``body`` is JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent = {"Host": HOST, "User-Agent": AGENT}
        if scope is not None:
            sent["Authorization"] = f"Bearer {self.token(scope)}"
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in sent.items() if value is not None}
        address = path if path.startswith("/imfpush") else f"/imfpush/v1/apps/{self.application}{path}"
        return self.app.test_client().open(address, base_url=f"https://{HOST}", method=method, headers=kept, data=data)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("PUT", path, body, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.call("DELETE", path, **options)

    def register(self, device_id: str, **members: Any) -> dict[str, Any]:
        """A device that is registered; what was answered."""
        answer = self.post("/devices", {"deviceId": device_id, "platform": "G", "token": f"t-{device_id}", **members})
        assert answer.status_code == 201, answer.text
        result: dict[str, Any] = answer.json
        return result
