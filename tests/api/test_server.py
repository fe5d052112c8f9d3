"""The server itself: several processes, one port, a clean stop."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from calling import Caller, token
from patience import PATIENCE, eventually
from ports import free_port
from serving import await_answer, serving, start


def bearer(caller: Caller) -> dict[str, str]:
    return {"Authorization": f"Bearer {caller.token}"}


def test_all_processes_answer_and_are_counted_together(server: str, campus: Caller) -> None:
    def register(number: int) -> int:
        body = {"platform": "ios", "token": token(number)}
        return requests.post(f"{server}{campus.prefix}/devices", json=body, headers=bearer(campus)).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(register, range(60))) == {201}
    counted = requests.get(f"{server}/metrics").text
    route = 'method="POST",route="/v1/apps/<uuid:app_id>/devices",status="201"'
    assert f"tocsin_http_requests_total{{{route}}} 60.0" in counted


def test_what_one_process_wrote_is_read_through_any(server: str, campus: Caller) -> None:
    for number in range(100, 130):
        body = {"platform": "ios", "token": token(number)}
        written = requests.post(f"{server}{campus.prefix}/devices", json=body, headers=bearer(campus))
        assert written.status_code == 201
        address = f"{server}{written.headers['Location']}"
        if "Tocsin-Lag" in written.headers:
            address += f"?min_position={written.headers['Tocsin-Position']}"
        assert requests.get(address, headers=bearer(campus)).status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /push/message/x HTTP/1.1\r\nUser-Agent: a\x01secret", 400),
        ("GET /secret HTTP/x", 400),
        ("no HTTP at all secret", 400),
        ("GET /push/enable/ios/" + "secret" * 2000 + " HTTP/1.1\r\nHost: x", 414),
        ("GET / HTTP/1.1\r\nX-Long: " + "secret" * 20000, 431),
        ("POST /push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: secret", 501),
    ],
)
def test_what_is_no_http_is_refused_in_json_too_and_not_repeated(server: str, head: str, status: int) -> None:
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        connection.sendall(f"{head}\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read()

    assert (response.status, json.loads(body)["status"]) == (status, status)
    assert (json.loads(body)["code"], json.loads(body)["type"]) == ("malformed", "about:blank")
    assert json.loads(body)["detail"]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert b"secret" not in body


IMPATIENT = ("-c", "from tocsin.api import server; server.STALLED_SECONDS = 1; from tocsin.cli import main; main()")


@pytest.mark.parametrize("asked", ["GET /healthz HTTP/1.1\r\nHo", "POST {devices} HTTP/1.1\r\n{bearer}\r\n\r\n{{"])
def test_clients_that_stall_in_the_middle_of_a_request_are_let_go(
    database_url: str, key_file: Path, campus: Caller, tmp_path: Path, asked: str
) -> None:
    described = (
        "Content-Type: application/json\r\nContent-Length: 1000\r\nAuthorization: " + bearer(campus)["Authorization"]
    )
    begun = asked.format(devices=f"{campus.prefix}/devices", bearer=described).encode()
    file = tmp_path / "log"
    with (
        file.open("w") as log,
        serving(database_url, key_file, log, workers=1, command=IMPATIENT) as url,
        ExitStack() as stack,
    ):
        address = urlsplit(url)
        for _ in range(40):
            stalled = stack.enter_context(socket.create_connection((address.hostname, address.port)))
            stalled.sendall(begun)
        assert requests.get(f"{url}/healthz", timeout=PATIENCE).status_code == 200
    assert not [line for line in map(json.loads, file.read_text().splitlines()) if line["level"] == "ERROR"]


def workers_of(log: Path) -> list[int]:
    """The processes that gunicorn says it started, oldest first."""
    return [int(found) for found in re.findall(r"Booting worker with pid: (\d+)", log.read_text())]


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_is_killed_is_replaced(
    database_url: str, key_file: Path, campus: Caller, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    with file.open("w") as log, serving(database_url, key_file, log, workers=1) as url:
        (worker,) = workers_of(file)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(workers_of(file)) == 2, lambda: f"another one is there: {file.read_text()}")
        assert requests.get(f"{url}{campus.prefix}", headers=bearer(campus)).status_code == 200


def test_a_server_told_to_stop_finishes_what_it_is_answering_and_leaves_nothing(
    database_url: str, key_file: Path, campus: Caller, tmp_path: Path
) -> None:
    file, port = tmp_path / "log", free_port()
    url = f"http://127.0.0.1:{port}"
    with file.open("w") as log:
        process = start(database_url, key_file, log, port, 1, TMPDIR=str(tmp_path))
        await_answer(f"{url}/healthz", process)
        assert list(tmp_path.glob("tocsin-api-metrics-*"))
        end = requests.get(f"{url}{campus.prefix}/events?limit=1000", headers=bearer(campus)).json()["next"]
        waiting = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        waiting.request("GET", f"{campus.prefix}/events?wait=3&cursor={end}", headers=bearer(campus))
        # Connections are taken in their order: whoever is answered after the one that waits says that it was taken.
        assert requests.get(f"{url}/healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert json.load(waiting.getresponse())["items"] == []
        assert process.wait(timeout=PATIENCE) == 0
    assert not any(map(is_running, workers_of(file)))
    assert not list(tmp_path.glob("tocsin-api-metrics-*"))
    with (tmp_path / "other").open("w") as log, serving(database_url, key_file, log, port=port) as again:
        assert requests.get(f"{again}/healthz").status_code == 200, "the port is free at once"


def test_what_a_killed_server_has_left_goes_with_the_next_start_and_what_a_living_one_uses_stays(
    database_url: str, key_file: Path, tmp_path: Path
) -> None:
    def directories() -> set[Path]:
        return set(tmp_path.glob("tocsin-api-metrics-*"))

    ports = free_port(), free_port(), free_port()
    with (tmp_path / "log").open("w") as log, ExitStack() as servers:

        def begin(port: int) -> subprocess.Popen[bytes]:
            process = start(database_url, key_file, log, port, 1, TMPDIR=str(tmp_path))
            servers.callback(process.wait, PATIENCE)
            servers.callback(process.terminate)
            await_answer(f"http://127.0.0.1:{port}/healthz", process)
            return process

        begin(ports[0])
        (used,) = directories()
        killed = begin(ports[1])
        left = directories() - {used}
        workers = workers_of(tmp_path / "log")
        killed.kill()
        killed.wait(PATIENCE)
        eventually(lambda: not is_running(workers[1]), "what it started has ended")
        begin(ports[2])
        assert used in directories()
        assert len(directories()) == 2
        assert not left & directories()
    assert directories() == set()


def test_a_server_whose_port_is_taken_says_so_and_ends(database_url: str, key_file: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (tmp_path / "log").open("w") as log:
            process = start(database_url, key_file, log, taken.getsockname()[1], 1)
            assert process.wait(timeout=PATIENCE) != 0
    assert "in use" in (tmp_path / "log").read_text()


def test_the_servers_log_is_lines_of_json_without_paths_or_tokens(
    database_url: str, key_file: Path, campus: Caller, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as log, serving(database_url, key_file, log, workers=1) as url:
        requests.get(f"{url}{campus.prefix}/devices?user=lovelace", headers=bearer(campus))
        requests.get(f"{url}{campus.prefix}/devices", headers={"Authorization": f"{bearer(campus)['Authorization']}x"})
    text = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    messages = [line["message"] for line in lines if line["logger"] == "tocsin.api.app"]
    assert "GET /v1/apps/<uuid:app_id>/devices 200" in messages
    assert "GET /v1/apps/<uuid:app_id>/devices 401" in messages
    assert all(line["role"] == "api" for line in lines)
    assert campus.token is not None
    for secret in ("lovelace", campus.token, campus.token.rpartition("_")[2], campus.prefix.rpartition("/")[2]):
        assert secret not in text
