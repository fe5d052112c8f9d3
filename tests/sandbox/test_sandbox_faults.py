"""Faults scripted over the control port: which requests they meet, how often, and what the sender sees."""

from __future__ import annotations

from typing import Any

import pycurl
import pytest
from h2.events import StreamEnded
from hypothesis import given
from hypothesis import strategies as st
from raw_http2 import RawHttp2
from sandbox_clients import TOKEN, apns, fcm, fcm_assertion, send, wns, wns_credentials

from tocsin.sandbox.faults import BadFault, Fault, FaultScript, fault_from_json
from tocsin.sandbox.handle import SandboxError
from tocsin.sandbox.server import SandboxHandle

TOKENS = st.text("ab", max_size=3)


@given(st.integers(0, 5), st.integers(0, 9))
def test_a_fault_happens_as_often_as_it_says(times: int, requests: int) -> None:
    script = FaultScript()
    script.add(Fault("apns", times=times))
    taken = [script.take("apns", "push", TOKEN) is not None for _ in range(requests)]
    assert taken == [number < times for number in range(requests)]


@given(st.lists(st.tuples(TOKENS, st.booleans()), max_size=5), TOKENS)
def test_the_oldest_fault_that_meets_a_token_is_taken(specs: list[tuple[str, bool]], token: str) -> None:
    script = FaultScript()
    faults = [script.add(Fault("fcm", token=part, exact=exact)) for part, exact in specs]
    meeting = [fault for fault in faults if (fault.token == token if fault.exact else token.startswith(fault.token))]
    assert script.take("fcm", "push", token) is (meeting[0] if meeting else None)
    assert script.take("wns", "push", token) is None
    assert script.take("fcm", "token", token) is None


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "a fault is a JSON object"),
        ({}, "provider is missing"),
        ({"provider": "gcm"}, "provider must be one of apns, fcm, wns"),
        ({"provider": "apns", "action": "explode"}, "action must be one of answer, status"),
        ({"provider": "apns", "endpoint": "page"}, "endpoint must be one of push, token"),
        ({"provider": "apns", "statsu": 503}, "unknown field 'statsu'"),
        ({"provider": "apns", "id": 7}, "unknown field 'id'"),
        ({"provider": "apns", "status": "503"}, "status must be int"),
        ({"provider": "apns", "status": 99}, "status must be an HTTP status"),
        ({"provider": "apns", "times": True}, "times must be int"),
        ({"provider": "apns", "times": -1}, "times must not be negative"),
        ({"provider": "apns", "delivered": 1}, "delivered must be bool"),
        ({"provider": "apns", "action": "status"}, 'action "status" needs the status'),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_with_what_to_change(document: Any, complaint: str) -> None:
    with pytest.raises(BadFault) as refused:
        fault_from_json(document)
    assert complaint in str(refused.value)


def test_the_control_port_says_what_is_wrong_with_a_fault(sandbox: SandboxHandle) -> None:
    with pytest.raises(SandboxError, match="provider must be one of"):
        sandbox.fault(provider="gcm")
    assert sandbox.faults() == []


def test_a_fault_counts_down_and_then_all_is_well(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", status=503, retry_after=2, times=1)
    first, second = send(sandbox, apns(sandbox)), send(sandbox, apns(sandbox))
    assert (first.status, first.reason(), first.headers["retry-after"]) == (503, "ServiceUnavailable", "2")
    assert second.status == 200
    (fault,) = sandbox.faults()
    assert (fault["hits"], fault["remaining"]) == (1, 0)


def test_a_request_that_is_refused_anyway_uses_up_no_fault(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", status=503, times=1)
    assert send(sandbox, apns(sandbox, body="")).reason() == "PayloadEmpty"
    assert send(sandbox, apns(sandbox)).status == 503


def test_a_fault_may_be_for_one_token_or_for_all_that_start_alike(sandbox: SandboxHandle, google_token: str) -> None:
    sandbox.fault(provider="fcm", token="phone-1", exact=True, status=503)
    sandbox.fault(provider="fcm", token="tablet", status=500)
    tokens = ("phone-1", "phone-10", "tablet", "tablet-7", "watch")
    statuses = [send(sandbox, fcm(sandbox, google_token, {"token": token})).status for token in tokens]
    assert statuses == [503, 200, 500, 500, 200]


def test_a_scripted_fault_comes_before_the_one_a_token_asks_for(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", status=429, times=1)
    token = "0410" + "a" * 60
    assert [send(sandbox, apns(sandbox, token)).status for _ in range(2)] == [429, 410]


@pytest.mark.parametrize(
    ("spec", "status", "reason"),
    [
        ({"status": 410}, 410, "Unregistered"),
        ({"status": 429}, 429, "TooManyRequests"),
        ({"reason": "TooManyProviderTokenUpdates"}, 429, "TooManyProviderTokenUpdates"),
        ({"reason": "BadDeviceToken"}, 400, "BadDeviceToken"),
        ({"status": 400, "reason": "NewReason"}, 400, "NewReason"),
        ({"status": 502}, 502, "InternalServerError"),
    ],
)
def test_apns_fills_in_what_a_script_leaves_out(
    sandbox: SandboxHandle, spec: dict[str, Any], status: int, reason: str
) -> None:
    sandbox.fault(provider="apns", **spec)
    answer = send(sandbox, apns(sandbox))
    assert (answer.status, answer.reason()) == (status, reason)


def test_a_script_may_tell_since_when_a_token_is_dead(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", reason="Unregistered", timestamp_ms=1_700_000_000_000)
    assert send(sandbox, apns(sandbox)).json() == {"reason": "Unregistered", "timestamp": 1_700_000_000_000}


@pytest.mark.parametrize(
    ("spec", "status", "canonical"),
    [
        ({"status": 404}, 404, "NOT_FOUND"),
        ({"reason": "UNREGISTERED"}, 404, "NOT_FOUND"),
        ({"reason": "QUOTA_EXCEEDED", "retry_after": 7}, 429, "RESOURCE_EXHAUSTED"),
        ({"status": 401}, 401, "UNAUTHENTICATED"),
        ({"status": 502}, 502, "INTERNAL"),
    ],
)
def test_fcm_fills_in_what_a_script_leaves_out(
    sandbox: SandboxHandle, google_token: str, spec: dict[str, Any], status: int, canonical: str
) -> None:
    sandbox.fault(provider="fcm", **spec)
    answer = send(sandbox, fcm(sandbox, google_token, {"token": "phone"}))
    assert (answer.status, answer.json()["error"]["status"]) == (status, canonical)
    assert answer.headers.get("retry-after") == ("7" if "retry_after" in spec else None)


@pytest.mark.parametrize(
    ("spec", "status", "header", "value"),
    [
        ({"status": 410}, 410, "x-wns-error-description", "The channel has expired"),
        ({"status": 403, "reason": "Wrong app"}, 403, "x-wns-error-description", "Wrong app"),
        ({"reason": "channelthrottled"}, 200, "x-wns-status", "channelthrottled"),
        ({"status": 406, "retry_after": 9}, 406, "retry-after", "9"),
        ({"status": 401}, 401, "www-authenticate", 'Bearer error="invalid_token"'),
    ],
)
def test_wns_fills_in_what_a_script_leaves_out(
    sandbox: SandboxHandle, microsoft_token: str, spec: dict[str, Any], status: int, header: str, value: str
) -> None:
    sandbox.fault(provider="wns", **spec)
    answer = send(sandbox, wns(sandbox, microsoft_token))
    assert (answer.status, answer.headers[header]) == (status, value)


def test_a_middle_box_answers_with_a_bare_status(sandbox: SandboxHandle) -> None:
    scripted = sandbox.fault(provider="apns", action="status", status=502)
    answers = [send(sandbox, apns(sandbox)), send(sandbox, apns(sandbox, "0996" + "b" * 60))]
    assert [(answer.status, answer.body) for answer in answers] == [(502, b"")] * 2
    assert "apns-id" not in answers[0].headers
    assert scripted["action"] == "status"


def test_a_message_may_be_shown_although_its_sender_never_learns(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", action="close", delivered=True, times=1)
    answer = send(sandbox, apns(sandbox))
    assert (answer.status, answer.error != 0) == (0, True)
    (push,) = sandbox.received()
    assert (push["answer"], push["delivered"], bool(push["message_id"])) == ("close", True, True)


def test_a_delayed_answer_lets_the_next_one_pass(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="apns", token="a", delay_ms=100)
    with RawHttp2(sandbox) as client:
        late, early = client.request(apns(sandbox)), client.request(apns(sandbox, "b" * 64))
        assert (client.status(late), client.status(early)) == (200, 200)
        ended = [event.stream_id for event in client.events if isinstance(event, StreamEnded)]
    assert ended == [early, late]


def test_google_may_be_unable_to_give_a_token(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="fcm", endpoint="token", status=503, retry_after=3, times=1)
    first, second = send(sandbox, fcm_assertion(sandbox)), send(sandbox, fcm_assertion(sandbox))
    assert (first.status, first.headers["retry-after"], second.status) == (503, "3", 200)
    assert first.json()["error"] == "temporarily_unavailable"


def test_microsoft_may_refuse_the_app(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="wns", endpoint="token", status=400, reason="invalid_client")
    answer = send(sandbox, wns_credentials(sandbox))
    assert (answer.status, answer.json()["error"]) == (400, "invalid_client")


def test_a_token_endpoint_may_hang(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="wns", endpoint="token", action="hang", times=1)
    exchange = wns_credentials(sandbox)
    exchange.timeout_ms = 200
    assert send(sandbox, exchange).error == pycurl.E_OPERATION_TIMEDOUT


def test_a_middle_box_may_stand_before_a_token_endpoint(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="fcm", endpoint="token", action="status", status=502)
    answer = send(sandbox, fcm_assertion(sandbox))
    assert (answer.status, answer.body) == (502, b"")


def test_a_token_endpoint_may_only_be_slow(sandbox: SandboxHandle) -> None:
    sandbox.fault(provider="wns", endpoint="token", delay_ms=20)
    assert send(sandbox, wns_credentials(sandbox)).status == 200


def test_tokens_choose_no_fault_where_that_is_switched_off(sandbox: SandboxHandle) -> None:
    sandbox.set(prefix_faults=False)
    assert send(sandbox, apns(sandbox, "0410" + "a" * 60)).status == 200
