"""The demo's way to the API and to the sandbox: HTTP, and nothing else."""

from __future__ import annotations

import json
import time
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

PATIENCE = 60.0
"""Seconds a send of a handful of devices may take, retries included."""


class Failed(Exception):
    """Something did not go as it must. The message says what."""


class Behind(Failed):
    """What was asked for cannot be read yet."""


def read_environment(file: Path) -> dict[str, str]:
    """The ``KEY=VALUE`` lines of a file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.partition("=")[::2] for line in lines if line)


class Client:
    """Calls the native API as the instance's admin, and looks at the sandbox."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._api = environment["TOCSIN_URL"] + "/v1"
        self._token = environment["TOCSIN_ADMIN_TOKEN"]
        self._sandbox = environment["SANDBOX_URL"]
        self.environment = environment
        self._position = 0

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API, its JSON answer. Raises Failed with what the API said.

        What was written before is read, however far the read models of a slow machine are behind.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                content, told = _call(method, self._api + self._later(method, path), body, headers)
            except Behind:
                if method != "GET" or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                self._position = max(self._position, int(told.get("Tocsin-Position", 0)))
                return content

    def _later(self, method: str, path: str) -> str:
        """The path of a read that is answered once it shows what is known to be recorded."""
        if method != "GET" or not self._position:
            return path
        return f"{path}{'&' if '?' in path else '?'}min_position={self._position}"

    def items(self, path: str) -> list[dict[str, Any]]:
        """All of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            separator = "&" if "?" in path else "?"
            page = self.call("GET", f"{path}{separator}limit=100{cursor}")
            found += page["items"]
            if not page.get("next") or not page["items"]:
                return found
            cursor = f"&cursor={page['next']}"

    def completed(self, path: str) -> dict[str, Any]:
        """A send, once it is completed. Raises Failed after a minute."""
        deadline = time.monotonic() + PATIENCE
        while True:
            send: dict[str, Any] = self.call("GET", path)
            if send["status"] == "completed":
                # Its deliveries are in a read model of their own.
                self._position = max(self._position, send["position"])
                return send
            if time.monotonic() > deadline:
                raise Failed(f"a send is still {send['status']} after {PATIENCE:.0f} seconds")
            time.sleep(0.1)

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the sandbox's control port."""
        return _call(method, self._sandbox + path, body, {"Content-Type": "application/json"})[0]

    def pushes(self) -> int:
        """How many push requests the stand-in providers have had."""
        return int(self.sandbox("GET", "/stats")["total"])


def _call(method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[Any, Message]:
    """The JSON of an answer, and its headers. Raises Failed, Behind."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, headers, method=method)  # noqa: S310 - our own addresses
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            content, told = answer.read(), answer.headers
    except HTTPError as error:
        failure = Behind if error.code == HTTPStatus.SERVICE_UNAVAILABLE else Failed
        raise failure(f"{method} {url} answered {error.code}: {error.read().decode(errors='replace')}") from error
    except URLError as error:
        raise Failed(f"{method} {url} was not answered: {error.reason}") from error
    return (json.loads(content) if content else None), told
