"""The demo reads what it wrote, on a machine whose read models are behind as on any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tocsin.demo.client import Client, Failed

POSITION = 7


class Lagging(BaseHTTPRequestHandler):
    """Takes what is written, and cannot show it at first."""

    asked: list[str]

    def do_POST(self) -> None:
        self._answer(201, {"Tocsin-Position": str(POSITION), "Tocsin-Lag": "not readable yet"})

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self._answer(200 if len(self.asked) > 2 else 503, {})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        body = json.dumps({"status": "completed", "position": 9}).encode()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def asked() -> list[str]:
    """What was read so far."""
    return []


@pytest.fixture
def client(asked: list[str]) -> Iterator[Client]:
    handler = type("Handler", (Lagging,), {"asked": asked})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield Client({"TOCSIN_URL": url, "TOCSIN_ADMIN_TOKEN": "t", "SANDBOX_URL": url})
        server.shutdown()
        thread.join()


def test_what_was_written_is_asked_for_until_it_can_be_read(client: Client, asked: list[str]) -> None:
    client.call("POST", "/sends", {})
    assert client.call("GET", "/sends/x?limit=1")["status"] == "completed"
    assert asked == [f"/v1/sends/x?limit=1&min_position={POSITION}"] * 3


def test_what_is_read_of_a_send_that_has_ended_is_as_late_as_its_end(client: Client, asked: list[str]) -> None:
    client.completed("/sends/x")
    client.call("GET", "/deliveries")
    assert asked == ["/v1/sends/x"] * 3 + ["/v1/deliveries?min_position=9"]


def test_other_refusals_are_told_at_once(client: Client, asked: list[str]) -> None:
    with pytest.raises(Failed, match="answered 501"):
        client.call("PUT", "/sends/x", {})
    assert asked == []
