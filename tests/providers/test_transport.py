"""What the transport promises: one result for each request, each request at most once, and no guessing about it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from uuid import UUID

import h2.errors
import pycurl
import pytest
from patience import PATIENCE
from provider_tools import Script, after_warming, answers, exchange, pool_of, request, warm
from scripted_provider import Cut, Deed, GoAway, Reply, Reset, Seen, Silence

from tocsin.domain.message import Message
from tocsin.sandbox.certificates import make_apns_client, make_authority
from tocsin.workers.providers.exchange import Failure, HttpRequest, Pool
from tocsin.workers.providers.port import Push
from tocsin.workers.providers.transport import ChannelFull, Transport, TransportClosed


def test_an_answer_carries_status_headers_body_and_times(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: Reply(418, (("retry-after", "7"),), b"short and stout"))
    before = time.monotonic()
    result = transport.call(request(provider, pool_of(provider), "/tea", b"leaves"))
    assert (result.status, result.header("Retry-After"), result.body) == (418, "7", b"short and stout")
    assert result.failure is None
    assert result.sent_at is not None
    assert result.answered_at is not None
    assert before <= result.sent_at <= result.answered_at <= time.monotonic()
    assert [(seen.path, seen.body, seen.headers["a"]) for seen in provider.seen] == [("/tea", b"leaves", "b")]


def test_a_refused_connection_was_not_sent(transport: Transport, scripted: Script) -> None:
    provider = scripted(answers)
    provider.close()
    result = transport.call(request(provider, pool_of(provider)))
    assert (result.failure, result.cause, result.sent_at) == (Failure.NOT_SENT, "connect", None)


def test_an_unknown_host_was_not_sent(transport: Transport) -> None:
    # No resolver is asked about a label of more than 63 characters (RFC 1035, 2.3.4).
    unknown = HttpRequest(url=f"https://{'a' * 64}.invalid/", headers=[], body=b"", pool=Pool(owner="test"))
    result = transport.call(unknown)
    assert (result.failure, result.cause) == (Failure.NOT_SENT, "resolve")


def test_a_server_nobody_vouches_for_receives_nothing(transport: Transport, scripted: Script) -> None:
    provider, other = scripted(answers), scripted(answers)
    result = transport.call(request(provider, pool_of(other)))
    assert (result.failure, result.cause) == (Failure.NOT_SENT, "tls")
    assert provider.seen == []


def test_a_handshake_cut_short_was_not_sent(transport: Transport, scripted: Script) -> None:
    provider = scripted(answers, break_handshake=True)
    result = transport.call(request(provider, pool_of(provider)))
    assert (result.failure, result.cause) == (Failure.NOT_SENT, "tls")


def test_a_missing_client_certificate_was_not_sent(transport: Transport, scripted: Script, tmp_path: Path) -> None:
    authority = tmp_path / "clients.pem"
    authority.write_bytes(make_authority().certificate_pem())
    provider = scripted(answers, client_authority=authority)
    result = transport.call(request(provider, pool_of(provider)))
    assert (result.failure, result.cause) == (Failure.NOT_SENT, "certificate")
    assert provider.seen == []


def test_a_refused_client_certificate_was_not_sent_by_any_of_many(
    transport: Transport, scripted: Script, tmp_path: Path
) -> None:
    authority = tmp_path / "clients.pem"
    authority.write_bytes(make_authority().certificate_pem())
    provider = scripted(answers, client_authority=authority)
    stranger = make_apns_client(make_authority(), "com.example.app")
    pool = pool_of(provider, client_certificate=stranger.certificate_pem(), client_key=stranger.key_pem())
    results = exchange(transport, [request(provider, pool) for _ in range(20)])
    assert provider.seen == []
    assert {result.failure for result in results} == {Failure.NOT_SENT}


@pytest.mark.parametrize("reset", [True, False])
def test_a_connection_cut_after_the_request_is_in_doubt(transport: Transport, scripted: Script, reset: bool) -> None:
    provider = scripted(lambda seen: Cut(reset))
    result = transport.call(request(provider, pool_of(provider)))
    assert (result.failure, result.cause, result.status) == (Failure.IN_DOUBT, "cut", 0)
    assert len(provider.seen) == 1


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
@pytest.mark.parametrize("reset", [True, False])
def test_a_request_on_a_reused_connection_that_dies_is_never_repeated(
    transport: Transport, scripted: Script, protocol: str, reset: bool
) -> None:
    provider = scripted(lambda seen: Reply() if seen.path == "/first" else Cut(reset), protocols=(protocol,))
    pool = pool_of(provider)
    assert transport.call(request(provider, pool, "/first")).failure is None
    result = transport.call(request(provider, pool, "/second"))
    assert result.failure is Failure.IN_DOUBT
    assert [seen.path for seen in provider.seen] == ["/first", "/second"]


def test_libcurl_left_to_itself_repeats_it(scripted: Script) -> None:
    # What the transport guards against. Should libcurl stop doing this, the guard has become needless. It does not do
    # so when it notices the reset while it still sends, which takes a busy machine.
    assert any(_libcurl_repeats(scripted) for _ in range(10))


def _libcurl_repeats(scripted: Script) -> bool:
    provider = scripted(lambda seen: Reply() if seen.path == "/first" else Cut(reset=True))
    with contextlib.closing(pycurl.Curl()) as handle:
        handle.setopt(pycurl.CAINFO, provider.ca_path)
        handle.setopt(pycurl.POSTFIELDS, b"{}")
        handle.setopt(pycurl.WRITEFUNCTION, lambda _data: None)
        handle.setopt(pycurl.URL, provider.url + "/first")
        handle.perform()
        handle.setopt(pycurl.URL, provider.url + "/second")
        with pytest.raises(pycurl.error):
            handle.perform()
    return [seen.path for seen in provider.seen].count("/second") > 1


def test_a_refused_stream_was_not_sent_and_is_not_repeated(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: Reset(h2.errors.ErrorCodes.REFUSED_STREAM))
    result = transport.call(request(provider, pool_of(provider)))
    assert (result.failure, result.cause, result.sent_at) == (Failure.NOT_SENT, "refused", None)
    assert len(provider.seen) == 1


def test_a_stream_refused_on_a_reused_connection_was_not_sent(transport: Transport, scripted: Script) -> None:
    refused = Reset(h2.errors.ErrorCodes.REFUSED_STREAM)
    provider = scripted(lambda seen: Reply() if seen.path == "/first" else refused)
    pool = pool_of(provider)
    transport.call(request(provider, pool, "/first"))
    result = transport.call(request(provider, pool, "/second"))
    assert (result.failure, result.cause) == (Failure.NOT_SENT, "refused")
    assert [seen.path for seen in provider.seen] == ["/first", "/second"]


def test_a_message_that_quotes_a_refusal_is_no_proof_of_one(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: Reply() if seen.path == "/first" else Cut())
    pool = pool_of(provider)
    transport.call(request(provider, pool, "/first"))
    quotation = b"HTTP/2 stream 3 refused by server, try again on a new connection"
    result = transport.call(request(provider, pool, "/second", quotation))
    assert result.failure is Failure.IN_DOUBT


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "CANCEL", "PROTOCOL_ERROR", "HTTP_1_1_REQUIRED", "NO_ERROR"])
def test_any_other_reset_is_in_doubt_and_not_repeated(transport: Transport, scripted: Script, code: str) -> None:
    provider = scripted(lambda seen: Reset(h2.errors.ErrorCodes[code]))
    result = transport.call(request(provider, pool_of(provider)))
    assert result.failure is Failure.IN_DOUBT
    assert len(provider.seen) == 1


def test_streams_above_a_goaway_were_not_sent_and_those_below_are_answered(
    transport: Transport, scripted: Script
) -> None:
    def behave(seen: Seen) -> Deed:
        return GoAway(last_stream=11) if len(provider.seen) == 11 else Silence()

    provider = scripted(after_warming(behave))
    pool = pool_of(provider)
    warm(transport, provider, pool)
    results = exchange(transport, [request(provider, pool) for _ in range(10)])
    assert sum(result.failure is None for result in results) == 5
    assert [result.failure for result in results if result.failure] == [Failure.NOT_SENT] * 5
    assert len(provider.seen) == 11


def test_silence_ends_in_doubt_at_the_time_out(transport: Transport, scripted: Script) -> None:
    provider = scripted(after_warming(lambda seen: Silence()))
    pool = pool_of(provider)
    warm(transport, provider, pool)
    result = transport.call(request(provider, pool, timeout=1))
    assert (result.failure, result.cause) == (Failure.IN_DOUBT, "timeout")
    assert len(provider.seen) == 2


def test_an_answer_that_breaks_off_is_in_doubt_and_keeps_its_status(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: Reply(200, body=b"half", complete=False, then_close=True))
    result = transport.call(request(provider, pool_of(provider)))
    assert (result.failure, result.status) == (Failure.IN_DOUBT, 200)


def test_when_a_full_connection_is_cut_everybody_hears_of_it_once(transport: Transport, scripted: Script) -> None:
    provider = scripted(after_warming(lambda seen: Cut() if len(provider.seen) == 60 else Silence()))
    pool = pool_of(provider)
    warm(transport, provider, pool)
    results = exchange(transport, [request(provider, pool, f"/{number}", timeout=1) for number in range(100)])
    sent = {number for number, result in enumerate(results) if result.failure is not Failure.NOT_SENT}
    arrived = [int(one.path[1:]) for one in provider.seen[1:]]
    assert len(arrived) == len(set(arrived)), "a request was repeated"
    assert set(arrived) <= sent, "a request that arrived was called not sent"


def test_whatever_happens_each_request_ends_once_and_arrives_at_most_once(
    transport: Transport, scripted: Script
) -> None:
    codes = h2.errors.ErrorCodes
    deeds = [Reply(), Reply(503), Reset(codes.REFUSED_STREAM), Reset(codes.INTERNAL_ERROR), Cut(), Cut(reset=False)]

    def behave(seen: Seen) -> Deed:
        number = int(seen.path[1:])
        return GoAway(seen.stream) if number % 41 == 0 else deeds[number % 97 % len(deeds) if number % 7 == 0 else 0]

    provider = scripted(behave)
    pool = pool_of(provider, max_connections=3, max_in_flight=40)
    results = exchange(transport, [request(provider, pool, f"/{number}") for number in range(600)])
    arrived = [int(one.path[1:]) for one in provider.seen]
    assert len(arrived) == len(set(arrived)), "a request was repeated"
    for number, result in enumerate(results):
        if result.failure is None:
            assert number in arrived
        elif result.failure is Failure.NOT_SENT and result.cause != "refused":
            assert number not in arrived
    assert {result.failure for result in results} == {None, Failure.NOT_SENT, Failure.IN_DOUBT}


def test_a_redirect_is_an_answer_and_is_not_followed(transport: Transport, scripted: Script) -> None:
    elsewhere = scripted(answers)
    provider = scripted(lambda seen: Reply(307, (("location", elsewhere.url),)))
    assert transport.call(request(provider, pool_of(provider))).status == 307
    assert elsewhere.connections == 0


def test_plain_http_is_not_spoken(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        result = transport.call(HttpRequest(url=url, headers=[], body=b"", pool=Pool(owner="test")))
        assert result.failure is Failure.NOT_SENT
        with pytest.raises(TimeoutError):
            listener.accept()


def test_the_environment_names_no_proxy(
    scripted: Script, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    provider = scripted(answers)
    assert transport.call(request(provider, pool_of(provider))).failure is None


@pytest.mark.parametrize("headers", [["a: b\r\nc: d"], ["a: b\nc: d"], ["a: \0"], ["a: \ud800"]])
def test_a_request_that_cannot_be_written_harms_no_other(
    transport: Transport, scripted: Script, headers: list[str]
) -> None:
    provider = scripted(answers)
    pool = pool_of(provider)
    broken = HttpRequest(url=provider.url, headers=headers, body=b"", pool=pool)
    results = exchange(transport, [broken, request(provider, pool)])
    assert (results[0].failure, results[0].cause) == (Failure.NOT_SENT, "invalid")
    assert results[1].failure is None
    assert len(provider.seen) == 1


def test_a_request_whose_time_ran_out_in_the_queue_was_not_sent(transport: Transport, scripted: Script) -> None:
    provider = scripted(after_warming(lambda seen: Silence()))
    pool = pool_of(provider, max_in_flight=1)
    warm(transport, provider, pool)
    results = exchange(transport, [request(provider, pool, timeout=1) for _ in range(3)])
    assert results[0].failure is Failure.IN_DOUBT
    assert [result.failure for result in results[1:]] == [Failure.NOT_SENT] * 2
    assert len(provider.seen) == 2


def test_closing_settles_everything_that_is_under_way(scripted: Script) -> None:
    arrived = threading.Event()

    def behave(_seen: Seen) -> Deed:
        arrived.set()
        return Silence()

    provider = scripted(behave)
    transport = Transport()
    channel = transport.channel()
    pool = pool_of(provider, max_in_flight=1)
    channel.submit(request(provider, pool), "sent")
    channel.submit(request(provider, pool), "waiting")
    assert arrived.wait(PATIENCE)
    transport.close(grace=0.0)
    outcomes = {result.tag: result.failure for result in channel.results(0)}
    assert outcomes == {"sent": Failure.IN_DOUBT, "waiting": Failure.NOT_SENT}
    with pytest.raises(TransportClosed):
        channel.submit(request(provider, pool), "late")
    assert len(provider.seen) == 1


def test_closing_with_grace_waits_for_the_answers(scripted: Script) -> None:
    provider = scripted(answers)
    transport = Transport()
    channel = transport.channel()
    pool = pool_of(provider)
    for number in range(50):
        channel.submit(request(provider, pool), number)
    transport.close(grace=30.0)
    assert [result.failure for result in channel.results(0)] == [None] * 50


def test_a_full_channel_takes_nothing_until_results_are_collected(transport: Transport, scripted: Script) -> None:
    provider = scripted(answers)
    pool = pool_of(provider)
    channel = transport.channel(capacity=2)
    channel.submit(request(provider, pool), 1)
    channel.submit(request(provider, pool), 2)
    with pytest.raises(ChannelFull):
        channel.submit(request(provider, pool), 3)
    assert channel.wait().failure is None
    assert channel.room >= 1
    channel.submit(request(provider, pool), 3)


def test_neither_address_nor_headers_nor_keys_show_when_printed() -> None:
    pool = Pool(owner="test", client_certificate=b"certificate", client_key=b"sesame")
    shown = HttpRequest(url="https://x/device-token", headers=["authorization: sesame"], body=b"{}", pool=pool)
    assert "sesame" not in repr(shown) + repr(pool)
    push = Push(index=1, push_id=UUID(int=1), token="device-token", message=Message(title="private"))
    assert "device-token" not in repr(shown) + repr(push)
    assert "private" not in repr(push)
