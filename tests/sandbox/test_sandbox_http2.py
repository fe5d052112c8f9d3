"""HTTP/2 on the push ports: many streams on a connection, and what becomes of them when something breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, PingAckReceived, RemoteSettingsChanged, ResponseReceived, StreamReset
from h2.settings import SettingCodes
from raw_http2 import RawHttp2
from sandbox_clients import TOKEN, Exchange, apns, fcm, fcm_access_token, provider_token, send, send_together

from tocsin.sandbox.server import Sandbox, SandboxHandle

StartSandbox = Callable[..., SandboxHandle]


def pushes(handle: SandboxHandle, count: int) -> list[Exchange]:
    """Good pushes to as many devices."""
    token = provider_token(handle)
    return [apns(handle, f"a{number:063x}", headers={"authorization": f"bearer {token}"}) for number in range(count)]


@pytest.mark.parametrize(("http1", "version"), [(False, 3), (True, 2)])
def test_a_client_gets_the_protocol_it_asks_for(sandbox: SandboxHandle, http1: bool, version: int) -> None:
    answer = send(sandbox, apns(sandbox, http1=http1))
    assert (answer.status, answer.http_version) == (200, version)


def test_a_thousand_requests_at_once_are_answered_on_one_connection(sandbox: SandboxHandle) -> None:
    answers = send_together(sandbox, pushes(sandbox, 1000))
    assert [answer.status for answer in answers] == [200] * 1000
    assert sum(answer.connections for answer in answers) == 1
    stats = sandbox.stats()
    assert (stats["total"], stats["distinct_tokens"], stats["delivered"]) == (1000, 1000, 1000)


def test_a_stream_that_hangs_holds_up_no_other(sandbox: SandboxHandle) -> None:
    with RawHttp2(sandbox) as client:
        hanging = client.request(apns(sandbox, "0997" + "a" * 60))
        others = [client.request(exchange) for exchange in pushes(sandbox, 20)]
        assert [client.status(stream) for stream in others] == [200] * 20
        assert not [event for event in client.events if getattr(event, "stream_id", None) == hanging]
    assert sandbox.stats()["by_answer"] == {"apns": {"200": 20, "hang": 1}}


def test_a_reset_stream_leaves_the_connection_to_the_others(sandbox: SandboxHandle) -> None:
    with RawHttp2(sandbox) as client:
        broken, good = client.request(apns(sandbox, "0999" + "a" * 60)), client.request(apns(sandbox))
        assert client.next(StreamReset, broken).error_code == ErrorCodes.INTERNAL_ERROR
        assert client.status(good) == 200
    assert sandbox.stats()["by_answer"] == {"apns": {"200": 1, "reset": 1}}


def test_a_stream_can_be_refused_so_that_a_client_sends_again(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", action="reset", error_code=ErrorCodes.REFUSED_STREAM, times=1)
    assert send(sandbox, apns(sandbox)).status == 200
    assert sandbox.stats()["by_answer"] == {"apns": {"200": 1, "reset": 1}}


def test_goaway_names_the_last_stream_and_the_reason_and_the_connection_closes(sandbox: SandboxHandle) -> None:
    with RawHttp2(sandbox) as client:
        stream = client.request(apns(sandbox, "0998" + "a" * 60))
        assert client.status(stream) == 200
        goaway = client.next(ConnectionTerminated)
        assert (goaway.error_code, goaway.last_stream_id) == (ErrorCodes.NO_ERROR, stream)
        assert json.loads(goaway.additional_data or b"") == {"reason": "Shutdown"}
        client.until(lambda: False)
        assert client.closed


def test_streams_that_are_open_at_a_goaway_are_still_answered(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", token="a", delay_ms=150)
    answers = send_together(sandbox, [*pushes(sandbox, 50), apns(sandbox, "0998" + "a" * 60)])
    assert [answer.status for answer in answers] == [200] * 51
    assert sum(answer.connections for answer in answers) == 1
    assert sandbox.stats()["total"] == 51


def test_a_cut_connection_takes_its_other_streams_with_it(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", token="a", action="hang")
    sandbox.fault(provider="apns", token="b", action="close")
    with RawHttp2(sandbox) as client:
        client.request(apns(sandbox))
        client.request(apns(sandbox, "b" * 64))
        client.until(lambda: False)
        assert client.closed
        assert not [event for event in client.events if isinstance(event, ResponseReceived)]
    assert sandbox.stats()["by_answer"] == {"apns": {"hang": 1, "close": 1}}


def test_a_ping_is_answered(sandbox: SandboxHandle) -> None:
    with RawHttp2(sandbox) as client:
        client.h2.ping(b"tocsin!!")
        assert client.next(PingAckReceived).ping_data == b"tocsin!!"


def test_a_body_waits_for_the_clients_window(sandbox: SandboxHandle, google_token: str) -> None:
    with RawHttp2(sandbox, window=7) as client:
        stream = client.request(fcm(sandbox, google_token, {"token": "phone"}))
        assert client.status(stream) == 200
        assert json.loads(client.body(stream))["name"] == sandbox.received()[0]["message_id"]


def test_a_body_over_a_mebibyte_is_refused(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, apns(sandbox, body="x" * (1024 * 1024 + 1)))
    assert answer.status == 413
    assert sandbox.stats()["total"] == 0


def test_a_stream_over_the_limit_is_refused_although_the_client_could_not_know(sandbox_with: StartSandbox) -> None:
    handle = sandbox_with(max_streams=3)
    with RawHttp2(handle) as client:
        *_, fourth = [client.request(apns(handle), end=False) for _ in range(4)]
        reset = client.next(StreamReset)
        assert (reset.stream_id, reset.error_code) == (fourth, ErrorCodes.REFUSED_STREAM)
        limit = client.next(RemoteSettingsChanged).changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS]
        assert limit.new_value == 3


def test_a_client_with_more_requests_than_streams_gets_them_all_answered(sandbox_with: StartSandbox) -> None:
    handle = sandbox_with(max_streams=10)
    assert [answer.status for answer in send_together(handle, pushes(handle, 100))] == [200] * 100


def test_one_stream_is_allowed_until_a_provider_token_was_good(sandbox_with: StartSandbox) -> None:
    handle = sandbox_with(one_stream_until_authenticated=True)
    with RawHttp2(handle) as client:
        settings = client.next(RemoteSettingsChanged).changed_settings
        assert settings[SettingCodes.MAX_CONCURRENT_STREAMS].new_value == 1
        bad = apns(handle, headers={"authorization": "bearer x.y.z"})
        assert client.status(client.request(bad)) == 403
        assert client.h2.remote_settings.max_concurrent_streams == 1
        assert client.status(client.request(apns(handle))) == 200
        client.until(lambda: client.h2.remote_settings.max_concurrent_streams == 1000)


def test_a_client_that_starts_with_many_streams_gets_them_all_answered(sandbox_with: StartSandbox) -> None:
    handle = sandbox_with(one_stream_until_authenticated=True)
    assert [answer.status for answer in send_together(handle, pushes(handle, 50))] == [200] * 50
    assert handle.stats()["total"] == 50


def test_a_second_provider_token_may_not_follow_at_once(sandbox_with: StartSandbox) -> None:
    handle = sandbox_with(provider_token_interval_seconds=1200)
    first, second = provider_token(handle), provider_token(handle, age=30)
    answers = [send(handle, apns(handle, headers={"authorization": f"bearer {token}"})) for token in (first, second)]
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].reason() == "TooManyProviderTokenUpdates"
    assert send(handle, apns(handle, headers={"authorization": f"bearer {first}"})).status == 200


def test_an_idle_connection_is_sent_away(sandbox_with: StartSandbox) -> None:
    with RawHttp2(sandbox_with(idle_seconds=0.1)) as client:
        goaway = client.next(ConnectionTerminated)
        assert json.loads(goaway.additional_data or b"") == {"reason": "IdleTimeout"}


def test_a_sandbox_that_stops_sends_its_clients_away(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox as handle:
        client = RawHttp2(handle)
        client.next(RemoteSettingsChanged)
    with client:
        goaway = client.next(ConnectionTerminated)
        assert json.loads(goaway.additional_data or b"") == {"reason": "Shutdown"}


def test_a_client_that_leaves_in_the_middle_harms_no_other(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", token="a", delay_ms=100)
    with RawHttp2(sandbox) as client:
        client.request(apns(sandbox))
        client.request(apns(sandbox), end=False)
        client.next(RemoteSettingsChanged)
    assert send(sandbox, apns(sandbox, "b" * 64)).status == 200
    assert send(sandbox, apns(sandbox)).status == 200


@pytest.mark.parametrize("delay_ms", [0, 50])
def test_a_client_that_resets_its_stream_gets_no_answer_on_it(sandbox: SandboxHandle, delay_ms: int) -> None:
    sandbox.fault(provider="apns", token=TOKEN, delay_ms=delay_ms)
    with RawHttp2(sandbox) as client:
        given_up = client.request(apns(sandbox))
        client.h2.reset_stream(given_up)
        other = client.request(apns(sandbox, "b" * 64))
        assert client.status(other) == 200
        assert not client.body(given_up)
    assert sandbox.stats()["delivered"] == 2


def test_a_client_that_breaks_the_protocol_is_sent_away(sandbox: SandboxHandle) -> None:
    with RawHttp2(sandbox) as client:
        client.next(RemoteSettingsChanged)
        client.socket.sendall(b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x")  # DATA on stream 0
        assert client.next(ConnectionTerminated).error_code == ErrorCodes.PROTOCOL_ERROR
    assert send(sandbox, apns(sandbox)).status == 200


def test_a_certificate_of_another_authority_is_refused_in_the_handshake(
    sandbox: SandboxHandle, sandbox_with: StartSandbox
) -> None:
    foreign = sandbox_with().providers["apns"]
    certificate = (foreign["certificate_path"], foreign["certificate_password"])
    answer = send(sandbox, apns(sandbox, certificate=certificate))
    assert (answer.status, answer.error != 0) == (0, True)
    assert sandbox.stats()["total"] == 0


def test_production_and_development_are_different_ports(sandbox: SandboxHandle) -> None:
    ports = {urlsplit(url).port for url in (sandbox.push_url, sandbox.development_url, sandbox.control_url)}
    assert len(ports) == 3


def test_two_clients_share_the_journal(sandbox: SandboxHandle) -> None:
    access_token = fcm_access_token(sandbox)
    with RawHttp2(sandbox) as one, RawHttp2(sandbox) as other:
        streams = one.request(apns(sandbox)), other.request(fcm(sandbox, access_token, {"token": "phone"}))
        assert (one.status(streams[0]), other.status(streams[1])) == (200, 200)
    assert sandbox.stats()["by_provider"] == {"apns": 1, "fcm": 1}


def test_a_client_that_gives_up_while_reading_leaves_the_connection_to_the_others(
    sandbox: SandboxHandle, google_token: str
) -> None:
    with RawHttp2(sandbox, window=0) as client:
        stuck = client.request(fcm(sandbox, google_token, {"token": "phone"}))
        client.next(ResponseReceived, stuck)
        client.h2.increment_flow_control_window(10)
        client.h2.increment_flow_control_window(10, stuck)
        client.h2.reset_stream(stuck)
        assert client.status(client.request(apns(sandbox))) == 200
