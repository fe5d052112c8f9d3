"""A caller of the API with a token, and what tests ask of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from flask import Flask
from patience import eventually
from werkzeug.test import TestResponse

AppendsNothing = Callable[[], AbstractContextManager[None]]
"""Makes a block during which the record must not gain an event."""


@dataclass(frozen=True)
class Caller:
    """Calls an app with a bearer token. ``prefix`` goes before addresses that do not begin with /v1."""

    app: Flask
    token: str | None
    prefix: str = ""

    def of_app(self, app_id: UUID | str) -> Caller:
        """The same caller, speaking of one app."""
        return replace(self, prefix=f"/v1/apps/{app_id}")

    def with_token(self, token: str | None) -> Caller:
        """Another caller in the same place."""
        return replace(self, token=token)

    def call(self, method: str, address: str, body: Any = None, **options: Any) -> TestResponse:
        """One request; ``body`` is JSON, or bytes as they are."""
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        url = address if address.startswith("/v1") else self.prefix + address
        return self.app.test_client().open(url, method=method, headers=headers, **options)

    def get(self, address: str, **options: Any) -> TestResponse:
        return self.call("GET", address, **options)

    def get_readable(self, address: str) -> TestResponse:
        """A GET of what may lag (503), asked again until it does not."""

        def answered() -> TestResponse | None:
            answer = self.get(address)
            return None if answer.status_code == 503 else answer

        return cast(TestResponse, eventually(answered, f"{address} is readable"))

    def post(self, address: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", address, body, **options)

    def put(self, address: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("PUT", address, body, **options)

    def patch(self, address: str, body: Any = None, **options: Any) -> TestResponse:
        return self.call("PATCH", address, body, **options)

    def delete(self, address: str, **options: Any) -> TestResponse:
        return self.call("DELETE", address, **options)


def token(number: int) -> str:
    """A push token in Apple's form."""
    return f"{number:064x}"
