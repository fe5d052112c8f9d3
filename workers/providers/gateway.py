"""Delivery's way out: pushes in, answers back, tokens renewed on the way.

A gateway belongs to one thread, and serves any number of credentials. It never blocks in ``send``: pushes that need a
token which is being fetched wait inside, and go out when it is there.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from weakref import WeakSet

from tocsin.workers.providers.exchange import HttpRequest, HttpResult
from tocsin.workers.providers.port import Answer, Provider, Push, TokenRefused
from tocsin.workers.providers.reading import no_token, refused_here, unreadable
from tocsin.workers.providers.tokens import Bearer, TokenFailure
from tocsin.workers.providers.transport import ChannelFull, Transport

log = logging.getLogger(__name__)

TOO_LATE = TokenFailure("timeout", "no access token came in time", permanent=False)


@dataclass(frozen=True, slots=True)
class Errand:
    """A push on its way. ``deadline``: monotonic seconds. ``bearer``: the token it went out with; ``renewed``: it has
    had its second token."""

    provider: Provider
    push: Push
    deadline: float
    bearer: Bearer | None = None
    renewed: bool = False


class Gateway:
    """Sends pushes through ``transport``, at most ``capacity`` at a time.

    Every push has its answer within ``timeout`` seconds of ``send``, waiting for a token and a second try with a new
    one included: a lease that is longer cannot run out under it.
    """

    def __init__(self, transport: Transport, capacity: int = 4096, timeout: float = 30.0) -> None:
        self._channel = transport.channel(capacity)
        self._timeout = timeout
        self._parked: dict[Provider, deque[Errand]] = {}
        self._heard: WeakSet[Provider] = WeakSet()
        self._ready: list[Answer] = []

    @property
    def room(self) -> int:
        """How many pushes ``send`` takes now. Claim no more than that."""
        return self._channel.room - len(self._ready) - sum(map(len, self._parked.values()))

    @property
    def in_flight(self) -> int:
        """How many pushes have not been answered yet."""
        return self._channel.outstanding + len(self._ready) + sum(map(len, self._parked.values()))

    def send(self, provider: Provider, pushes: Iterable[Push]) -> None:
        """Send ``pushes``; each gets exactly one answer. Does not block. Errors: ChannelFull, and none is sent."""
        deadline = time.monotonic() + self._timeout
        errands = [Errand(provider, push, deadline) for push in pushes]
        if len(errands) > self.room:
            raise ChannelFull(f"room for {self.room} pushes, not for {len(errands)}: collect answers first")
        self._listen(provider)
        self._dispatch(provider, errands)

    def answers(self, timeout: float) -> list[Answer]:
        """The answers that have come; waits up to ``timeout`` seconds for the first one."""
        deadline = time.monotonic() + timeout
        while True:
            self._unpark()
            patience = 0.0 if self._ready else self._patience(deadline)
            for result in self._channel.results(patience):
                self._settle(result)
            self._unpark()
            if self._ready or time.monotonic() >= deadline:
                answers, self._ready = self._ready, []
                return answers

    def _patience(self, deadline: float) -> float:
        """Seconds to wait for results: to ``deadline``, or to that of the first push that waits for a token."""
        due = [deadline, *(errands[0].deadline for errands in self._parked.values() if errands)]
        return max(0.0, min(due) - time.monotonic())

    def _listen(self, provider: Provider) -> None:
        if provider not in self._heard:
            self._heard.add(provider)
            provider.tokens.listen(self._channel.nudge)

    def _dispatch(self, provider: Provider, errands: Iterable[Errand]) -> None:
        """Submit what can go, park what waits for a token, answer what cannot have one."""
        now = time.time()
        bearer = provider.tokens.current(now)
        if bearer is None:
            self._parked.setdefault(provider, deque()).extend(errands)
        elif isinstance(bearer, TokenFailure):
            self._ready += [no_token(errand.push, bearer) for errand in errands]
        else:
            self._submit(provider, errands, bearer, now)

    def _submit(self, provider: Provider, errands: Iterable[Errand], bearer: Bearer, now: float) -> None:
        requests = []
        for errand in errands:
            made = _request(provider, errand.push, bearer, now)
            if isinstance(made, HttpRequest):
                errand = Errand(provider, errand.push, errand.deadline, bearer, errand.renewed)
                requests.append((made, errand, errand.deadline))
            else:
                self._ready.append(made)
        self._channel.submit_all(requests)

    def _unpark(self) -> None:
        for provider in list(self._parked):
            self._dispatch(provider, self._parked.pop(provider))
        for errands in self._parked.values():
            while errands and errands[0].deadline <= time.monotonic():
                self._ready.append(no_token(errands.popleft().push, TOO_LATE))

    def _settle(self, result: HttpResult) -> None:
        errand: Errand = result.tag
        outcome = _read(errand, result)
        if isinstance(outcome, Answer):
            self._ready.append(outcome)
        elif not errand.renewed and self._renew(errand):
            self._dispatch(errand.provider, [replace(errand, renewed=True)])
        else:
            self._ready.append(outcome.answer)

    def _renew(self, errand: Errand) -> bool:
        return errand.bearer is not None and errand.provider.tokens.refuse(errand.bearer, time.time())


def _read(errand: Errand, result: HttpResult) -> Answer | TokenRefused:
    try:
        return errand.provider.answer(errand.push, result)
    except Exception:
        # Nor must an answer nobody foresaw: what the others were answered would be lost with it, and sent again.
        log.exception("an answer of %s could not be read", errand.provider.name)
        return unreadable(errand.push, result)


def _request(provider: Provider, push: Push, bearer: Bearer, now: float) -> HttpRequest | Answer:
    try:
        return provider.request(push, bearer, now)
    except Exception:
        # One message that cannot be rendered must not stop the thousand others of its claim.
        log.exception("a push for %s could not be rendered", provider.name)
        return refused_here(push, "unrenderable", "the message could not be rendered for the provider")
