"""Bulk import over a real server: streamed, line by line, cut off and resumed."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from calling import AppendsNothing, Caller
from patience import PATIENCE

from tocsin.commands.imports import BATCH
from tocsin.eventlog.record import Record

NDJSON = {"Content-Type": "application/x-ndjson"}


def line(number: int) -> bytes:
    return b'{"platform": "android", "token": "t%d", "user": "u%d", "tags": ["all"]}\n' % (number, number % 50)


def body(count: int, bad: dict[int, bytes] | None = None) -> bytes:
    """So many lines, numbered from 1, some of them replaced."""
    return b"".join((bad or {}).get(number, line(number)) for number in range(1, count + 1))


def answers(text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    *lines, last = [json.loads(one) for one in text.splitlines()]
    return lines, last


@pytest.fixture
def remote(server: str, campus: Caller) -> Iterator[requests.Session]:
    """A session with the real server."""
    with requests.Session() as session:
        session.headers.update({"Authorization": f"Bearer {campus.token}", **NDJSON})
        yield session


BAD = {
    7: b"{nonsense\n",
    8: b"[]\n",
    9: b'{"platform": "android", "colour": "red"}\n',
    10: b'{"platform": "ios", "token": "zz"}\n',
    11: b"\n",
    12: b'{"platform": "android", "token": "' + b"x" * 70_000 + b'"}\n',
    13: b'{"platform": "android", "token": "t1", "external_id": "other"}\n',
    2500: b'{"user": 7}\n',
}


def test_five_thousand_lines_are_answered_one_by_one_with_the_bad_ones_refused(
    remote: requests.Session, server: str, campus: Caller, record: Record
) -> None:
    answer = remote.post(f"{server}{campus.prefix}/devices/import", data=body(5000, BAD))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    lines, last = answers(answer.text)
    assert [one["line"] for one in lines] == list(range(1, 5001))
    refused = {one["line"]: one for one in lines if one["status"] == "refused"}
    assert refused.keys() == BAD.keys() - {13}
    assert "colour" in refused[9]["detail"]
    assert refused[9]["field"] == "colour"
    assert refused[10]["field"] == "token"
    assert all(one["code"] == "invalid" and one["detail"] for one in refused.values())
    assert last["summary"]["created"] == 5000 - len(refused)
    assert last["summary"]["refused"] == len(refused)
    assert last["summary"]["position"] == record.head().position
    device = lines[99]["device_id"]
    assert campus.get_readable(f"/devices/{device}?min_position={last['summary']['position']}").json["token"] == "t100"


def test_an_import_that_was_cut_off_goes_on_where_it_was(
    remote: requests.Session, server: str, campus: Caller, record: Record
) -> None:
    whole = body(5000, {2500: b"{nonsense\n"})
    address = urlsplit(server)
    for cut, chunked in ((len(whole) // 2, False), (len(whole) * 3 // 4, True)):
        with socket.create_connection((address.hostname, address.port)) as connection:
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(whole)}"
            head = (
                f"POST {campus.prefix}/devices/import HTTP/1.1\r\nHost: x\r\n{framing}\r\n"
                f"Authorization: Bearer {campus.token}\r\nContent-Type: application/x-ndjson\r\n"
                f"Idempotency-Key: {campus.prefix}\r\n\r\n"
            )
            connection.sendall(head.encode())
            connection.sendall(b"%x\r\n" % (cut + 1000) + whole[:cut] if chunked else whole[:cut])
            connection.shutdown(socket.SHUT_WR)
            answered = http.client.HTTPResponse(connection)
            answered.begin()
            lines, last = answers(answered.read().decode())
            assert last["error"]["code"] == "malformed"
            assert last["error"]["lines"] == len(lines) == (2000 if not chunked else 3000)
    lines, last = answers(
        remote.post(
            f"{server}{campus.prefix}/devices/import", data=whole, headers={"Idempotency-Key": campus.prefix}
        ).text
    )
    assert Counter(one["status"] for one in lines) == {"created": 4999, "refused": 1}
    registered = [
        event
        for event in record.codec.decode(record.read(0, 100_000, types=["device.registered"]))
        if str(event.app_id) == campus.prefix.rpartition("/")[2]
    ]
    assert len(registered) == 4999, "what was done before the cut was not done again"
    assert {str(event.originator_id) for event in registered} == {one.get("device_id") for one in lines} - {None}


def test_the_same_import_again_is_answered_the_same_and_appends_nothing(
    campus: Caller, appends_nothing: AppendsNothing
) -> None:
    headers = {**NDJSON, "Idempotency-Key": campus.prefix}
    first = campus.post("/devices/import", body(1500), headers=headers)
    with appends_nothing():
        again = campus.post("/devices/import", body(1500), headers=headers)
    assert answers(again.text)[0] == answers(first.text)[0]


def test_another_import_under_the_key_is_refused(campus: Caller, appends_nothing: AppendsNothing) -> None:
    headers = {**NDJSON, "Idempotency-Key": campus.prefix}
    campus.post("/devices/import", body(1500), headers=headers)
    with appends_nothing():
        other = campus.post("/devices/import", body(1500, {1: line(9999)}), headers=headers)
        assert (other.status_code, other.json["code"]) == (422, "idempotency-key-reused")
        lines, last = answers(campus.post("/devices/import", body(1500, {1001: line(9)}), headers=headers).text)
        assert (len(lines), last["error"]["code"], last["error"]["lines"]) == (1000, "idempotency-key-reused", 1000)


def test_answers_come_while_the_client_still_sends(server: str, campus: Caller) -> None:
    address = urlsplit(server)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
    connection.putrequest("POST", f"{campus.prefix}/devices/import")
    for name, value in {**NDJSON, "Authorization": f"Bearer {campus.token}", "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    first = body(5000)
    connection.send(b"%x\r\n%b\r\n" % (len(first), first))
    answer = connection.response_class(connection.sock, method="POST")
    answer.begin()
    assert json.loads(answer.readline())["line"] == 1
    connection.send(b"0\r\n\r\n")
    *_, last = answer.read().splitlines()
    assert json.loads(last)["summary"]["lines"] == 5000
    connection.close()


def test_a_client_that_sends_everything_before_it_reads_is_not_stuck(server: str, campus: Caller) -> None:
    # Lines and answers are each more than the buffers between the two hold; the client's own are kept small.
    lines = b'{"platform": "!", "alias": "%s"}\n' % (b"x" * 300) * 60_000
    address = urlsplit(server)
    with socket.socket() as client:
        client.settimeout(120)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((address.hostname, address.port))
        head = (
            f"POST {campus.prefix}/devices/import HTTP/1.1\r\nHost: x\r\nContent-Length: {len(lines)}\r\n"
            f"Authorization: Bearer {campus.token}\r\nContent-Type: application/x-ndjson\r\n\r\n"
        )
        client.sendall(head.encode() + lines)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        *_, last = answer.read().splitlines()
    assert json.loads(last)["summary"]["refused"] == 60_000


@pytest.fixture
def room_for_few(database_url: str, record: Record) -> Iterator[None]:
    """Meanwhile the record takes the events of one batch and no more."""
    brim = record.head().position + 3 * BATCH  # two to a line
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f"alter table record.events add constraint brim check (position < {brim}) not valid".encode())
        yield
        owner.execute("alter table record.events drop constraint brim")


def test_lines_that_the_database_refuses_are_no_outage_of_it(campus: Caller, room_for_few: None) -> None:
    answer = campus.post("/devices/import", body(2 * BATCH), headers=NDJSON)
    lines, last = answers(answer.text)
    assert {one["status"] for one in lines} == {"created"}
    assert len(lines) == BATCH
    assert (last["error"]["code"], last["error"]["lines"]) == ("internal", BATCH)


def test_an_import_of_nothing_or_into_nothing_is_refused(
    campus: Caller, admin: Caller, appends_nothing: AppendsNothing
) -> None:
    campus.post("/disable")
    with appends_nothing():
        assert campus.post("/devices/import", b"", headers=NDJSON).status_code == 422
        assert campus.post("/devices/import", line(1), headers=NDJSON).status_code == 409
        nowhere = admin.of_app("0f8fad5b-d9cb-469f-a165-70867728950e")
        assert nowhere.post("/devices/import", line(1), headers=NDJSON).status_code == 404


def test_lines_about_one_device_take_effect_in_their_order_whatever_batch_they_are_in(campus: Caller) -> None:
    # What a line says is what was so before the line of another batch that is being carried out beside it.
    users = [b"ada", b"bob"] * 5 + [b"ada"]
    lines = b"".join(
        b'{"platform": "android", "token": "t%d", "external_id": "e%d", "user": "%s"}\n' % (number, number, user)
        for user in users
        for number in range(BATCH)
    )
    told, _ = answers(campus.post("/devices/import", lines, headers=NDJSON).text)
    assert [one["status"] for one in told] == ["created"] * BATCH + ["updated"] * BATCH * (len(users) - 1)
    assert [one["device_id"] for one in told] == [one["device_id"] for one in told[:BATCH]] * len(users)
    assert len(campus.get("/devices?user=ada&limit=1000").json["items"]) == BATCH
    history = campus.get(f"/devices/{told[0]['device_id']}/history").json["items"]
    assert [one["data"]["user"] for one in history] == [user.decode() for user in users]


def test_two_imports_of_the_same_devices_at_once_leave_each_device_once(
    server: str, campus: Caller, record: Record
) -> None:
    def send(results: list[str]) -> None:
        headers = {**NDJSON, "Authorization": f"Bearer {campus.token}"}
        results.append(requests.post(f"{server}{campus.prefix}/devices/import", data=body(2000), headers=headers).text)

    results: list[str] = []
    threads = [threading.Thread(target=send, args=(results,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [{one["line"]: one["device_id"] for one in answers(text)[0]} for text in results]
    assert ids[0] == ids[1]
    statuses = Counter(one["status"] for text in results for one in answers(text)[0])
    assert statuses == {"created": 2000, "unchanged": 2000}
