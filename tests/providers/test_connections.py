"""Which connections requests travel on: how many, whose, and for how long."""

from __future__ import annotations

import time
from pathlib import Path

from provider_tools import Script, after_warming, answers, exchange, pool_of, request, warm
from scripted_provider import Cut, Deed, GoAway, Reply, Seen, Silence

from tocsin.sandbox.certificates import make_apns_client, make_authority
from tocsin.workers.providers.exchange import Failure
from tocsin.workers.providers.transport import Transport


def test_after_a_goaway_the_next_request_has_a_new_connection(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: GoAway(seen.stream) if seen.path == "/last" else Reply())
    pool = pool_of(provider)
    assert transport.call(request(provider, pool, "/last")).failure is None
    assert transport.call(request(provider, pool, "/next")).failure is None
    assert [seen.connection for seen in provider.seen] == [0, 1]


def test_an_idle_connection_the_server_closed_is_replaced_without_doubt(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: Reply(then_close=True))
    pool = pool_of(provider)
    for expected in range(3):
        assert transport.call(request(provider, pool)).failure is None
        # The goodbye of the server must have arrived; a request that crosses it on the way would be in doubt.
        time.sleep(0.2)
        assert provider.seen[-1].connection == expected


def test_a_connection_that_answers_no_more_gets_no_new_requests(transport: Transport, scripted: Script) -> None:
    provider = scripted(after_warming(lambda seen: Silence() if seen.connection == 0 else Reply()))
    pool = pool_of(provider)
    warm(transport, provider, pool)
    assert transport.call(request(provider, pool, timeout=0.3)).cause == "timeout"
    assert transport.call(request(provider, pool)).failure is None


def test_one_slow_answer_among_others_costs_no_connection(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: Silence() if seen.path == "/slow" else Reply())
    pool = pool_of(provider)
    warm(transport, provider, pool)
    channel = transport.channel()
    channel.submit(request(provider, pool, "/slow", timeout=0.5), "slow")
    time.sleep(0.1)
    assert transport.call(request(provider, pool)).failure is None
    assert channel.wait().cause == "timeout"
    assert transport.call(request(provider, pool)).failure is None
    assert provider.connections == 1


def test_a_server_without_http2_is_spoken_to_in_http1(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: Reply(body=b"yes"), protocols=("http/1.1",))
    pool = pool_of(provider)
    assert [transport.call(request(provider, pool)).body for _ in range(2)] == [b"yes", b"yes"]
    assert provider.connections == 1


def test_many_requests_share_one_connection_at_the_same_time(transport: Transport, scripted: Script) -> None:
    def behave(seen: Seen) -> Deed:
        return Reply(to=tuple(provider.seen[1:])) if len(provider.seen) == 101 else Silence()

    provider = scripted(after_warming(behave))
    pool = pool_of(provider)
    warm(transport, provider, pool)
    results = exchange(transport, [request(provider, pool) for _ in range(100)])
    assert {result.status for result in results} == {200}
    assert provider.connections == 1


def test_a_server_that_allows_one_stream_gets_one_at_a_time(transport: Transport, scripted: Script) -> None:
    provider = scripted(answers, max_streams=1)
    pool = pool_of(provider)
    results = exchange(transport, [request(provider, pool) for _ in range(50)])
    assert {result.status for result in results} == {200}
    assert len(provider.seen) == 50
    assert provider.connections == 1


def test_no_more_connections_than_the_pool_may_have(transport: Transport, scripted: Script) -> None:
    provider = scripted(answers, max_streams=5)
    pool = pool_of(provider, max_connections=3)
    exchange(transport, [request(provider, pool) for _ in range(200)])
    assert 1 <= provider.connections <= 3


def test_more_than_the_window_holds_gets_through_as_the_window_opens(transport: Transport, scripted: Script) -> None:
    provider = scripted(answers, stingy=True)
    pool = pool_of(provider)
    warm(transport, provider, pool)
    results = exchange(transport, [request(provider, pool, "/", b"x" * 3800) for _ in range(200)])
    assert {result.status for result in results} == {200}
    assert {len(seen.body) for seen in provider.seen[1:]} == {3800}


def test_before_the_first_answer_one_request_tries_the_way_for_all(transport: Transport, scripted: Script) -> None:
    provider = scripted(lambda seen: Cut())
    pool = pool_of(provider)
    results = exchange(transport, [request(provider, pool) for _ in range(5)])
    assert {result.failure for result in results} == {Failure.IN_DOUBT}
    assert [seen.connection for seen in provider.seen] == [0, 1, 2, 3, 4]


def test_where_no_connection_can_be_had_one_attempt_speaks_for_all_that_wait(
    transport: Transport, scripted: Script
) -> None:
    provider = scripted(answers, break_handshake=True)
    pool = pool_of(provider)
    results = exchange(transport, [request(provider, pool) for _ in range(200)])
    assert {result.failure for result in results} == {Failure.NOT_SENT}
    assert provider.connections < 10


def test_two_pools_never_share_a_connection(transport: Transport, scripted: Script) -> None:
    provider = scripted(answers)
    pools = [pool_of(provider) for _ in range(4)]
    exchange(transport, [request(provider, pool, f"/{number}") for number, pool in enumerate(pools) for _ in range(10)])
    used: dict[str, set[int]] = {}
    for seen in provider.seen:
        used.setdefault(seen.path, set()).add(seen.connection)
    assert len(used) == 4
    assert all(len(connections) == 1 for connections in used.values())
    assert len(set.union(*used.values())) == 4


def test_each_pool_shows_its_own_client_certificate(transport: Transport, scripted: Script, tmp_path: Path) -> None:
    authority = make_authority()
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.certificate_pem())
    provider = scripted(answers, client_authority=trusted)
    for topic in ("com.example.one", "com.example.two"):
        client = make_apns_client(authority, topic)
        pool = pool_of(provider, client_certificate=client.certificate_pem(), client_key=client.key_pem())
        assert transport.call(request(provider, pool)).failure is None
    assert ["com.example.one" in provider.peers[0], "com.example.two" in provider.peers[1]] == [True, True]
