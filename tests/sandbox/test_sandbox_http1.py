"""HTTP/1.1, on the control port and on the push ports: whole requests, broken ones, and faults without streams."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from sandbox_clients import apns, send

from tocsin.sandbox.http1 import Chunks, Malformed, parse_head
from tocsin.sandbox.server import SandboxHandle

PATHS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"), max_size=40)
FAULT = b'{"provider": "apns", "status": 503}'


def talk(handle: SandboxHandle, *parts: bytes) -> bytes:
    """Send these bytes to the control port, and read until it hangs up."""
    address = urlsplit(handle.control_url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), PATIENCE) as connection:
        for part in parts:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@given(st.lists(st.binary(min_size=1, max_size=50)), st.lists(st.integers(1, 20), min_size=1))
def test_a_chunked_body_is_the_same_however_it_arrives(chunks: list[bytes], steps: list[int]) -> None:
    wire = b"".join(b"%x;note=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nTrailer: x\r\n\r\nNEXT"
    reader, buffer, done, sent = Chunks(), bytearray(), False, 0
    while not done:
        step = steps[sent % len(steps)]
        buffer += wire[sent : sent + step]
        sent += step
        done = reader.take(buffer)
    assert bytes(reader.body) == b"".join(chunks)
    assert bytes(buffer) + wire[sent:] == b"NEXT"


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"), max_size=40),
    st.text("ab=&", max_size=9),
)
def test_a_target_is_a_path_and_a_query(path: str, query: str) -> None:
    request = parse_head(f"GET /{path}?{query} HTTP/1.1\r\nHost: x".encode()).request
    assert (request.method, request.path, request.query) == ("GET", f"/{path}", query)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET", 400),
        ("GET / extra HTTP/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/1.1\r\nno colon", 400),
        ("GET / HTTP/1.1\r\n folded: x", 400),
        ("GET / HTTP/1.1\r\nspace : x", 400),
        ("GET / HTTP/1.1\r\nContent-Length: -1", 400),
        ("GET / HTTP/1.1\r\nContent-Length: ten", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 1048577", 413),
    ],
)
def test_a_head_that_cannot_be_read_has_a_status(head: str, status: int) -> None:
    with pytest.raises(Malformed) as refused:
        parse_head(head.encode())
    assert refused.value.status == status


def test_a_broken_request_is_answered_and_the_connection_closed(sandbox: SandboxHandle) -> None:
    answer = talk(sandbox, b"NONSENSE\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"connection: close" in answer


def test_a_head_without_end_is_refused(sandbox: SandboxHandle) -> None:
    answer = talk(sandbox, b"GET / HTTP/1.1\r\nx: " + b"x" * 66_000)
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("size", [b"xyz", b"-5", b"fffffff"])
def test_a_broken_chunk_size_is_refused(sandbox: SandboxHandle, size: bytes) -> None:
    answer = talk(sandbox, b"POST /faults HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))


def test_requests_sent_together_are_answered_in_order(sandbox: SandboxHandle) -> None:
    one = b"GET /faults HTTP/1.1\r\n\r\n"
    two = b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = talk(sandbox, one + two)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.index(b"HTTP/1.1 200") < answer.index(b"HTTP/1.1 404")


def test_a_request_in_pieces_is_one_request(sandbox: SandboxHandle) -> None:
    head = b"POST /faults HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(FAULT)
    whole = head + FAULT
    assert talk(sandbox, *(whole[at : at + 9] for at in range(0, len(whole), 9))).startswith(b"HTTP/1.1 201 ")
    assert [fault["status"] for fault in sandbox.faults()] == [503]


def test_a_client_that_waits_for_leave_to_send_gets_it(sandbox: SandboxHandle) -> None:
    head = b"POST /faults HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(FAULT)
    assert talk(sandbox, head, FAULT).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


def test_a_chunked_request_is_read(sandbox: SandboxHandle) -> None:
    head = b"POST /faults HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    body = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (5, FAULT[:5], len(FAULT) - 5, FAULT[5:])
    assert talk(sandbox, head, body).startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("action", ["reset", "close"])
def test_a_reset_cuts_the_connection(sandbox: SandboxHandle, action: str) -> None:
    sandbox.fault(provider="apns", action=action)
    answer = send(sandbox, apns(sandbox, http1=True))
    assert (answer.status, answer.error) in [(0, pycurl.E_GOT_NOTHING), (0, pycurl.E_RECV_ERROR)]


def test_going_away_closes_the_connection_after_the_answer(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, apns(sandbox, "0998" + "a" * 60, http1=True))
    assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_a_hanging_request_is_never_answered(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, apns(sandbox, "0997" + "a" * 60, http1=True, timeout_ms=200))
    assert (answer.status, answer.error) == (0, pycurl.E_OPERATION_TIMEDOUT)


def test_a_late_answer_is_still_an_answer(sandbox: SandboxHandle) -> None:
    sandbox.set(latency_ms=30)
    answer = send(sandbox, apns(sandbox, "0400" + "a" * 60, http1=True))
    assert (answer.status, answer.json()) == (400, {"reason": "BadDeviceToken"})


def test_a_client_certificate_counts_over_http_1_1_too(sandbox_with: Callable[..., SandboxHandle]) -> None:
    handle = sandbox_with()
    apple = handle.providers["apns"]
    certificate = (apple["certificate_path"], apple["certificate_password"])
    exchange = apns(handle, headers={"authorization": None}, certificate=certificate, http1=True)
    assert send(handle, exchange).status == 200
    assert json.dumps(handle.received()).count("com.example.app") >= 1
