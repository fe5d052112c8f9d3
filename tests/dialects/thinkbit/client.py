"""A client of ThinkBIT's API."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse


def basic(email: str, password: str) -> str:
    """An ``Authorization`` header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{email}:{password}".encode()).decode()


@dataclass(frozen=True)
class Client:
    """One user, signed in."""

    app: Flask
    user_id: int
    email: str
    password: str

    @property
    def path(self) -> str:
        return f"/api/users/{self.user_id}/fcm_registration_tokens"

    @property
    def authorization(self) -> str:
        return basic(self.email, self.password)

    def call(self, method: str, body: Any = None, path: str | None = None, **headers: str | None) -> TestResponse:
        """One request; ``body`` is JSON, or bytes as they are. ``headers`` win, None leaves one out."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent: dict[str, str | None] = {"Authorization": self.authorization, "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in sent.items() if value is not None}
        return self.app.test_client().open(path or self.path, method=method, headers=kept, data=data)

    def add(self, registration_id: Any, **headers: str | None) -> TestResponse:
        return self.call("POST", {"registration_id": registration_id}, **headers)

    def remove(self, registration_id: Any, **headers: str | None) -> TestResponse:
        return self.call("DELETE", {"registration_id": registration_id}, **headers)
