"""A client of the Moxie API that signs as its manual says, written apart from what it tests."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

DATE = "Fri, 10 Jan 2014 11:49:55 GMT"
NONCE = "12642"
HOST = "api.m.ox.ac.uk"


def sign(secret: str, method: str, url: str, date: str = DATE, nonce: str = NONCE) -> str:
    """The signature of a request."""
    message = f"{method.upper()}\n{url}\ndate:{date}\nx-hmac-nonce:{nonce}"
    return hmac.new(secret.encode(), message.encode(), hashlib.sha1).hexdigest()


@dataclass(frozen=True)
class Client:
    """``key`` and ``secret`` as they were provisioned."""

    app: Flask
    key: str
    secret: str

    def call(self, method: str, path: str, body: Any = None, signed: bool = True, **headers: str) -> TestResponse:
        """One request; ``body`` is JSON, or bytes as they are. ``headers`` win, None leaves one out."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        url = f"http://{HOST}{path}"
        sent = {"Host": HOST}
        if signed:
            sent |= {
                "X-Moxie-Key": self.key,
                "X-HMAC-Nonce": NONCE,
                "Date": DATE,
                "Authorization": sign(self.secret, method, url),
            }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        kept = {name: value for name, value in sent.items() if value is not None}
        return self.app.test_client().open(path, base_url=f"http://{HOST}", method=method, headers=kept, data=data)

    def post(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, body, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.call("DELETE", path, **options)

    def get(self, path: str, **headers: str) -> TestResponse:
        """Reads carry no signature."""
        return self.call("GET", path, signed=False, **headers)

    def create(self, **members: Any) -> str:
        """A new notification's ident."""
        answer = self.post("/notifications", {"message": "Bomb threat at X", **members})
        assert answer.status_code == 201, answer.text
        return str(answer.json["ident"])
