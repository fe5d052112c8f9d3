"""How credentials prove themselves: provider tokens, certificates and access tokens, had once and renewed in time."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from patience import PATIENCE
from provider_tools import (
    APNS_TOKEN,
    Opener,
    Script,
    channel,
    configuration,
    deliver,
    good_token,
    pool_of,
    push,
)
from scripted_provider import Deed, Reply, Seen, Silence

from tocsin.domain.credentials import check_provider
from tocsin.sandbox.handle import SandboxHandle
from tocsin.workers.providers import apns
from tocsin.workers.providers.adapters import open_provider
from tocsin.workers.providers.credentials import WnsCredential, parse_credential
from tocsin.workers.providers.gateway import Gateway
from tocsin.workers.providers.oauth import client_credentials
from tocsin.workers.providers.port import Verdict
from tocsin.workers.providers.tokens import TokenUnavailable
from tocsin.workers.providers.transport import Transport


def test_an_expired_provider_token_is_renewed_once_and_the_push_sent_again(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apns, "_signed", {})
    sandbox.fault(provider="apns", status=403, reason="ExpiredProviderToken", times=1)
    answer = deliver(transport, opened("apns"), [push(APNS_TOKEN)])[0]
    assert (answer.verdict, answer.pause_credential) == (Verdict.DELIVERED, False)
    assert sandbox.stats()["by_answer"]["apns"] == {"403 ExpiredProviderToken": 1, "200": 1}


def test_a_provider_token_that_stays_refused_pauses_the_credential(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apns, "_signed", {})
    sandbox.fault(provider="apns", status=403, reason="ExpiredProviderToken")
    provider = opened("apns")
    answers = deliver(transport, provider, [push(APNS_TOKEN, number) for number in range(20)])
    assert {(answer.verdict, answer.pause_credential) for answer in answers} == {(Verdict.RETRY, True)}
    assert sandbox.stats()["total"] == 40
    later = deliver(transport, provider, [push(APNS_TOKEN)])[0]
    assert later.pause_credential
    assert sandbox.stats()["total"] == 41, "a token may not be renewed again within 20 minutes"


def test_one_key_has_one_provider_token_in_the_whole_process(opened: Opener) -> None:
    first, second = opened("apns"), opened("apns", topic="com.example.other")
    assert first.tokens.current(1000.0) is second.tokens.current(1000.0)


def test_a_client_certificate_takes_the_place_of_the_token(sandbox: SandboxHandle, transport: Transport) -> None:
    entered, _key = configuration(sandbox, "apns")
    p12 = Path(sandbox.providers["apns"]["certificate_path"]).read_bytes()
    wanted = {name: entered[name] for name in ("topic", "base_url", "ca_path")}
    password = sandbox.providers["apns"]["certificate_password"]
    _checked, kept = check_provider("apns", wanted, p12, password=password)
    provider = open_provider(parse_credential("apns", wanted, kept), transport)
    assert deliver(transport, provider, [push(APNS_TOKEN)])[0].verdict is Verdict.DELIVERED
    assert "authorization" not in sandbox.received(provider="apns")[0]["headers"]


@pytest.mark.parametrize("provider", ["fcm", "wns"])
def test_however_many_pushes_wait_one_access_token_is_fetched(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, provider: str
) -> None:
    sandbox.fault(provider=provider, endpoint="token", delay_ms=200, times=1)
    pushes = [push(good_token(sandbox, provider, number), number) for number in range(256)]
    answers = deliver(transport, opened(provider), pushes)
    assert {answer.verdict for answer in answers} == {Verdict.DELIVERED}
    assert sandbox.stats()["token_requests"] == {provider: 1}


@pytest.mark.parametrize("provider", ["fcm", "wns"])
def test_a_refused_access_token_is_replaced_once_for_all_and_the_pushes_sent_again(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, provider: str
) -> None:
    one = opened(provider)
    deliver(transport, one, [push(good_token(sandbox, provider))])
    reason = "UNAUTHENTICATED" if provider == "fcm" else None
    sandbox.fault(provider=provider, status=401, reason=reason, times=30)
    answers = deliver(transport, one, [push(good_token(sandbox, provider, number), number) for number in range(30)])
    assert {answer.verdict for answer in answers} == {Verdict.DELIVERED}
    assert sandbox.stats()["token_requests"] == {provider: 2}
    assert sandbox.stats()["total"] == 61


@pytest.mark.parametrize("provider", ["fcm", "wns"])
def test_without_an_access_token_nothing_is_sent_and_everything_is_tried_again(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, provider: str
) -> None:
    sandbox.fault(provider=provider, endpoint="token", action="status", status=404)
    answers = deliver(transport, opened(provider), [push(good_token(sandbox, provider), n) for n in range(20)])
    assert {(answer.verdict, answer.pause_credential) for answer in answers} == {(Verdict.RETRY, False)}
    assert {answer.code for answer in answers} == {"not-sent.token-404"}
    assert {answer.sent_at for answer in answers} == {None}
    assert sandbox.stats()["total"] == 0


def test_a_wrong_client_secret_pauses_the_credential(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    answer = deliver(transport, opened("wns", secret=b"wrong"), [push(channel(sandbox, "ok"))])[0]
    assert (answer.verdict, answer.pause_credential) == (Verdict.RETRY, True)
    assert "wrong" not in answer.reason
    assert sandbox.stats()["total"] == 0


def test_a_service_account_google_does_not_know_pauses_the_credential(
    sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    account = dict(sandbox.providers["fcm"]["service_account"], client_email="stranger@demo.iam.gserviceaccount.com")
    answer = deliver(transport, opened("fcm", secret=json.dumps(account).encode()), [push("device")])[0]
    assert (answer.verdict, answer.code, answer.pause_credential) == (
        Verdict.RETRY,
        "not-sent.token-invalid_grant",
        True,
    )
    assert sandbox.stats()["total"] == 0


def test_a_token_endpoint_that_hangs_keeps_nobody_longer_than_the_time_out(
    scripted: Script, transport: Transport
) -> None:
    endpoint = scripted(lambda seen: Silence())
    provider = open_provider(
        WnsCredential("id", "secret", endpoint.url, "scope", ("127.0.0.1",), endpoint.ca_path), transport
    )
    answers = deliver(transport, provider, [push(endpoint.url + "/channel", n) for n in range(5)], timeout=0.5)
    assert {(answer.verdict, answer.code) for answer in answers} == {(Verdict.RETRY, "not-sent.timeout")}
    assert all(seen.path != "/channel" for seen in endpoint.seen)


def test_a_fetch_of_a_token_holds_up_no_other_credential(
    scripted: Script, sandbox: SandboxHandle, transport: Transport, opened: Opener
) -> None:
    asked = threading.Event()

    def behave(_seen: Seen) -> Deed:
        asked.set()
        return Silence()

    endpoint = scripted(behave)
    slow = open_provider(WnsCredential("id", "s", endpoint.url, "scope", ("127.0.0.1",), endpoint.ca_path), transport)
    gateway = Gateway(transport, timeout=PATIENCE)
    gateway.send(slow, [push(endpoint.url + "/channel", 1)])
    assert asked.wait(PATIENCE)
    gateway.send(opened("apns"), [push(APNS_TOKEN, 2)])
    assert [answer.index for answer in gateway.answers(PATIENCE / 2)] == [2]


def test_an_answer_without_a_token_is_no_token(scripted: Script, transport: Transport) -> None:
    server = scripted(lambda seen: Reply(200, body=b"<html>"))
    with pytest.raises(TokenUnavailable) as caught:
        client_credentials(transport, pool_of(server), server.url, {"client_id": "a", "client_secret": "sesame"})
    assert not caught.value.failure.permanent
    assert "sesame" not in str(caught.value)
