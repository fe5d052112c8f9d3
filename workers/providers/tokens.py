"""Bearer tokens: where one is kept, renewed ahead of its expiry, and fetched once for however many pushes wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

log = logging.getLogger(__name__)

RENEW_AHEAD = 300.0
"""Seconds before its expiry at which a token is replaced, while the old one still serves; of a token that lives for
less than 20 minutes, a quarter of its life."""

REFUSED_AGAIN_AFTER = 1200.0
"""Seconds during which a second refused token is taken as the credential's fault, not the token's. Apple forbids
more than one new provider token in 20 minutes ("Establishing a token-based connection to APNs")."""


@dataclass(frozen=True)
class Bearer:
    """An access token, valid from ``issued_at`` to ``expires_at`` (unix seconds). Empty: none is needed."""

    value: str = field(repr=False)
    issued_at: float
    expires_at: float

    @property
    def renew_at(self) -> float:
        """Unix seconds from which a successor is fetched."""
        return self.expires_at - min(RENEW_AHEAD, (self.expires_at - self.issued_at) / 4)


@dataclass(frozen=True)
class TokenFailure:
    """No token could be had. ``permanent``: the credential itself is wrong. ``retry_after``: seconds."""

    code: str
    reason: str
    permanent: bool
    retry_after: float = 5.0


class TokenUnavailable(Exception):
    """Raised by a fetch; carries the failure."""

    def __init__(self, failure: TokenFailure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class TokenSource(Protocol):
    """Hands out bearer tokens without ever blocking the caller."""

    def current(self, now: float) -> Bearer | TokenFailure | None:
        """A token to use; the failure of the last attempt; None while one is being fetched."""
        ...

    def refuse(self, bearer: Bearer, now: float) -> bool:
        """The provider did not take this token. True: ``current`` will offer another one, try once more."""
        ...

    def listen(self, changed: Callable[[], None]) -> None:
        """``changed`` is called, on any thread, when a fetch has ended."""
        ...


class NoTokens:
    """For connections that prove themselves by a client certificate."""

    _none = Bearer(value="", issued_at=0.0, expires_at=float("inf"))

    def current(self, now: float) -> Bearer:  # noqa: ARG002 - the port's signature
        """Always the empty token."""
        return self._none

    def refuse(self, bearer: Bearer, now: float) -> bool:  # noqa: ARG002 - the port's signature
        """There is no other token to offer."""
        return False

    def listen(self, changed: Callable[[], None]) -> None:
        """Nothing ever changes."""


class Refusals:
    """Lets one refused token in REFUSED_AGAIN_AFTER seconds be replaced, and no more."""

    def __init__(self) -> None:
        self._replaced_at = float("-inf")

    def replaceable(self, now: float) -> bool:
        """Whether a token refused at ``now`` may be replaced; if so, remembers it."""
        if now - self._replaced_at < REFUSED_AGAIN_AFTER:
            return False
        self._replaced_at = now
        return True


class SignedTokens:
    """Tokens this process signs itself: no I/O, one at a time, replaced at ``lifetime`` seconds."""

    def __init__(self, sign: Callable[[float], str], lifetime: float) -> None:
        self._sign = sign
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._refusals = Refusals()
        self._bearer: Bearer | None = None

    def current(self, now: float) -> Bearer:
        """The token in use, or a new one when that is older than its lifetime."""
        with self._lock:
            if self._bearer is None or now >= self._bearer.expires_at:
                self._bearer = Bearer(self._sign(now), now, now + self._lifetime)
            return self._bearer

    def refuse(self, bearer: Bearer, now: float) -> bool:
        """Forget ``bearer`` unless it has been replaced already."""
        with self._lock:
            if self._bearer is not bearer:
                return True
            if not self._refusals.replaceable(now):
                return False
            self._bearer = None
            return True

    def listen(self, changed: Callable[[], None]) -> None:
        """Signing never takes time."""


class FetchedTokens:
    """Tokens asked for over the network, on a thread of their own, once for all that wait.

    ``fetch`` blocks, and returns a Bearer or raises TokenUnavailable.
    """

    def __init__(self, name: str, fetch: Callable[[], Bearer]) -> None:
        self._name = name
        self._fetch = fetch
        self._lock = threading.Lock()
        self._refusals = Refusals()
        self._listeners: list[Callable[[], None]] = []
        self._fetching = False
        self._bearer: Bearer | None = None
        self._failure: TokenFailure | None = None
        self._quiet_until = float("-inf")

    def current(self, now: float) -> Bearer | TokenFailure | None:
        """A valid token, renewed in the background ahead of its expiry; else a fresh failure; else None."""
        with self._lock:
            bearer = self._bearer
            if bearer is None or now >= bearer.renew_at:
                self._start(now)
            if bearer is not None and now < bearer.expires_at:
                return bearer
            return None if self._fetching else self._failure

    def refuse(self, bearer: Bearer, now: float) -> bool:
        """Forget ``bearer`` unless it has been replaced already."""
        with self._lock:
            if self._bearer is not bearer:
                return True
            if not self._refusals.replaceable(now):
                return False
            self._bearer = None
            self._quiet_until = float("-inf")
            return True

    def listen(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` after every fetch."""
        with self._lock:
            self._listeners.append(changed)

    def _start(self, now: float) -> None:
        if self._fetching or now < self._quiet_until:
            return
        self._fetching = True
        threading.Thread(target=self._run, name=f"token {self._name}", daemon=True).start()

    def _run(self) -> None:
        outcome = self._attempt()
        with self._lock:
            self._fetching = False
            if isinstance(outcome, Bearer):
                self._bearer, self._failure = outcome, None
            else:
                self._failure = outcome
                self._quiet_until = time.time() + outcome.retry_after
            listeners = list(self._listeners)
        for changed in listeners:
            changed()

    def _attempt(self) -> Bearer | TokenFailure:
        try:
            return self._fetch()
        except TokenUnavailable as unavailable:
            log.warning("no access token for %s: %s", self._name, unavailable.failure.reason)
            return unavailable.failure
        except Exception:
            # Whatever went wrong, those who wait must hear of it: a silent thread would park their pushes for ever.
            log.exception("fetching the access token of %s failed", self._name)
            return TokenFailure("token-fetch-failed", "the access token could not be fetched", permanent=False)
