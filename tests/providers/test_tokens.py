"""Where tokens are kept: renewed in time, fetched once, and not hammered for."""

from __future__ import annotations

import threading
import time

import pytest
from patience import PATIENCE

from tocsin.workers.providers.tokens import (
    REFUSED_AGAIN_AFTER,
    Bearer,
    FetchedTokens,
    SignedTokens,
    TokenFailure,
    TokenUnavailable,
)


class Issuer:
    """Issues numbered tokens of one hour when it is let."""

    def __init__(self, lifetime: float = 3600.0) -> None:
        self.lifetime = lifetime
        self.asked = 0
        self.open = threading.Event()
        self.fault: Exception | None = None
        self.ended = threading.Semaphore(0)

    def fetch(self) -> Bearer:
        self.asked += 1
        number = self.asked
        assert self.open.wait(PATIENCE)
        if self.fault is not None:
            raise self.fault
        now = time.time()
        return Bearer(f"token {number}", now, now + self.lifetime)

    def tokens(self) -> FetchedTokens:
        tokens = FetchedTokens("test", self.fetch)
        tokens.listen(self.ended.release)
        return tokens

    def wait(self) -> None:
        assert self.ended.acquire(timeout=PATIENCE)


def test_a_token_is_fetched_once_however_often_it_is_asked_for() -> None:
    issuer = Issuer()
    tokens = issuer.tokens()
    assert [tokens.current(time.time()) for _ in range(100)] == [None] * 100
    issuer.open.set()
    issuer.wait()
    found = tokens.current(time.time())
    assert isinstance(found, Bearer)
    assert (found.value, issuer.asked) == ("token 1", 1)


@pytest.mark.parametrize(("lifetime", "ahead"), [(3600.0, 300.0), (8.0, 2.0)])
def test_a_token_is_replaced_ahead_of_its_expiry_while_it_still_serves(lifetime: float, ahead: float) -> None:
    issuer = Issuer(lifetime)
    issuer.open.set()
    tokens = issuer.tokens()
    tokens.current(time.time())
    issuer.wait()
    first = tokens.current(time.time())
    assert isinstance(first, Bearer)
    assert tokens.current(first.expires_at - ahead - 0.1) is first
    assert issuer.asked == 1
    assert tokens.current(first.expires_at - ahead + 0.1) is first
    issuer.wait()
    second = tokens.current(time.time())
    assert isinstance(second, Bearer)
    assert second.value == "token 2"


def test_an_expired_token_is_not_handed_out() -> None:
    issuer = Issuer()
    issuer.open.set()
    tokens = issuer.tokens()
    tokens.current(time.time())
    issuer.wait()
    issuer.open.clear()
    assert tokens.current(time.time() + 3601) is None
    issuer.open.set()


def test_a_failure_is_told_to_all_who_ask_and_the_issuer_left_alone_for_a_while() -> None:
    issuer = Issuer()
    issuer.fault = TokenUnavailable(TokenFailure("token-503", "busy", permanent=False, retry_after=60.0))
    issuer.open.set()
    tokens = issuer.tokens()
    now = time.time()
    tokens.current(now)
    issuer.wait()
    found = [tokens.current(now + 1) for _ in range(10)]
    assert {failure.code for failure in found if isinstance(failure, TokenFailure)} == {"token-503"}
    assert (len(found), issuer.asked) == (10, 1)
    issuer.fault = None
    tokens.current(now + 62)
    issuer.wait()
    assert isinstance(tokens.current(time.time()), Bearer)


def test_a_fetch_that_breaks_is_a_failure_and_not_a_silence() -> None:
    issuer = Issuer()
    issuer.fault = RuntimeError("broken")
    issuer.open.set()
    tokens = issuer.tokens()
    tokens.current(time.time())
    issuer.wait()
    found = tokens.current(time.time())
    assert isinstance(found, TokenFailure)
    assert not found.permanent


def test_a_refused_token_is_replaced_once_and_the_next_refusal_is_the_credentials_fault() -> None:
    signed = SignedTokens(lambda now: f"signed at {now}", 2400.0)
    first = signed.current(1000.0)
    assert signed.refuse(first, 1000.0)
    assert signed.refuse(first, 1000.0), "many pushes went out with it: all of them are sent again with the new one"
    second = signed.current(1001.0)
    assert second.value == "signed at 1001.0"
    assert not signed.refuse(second, 1002.0)
    assert signed.current(1003.0) is second
    assert signed.refuse(second, 1000.0 + REFUSED_AGAIN_AFTER)


def test_a_signed_token_lives_as_long_as_it_should() -> None:
    signed = SignedTokens(lambda now: f"signed at {now}", 2400.0)
    first = signed.current(1000.0)
    assert signed.current(3399.9) is first
    assert signed.current(3400.0) is not first


def test_a_token_does_not_show_when_printed() -> None:
    assert "sesame" not in repr(Bearer("sesame", 0.0, 1.0))
