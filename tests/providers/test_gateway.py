"""Pushes through the gateway to the sandbox: what comes back, how often anything was sent, and how tokens are had."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from provider_tools import ALARM, APNS_TOKEN, Opener, Script, channel, deliver, good_token, push
from scripted_provider import Reply, Seen

from tocsin.domain.message import Message
from tocsin.sandbox.handle import SandboxHandle
from tocsin.workers.providers.adapters import open_provider
from tocsin.workers.providers.credentials import FcmCredential, parse_credential
from tocsin.workers.providers.gateway import Gateway
from tocsin.workers.providers.port import Answer, Provider, Push, Verdict
from tocsin.workers.providers.transport import ChannelFull, Transport


@pytest.mark.parametrize("provider", ["apns", "fcm", "wns"])
def test_three_hundred_pushes_arrive_once_each_and_are_called_delivered(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, provider: str
) -> None:
    pushes = [push(good_token(sandbox, provider, number), number) for number in range(300)]
    answers = deliver(transport, opened(provider), pushes)
    assert {answer.verdict for answer in answers} == {Verdict.DELIVERED}
    assert len({answer.provider_message_id for answer in answers}) == 300
    assert [answer.push_id for answer in answers] == [one.push_id for one in pushes]
    stats = sandbox.stats()
    assert (stats["total"], stats["distinct_tokens"]) == (300, 300)


APNS_ANSWERS = [
    ("0400", Verdict.FAILED, "BadDeviceToken", {"retire_token"}),
    ("0401", Verdict.FAILED, "DeviceTokenNotForTopic", {"retire_token"}),
    ("0410", Verdict.FAILED, "Unregistered", {"retire_token"}),
    ("0411", Verdict.FAILED, "ExpiredToken", {"retire_token"}),
    ("0413", Verdict.FAILED, "PayloadTooLarge", set()),
    ("0429", Verdict.RETRY, "TooManyRequests", set()),
    ("0430", Verdict.RETRY, "TooManyProviderTokenUpdates", {"throttle"}),
    ("0500", Verdict.RETRY, "InternalServerError", set()),
    ("0503", Verdict.RETRY, "ServiceUnavailable", {"throttle"}),
    ("0504", Verdict.RETRY, "Shutdown", set()),
    ("0999", Verdict.UNKNOWN, "in-doubt.cut", set()),
    ("0998", Verdict.DELIVERED, "200", set()),
    ("0996", Verdict.UNKNOWN, "502", set()),
]
FCM_ANSWERS = [
    ("bad0", Verdict.FAILED, "INVALID_ARGUMENT", {"retire_token"}),
    ("unre", Verdict.FAILED, "UNREGISTERED", {"retire_token"}),
    ("send", Verdict.FAILED, "SENDER_ID_MISMATCH", set()),
    ("quot", Verdict.RETRY, "QUOTA_EXCEEDED", {"throttle"}),
    ("unav", Verdict.RETRY, "UNAVAILABLE", {"throttle"}),
    ("intr", Verdict.RETRY, "INTERNAL", set()),
    ("3rdp", Verdict.RETRY, "THIRD_PARTY_AUTH_ERROR", {"pause_credential"}),
]
WNS_ANSWERS = [
    ("ok", Verdict.DELIVERED, "received", set()),
    ("410", Verdict.FAILED, "410", {"retire_token"}),
    ("404", Verdict.FAILED, "404", {"retire_token"}),
    ("403", Verdict.FAILED, "403", set()),
    ("406", Verdict.RETRY, "406", {"throttle"}),
    ("500", Verdict.RETRY, "500", set()),
    ("503", Verdict.RETRY, "503", {"throttle"}),
    ("drp", Verdict.FAILED, "dropped", set()),
    ("thr", Verdict.RETRY, "channelthrottled", set()),
]


@pytest.mark.parametrize(("prefix", "verdict", "code", "flags"), APNS_ANSWERS)
def test_what_apple_says_is_what_we_report(
    sandbox: SandboxHandle,
    transport: Transport,
    opened: Opener,
    prefix: str,
    verdict: Verdict,
    code: str,
    flags: set[str],
) -> None:
    check_answer(sandbox, deliver(transport, opened("apns"), [push(prefix + "0" * 60)])[0], verdict, code, flags)


@pytest.mark.parametrize(("prefix", "verdict", "code", "flags"), FCM_ANSWERS)
def test_what_google_says_is_what_we_report(
    sandbox: SandboxHandle,
    transport: Transport,
    opened: Opener,
    prefix: str,
    verdict: Verdict,
    code: str,
    flags: set[str],
) -> None:
    check_answer(sandbox, deliver(transport, opened("fcm"), [push(prefix + "-device")])[0], verdict, code, flags)


@pytest.mark.parametrize(("prefix", "verdict", "code", "flags"), WNS_ANSWERS)
def test_what_microsoft_says_is_what_we_report(
    sandbox: SandboxHandle,
    transport: Transport,
    opened: Opener,
    prefix: str,
    verdict: Verdict,
    code: str,
    flags: set[str],
) -> None:
    answer = deliver(transport, opened("wns"), [push(channel(sandbox, prefix + "-device"))])[0]
    check_answer(sandbox, answer, verdict, code, flags)


def check_answer(sandbox: SandboxHandle, answer: Answer, verdict: Verdict, code: str, flags: set[str]) -> None:
    raised = {name for name in ("retire_token", "pause_credential", "throttle") if getattr(answer, name)}
    assert (answer.verdict, answer.code, raised) == (verdict, code, flags)
    assert sandbox.stats()["total"] == 1


def test_retry_after_and_the_time_of_unregistration_are_passed_on(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    sandbox.fault(provider="apns", token="a1", status=503, reason="ServiceUnavailable", retry_after=17, times=1)
    assert deliver(transport, opened("apns"), [push(APNS_TOKEN)])[0].retry_after == 17.0
    since = 1_700_000_000_000
    sandbox.fault(provider="apns", token="a1", status=410, reason="Unregistered", timestamp_ms=since, times=1)
    assert deliver(transport, opened("apns"), [push(APNS_TOKEN)])[0].unregistered_at == since / 1000


@pytest.mark.parametrize(("action", "cause"), [("reset", "cut"), ("close", "cut"), ("hang", "timeout")])
@pytest.mark.parametrize("provider", ["apns", "fcm", "wns"])
def test_a_lost_answer_is_unknown_although_the_device_shows_the_message(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, provider: str, action: str, cause: str
) -> None:
    # By the first it has a connection and a token: the second is on its way long before its time is up.
    one = opened(provider)
    deliver(transport, one, [push(good_token(sandbox, provider, 1))])
    sandbox.reset()
    sandbox.fault(provider=provider, action=action, delivered=True)
    answer = deliver(transport, one, [push(good_token(sandbox, provider))], timeout=2)[0]
    assert (answer.verdict, answer.code) == (Verdict.UNKNOWN, f"in-doubt.{cause}")
    assert sandbox.stats()["total"] == 1
    assert len(sandbox.received(provider=provider)) == 1


def test_a_second_transfer_of_a_push_carries_the_same_ids(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    for provider in ("apns", "fcm", "wns"):
        once = push(good_token(sandbox, provider))
        for _ in range(2):
            deliver(transport, opened(provider), [once])
    first, second = sandbox.received(provider="apns")
    assert first["headers"]["apns-id"] == second["headers"]["apns-id"] == first["headers"]["apns-collapse-id"]
    first, second = sandbox.received(provider="fcm")
    assert first["payload"] == second["payload"]
    tag = first["payload"]["message"]["android"]["notification"]["tag"]
    assert tag == first["payload"]["message"]["data"]["tocsin_push_id"]
    first, second = sandbox.received(provider="wns")
    assert first["headers"]["x-wns-tag"] == second["headers"]["x-wns-tag"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/x",
        "https://a.notify.windows.com.evil.example/",
        "https://notify.windows.com.evil.example/",
        "https://xnotify.windows.com/",
        "http://a.notify.windows.com/",
        "https://a.notify.windows.com:8443/",
        "https://me@a.notify.windows.com/",
        "https://evil.example\\@a.notify.windows.com/",
        "https://evil.example/#@a.notify.windows.com",
        "https://127.0.0.2/",
        "https://[::1]/",
        "https://a.notify.windows.com\r\n.evil.example/",
        "",
        "https://",
    ],
)
def test_a_channel_that_is_not_microsofts_is_never_called(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, uri: str
) -> None:
    answer = deliver(transport, opened("wns"), [push(uri)])[0]
    assert (answer.verdict, answer.code, answer.retire_token) == (Verdict.FAILED, "channel-not-allowed", False)
    assert sandbox.stats()["total"] == 0


def test_a_message_that_cannot_be_rendered_harms_no_other(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    broken = Message(title="x", wns={"type": "wns/tile"})
    answers = deliver(
        transport, opened("wns"), [push(channel(sandbox, "ok"), 0, broken), push(channel(sandbox, "ok"), 1)]
    )
    assert [(answer.verdict, answer.code) for answer in answers] == [
        (Verdict.FAILED, "unrenderable"),
        (Verdict.DELIVERED, "received"),
    ]


def test_a_device_token_cannot_lead_to_another_path(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    deliver(transport, opened("apns"), [push("../../v1/projects/demo/messages:send?x=")])
    assert sandbox.stats()["by_provider"] == {"apns": 1}


def test_lanes_and_credentials_have_connections_of_their_own(scripted: Script, transport: Transport) -> None:
    server = scripted(lambda seen: Reply())
    for lane in ("", "suspect"):
        for number in range(2):
            credential = parse_apns(server.url, server.ca_path)
            provider = open_provider(credential, transport)
            deliver(transport, provider, [push(f"{lane}{number}", n, lane=lane) for n in range(3)])
    used: dict[str, set[int]] = {}
    for seen in server.seen:
        used.setdefault(seen.path, set()).add(seen.connection)
    assert sorted(connection for connections in used.values() for connection in connections) == [0, 1, 2, 3]


def parse_apns(url: str, ca_path: str) -> Any:
    key = (Path(ca_path).parent / "scripted.pem").read_text()
    private = key[key.index("-----BEGIN PRIVATE KEY-----") :]
    entered = {"topic": "com.example.app", "key_id": "A" * 10, "team_id": "B" * 10, "base_url": url, "ca_path": ca_path}
    return parse_credential("apns", entered, private.encode())


def test_more_pushes_than_there_is_room_for_are_refused_whole(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    gateway = Gateway(transport, capacity=10)
    provider = opened("apns")
    with pytest.raises(ChannelFull):
        gateway.send(provider, [push(APNS_TOKEN, number) for number in range(11)])
    assert (gateway.room, gateway.in_flight, sandbox.stats()["total"]) == (10, 0, 0)
    gateway.send(provider, [push(APNS_TOKEN, number) for number in range(10)])
    assert gateway.room == 0
    collected: list[Answer] = []
    while len(collected) < 10:
        collected += gateway.answers(20)
    assert gateway.room == 10


def test_answers_come_back_empty_when_nothing_is_under_way(transport: Transport) -> None:
    assert Gateway(transport).answers(0.0) == []


def test_a_device_that_times_out_leaves_its_neighbours_alone(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    pushes = [push(good_token(sandbox, "apns", number), number) for number in range(50)]
    pushes[25] = push("0997" + "0" * 60, 25)
    one = opened("apns")
    deliver(transport, one, [push(good_token(sandbox, "apns", 50), 50)])
    sandbox.reset()
    answers = deliver(transport, one, pushes, timeout=3)
    assert answers[25].verdict is Verdict.UNKNOWN
    assert {answer.verdict for answer in answers if answer.index != 25} == {Verdict.DELIVERED}
    assert sandbox.stats()["total"] == 50


def test_no_answer_repeats_a_token(sandbox: SandboxHandle, transport: Transport, scripted: Script) -> None:
    token = "the-registration-token-of-somebody"
    refusal = json.dumps({"error": {"message": f"no {token} here"}}).encode()
    provider = scripted_fcm(sandbox, transport, scripted, lambda _: Reply(400, body=refusal))
    answer = deliver(transport, provider, [push(token)])[0]
    assert (answer.status, answer.reason) == (400, "no <token> here")


def scripted_fcm(
    sandbox: SandboxHandle, transport: Transport, scripted: Script, answer: Callable[[Seen], Reply]
) -> Provider:
    """Google as the test has it answer, after a token like any other."""
    issued = json.dumps({"access_token": "t", "expires_in": 3600}).encode()
    server = scripted(lambda seen: Reply(body=issued) if seen.path == "/token" else answer(seen))
    account = {**sandbox.providers["fcm"]["service_account"], "token_uri": server.url + "/token"}
    return open_provider(FcmCredential(account, "demo", server.url, server.ca_path), transport)


def test_an_answer_nobody_foresaw_costs_no_other_its_own(
    sandbox: SandboxHandle, transport: Transport, scripted: Script
) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": 5}]
    odd = json.dumps({"error": {"status": "INVALID_ARGUMENT", "details": details}}).encode()
    provider = scripted_fcm(
        sandbox, transport, scripted, lambda seen: Reply(400, body=odd) if b"odd" in seen.body else Reply(body=b"{}")
    )
    answers = deliver(transport, provider, [push("odd", 0), push("plain", 1)])
    assert [(answer.verdict, answer.code) for answer in answers] == [
        (Verdict.UNKNOWN, "unreadable"),
        (Verdict.DELIVERED, "200"),
    ]


def test_whatever_a_provider_writes_can_be_kept(sandbox: SandboxHandle, transport: Transport, scripted: Script) -> None:
    words = "a\0b\ud800" + "c" * 1000
    body = json.dumps({"error": {"status": words, "message": words}, "name": words}).encode()
    provider = scripted_fcm(
        sandbox, transport, scripted, lambda seen: Reply(400 if b"bad" in seen.body else 200, body=body)
    )
    for answer in deliver(transport, provider, [push("bad", 0), push("good", 1)]):
        for text in (answer.code, answer.reason, answer.provider_message_id or ""):
            assert text.isprintable()
            assert len(text) <= 500


@pytest.mark.parametrize("wait", ["9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_who_asks_to_be_left_alone_for_ever_is_asked_again_after_a_day(
    sandbox: SandboxHandle, transport: Transport, scripted: Script, wait: str
) -> None:
    provider = scripted_fcm(
        sandbox, transport, scripted, lambda _: Reply(503, headers=(("retry-after", wait),), body=b"{}")
    )
    answer = deliver(transport, provider, [push("token")])[0]
    assert (answer.verdict, answer.retry_after) == (Verdict.RETRY, 86_400)


def test_the_ids_of_a_push_are_those_of_its_answer(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    one = Push(index=7, push_id=UUID(int=1), token=APNS_TOKEN, message=ALARM)
    answer = deliver(transport, opened("apns"), [one])[0]
    assert (answer.index, answer.push_id, answer.provider_message_id) == (7, UUID(int=1), str(UUID(int=1)))
