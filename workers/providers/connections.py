"""Live connections behind one libcurl multi handle: whoever has the handle can use them, and nobody else."""

from __future__ import annotations

import os
import select
import selectors
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pycurl

from tocsin.workers.providers.exchange import Failure, HttpRequest, HttpResult, Pool
from tocsin.workers.providers.transfer import Transfer

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_WANTED = {pycurl.POLL_IN: _READ, pycurl.POLL_OUT: _WRITE, pycurl.POLL_INOUT: _READ | _WRITE}

MAX_CONCURRENT_STREAMS = 1000
"""What APNs allows on one connection; a server that allows less says so itself (RFC 9113, 6.5.2)."""

HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR

NUDGE_AFTER = 0.25
"""Seconds without a sign of life after which libcurl is made to look at its sockets again. It can leave an answer in
its own buffers, when the transfer that read it ends first; no readiness of the socket will ever tell of it then, and
without a nudge the push it belongs to would time out, in doubt."""

MULTIPLEX = 2
"""libcurl's CURLPIPE_MULTIPLEX."""


class Waiting(NamedTuple):
    """A submitted request: ``tag`` and ``sink`` go back with its result; ``deadline``: monotonic seconds."""

    request: HttpRequest
    tag: Any
    sink: Any
    deadline: float


class Connections:
    """Runs transfers on the caller's thread, with the caller's selector."""

    def __init__(self, pool: Pool, ca_path: str, proxy: str, selector: selectors.BaseSelector) -> None:
        self._pool = pool
        self._ca_path = ca_path
        self._proxy = proxy
        self._selector = selector
        self._running: dict[pycurl.Curl, Transfer] = {}
        self._idle: list[Transfer] = []
        self._watched: set[int] = set()
        self._quiet: dict[int, int] = {}
        self._timer: float | None = None
        self._last_run = 0.0
        self._probing = False
        self.last_answer: float | None = None
        self.trusted = False
        self.stalled = False
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, MAX_CONCURRENT_STREAMS)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, pool.max_connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def __len__(self) -> int:
        """How many transfers are under way."""
        return len(self._running)

    @property
    def has_room(self) -> bool:
        """Whether another transfer may begin.

        Until the peer has given an answer, and again after every failure, one request at a time tries it: whatever is
        wrong, the others are not in doubt. Apple, too, allows one stream until the first request has been accepted.
        """
        return len(self._running) < self._pool.max_in_flight if self.trusted else not self._probing

    @property
    def wake_at(self) -> float | None:
        """Monotonic seconds at which ``run_timer`` must be called, None for never."""
        if not self._running:
            return self._timer
        nudge_at = self._last_run + NUDGE_AFTER
        return nudge_at if self._timer is None else min(self._timer, nudge_at)

    def begin(self, waiting: Waiting, timeout: float) -> None:
        """Start a transfer that may take ``timeout`` seconds. Errors: what libcurl will not take as a request."""
        transfer = self._idle.pop() if self._idle else Transfer(self._pool, self._ca_path, self._proxy)
        transfer.begin(waiting.request, waiting.tag, waiting.sink, timeout)
        self._last_run = time.monotonic()
        self._multi.add_handle(transfer.handle)
        self._running[transfer.handle] = transfer
        transfer.is_probe = not self.trusted
        self._probing |= transfer.is_probe

    def hung_up(self) -> bool:
        """Whether a peer has ended a connection that nobody uses, which libcurl would only notice in the next request:
        it takes an HTTP/2 connection with unread input for a live one, even where that input is its end."""
        poll = select.poll()
        for descriptor, identity in list(self._quiet.items()):
            if _identity(descriptor) == identity:
                poll.register(descriptor, HUNG_UP)
            else:
                del self._quiet[descriptor]
        return bool(self._quiet and poll.poll(0))

    def run_socket(self, descriptor: int, events: int) -> None:
        """Let libcurl read and write a socket the selector found ready."""
        flags = (pycurl.CSELECT_IN if events & _READ else 0) | (pycurl.CSELECT_OUT if events & _WRITE else 0)
        self._last_run = time.monotonic()
        self._multi.socket_action(descriptor, flags)

    def run_timer(self, now: float) -> None:
        """Let libcurl do what is due at ``now`` (monotonic seconds)."""
        if self._timer is not None and now >= self._timer:
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        if self._running and now >= self._last_run + NUDGE_AFTER:
            self._last_run = now
            for descriptor in list(self._watched):
                self._multi.socket_action(descriptor, pycurl.CSELECT_IN | pycurl.CSELECT_OUT)

    def finished(self) -> Iterator[tuple[Any, HttpResult]]:
        """(sink, result) of every transfer that has ended since the last call."""
        left = 1
        while left:
            left, answered, failed = self._multi.info_read()
            for handle in answered:
                yield self._settle(handle, 0, "")
            for handle, number, error in failed:
                yield self._settle(handle, number, error)

    def abort(self) -> Iterator[tuple[Any, HttpResult]]:
        """End every transfer that is under way. Yields (sink, result): in doubt if it was sent."""
        for handle in list(self._running):
            yield self._settle(handle, pycurl.E_ABORTED_BY_CALLBACK, "")

    def close(self) -> None:
        """Drop the connections; nothing may be under way."""
        for transfer in self._idle:
            transfer.handle.close()
        self._multi.close()

    def _settle(self, handle: pycurl.Curl, number: int, error: str) -> tuple[Any, HttpResult]:
        transfer = self._running.pop(handle)
        self._multi.remove_handle(handle)
        result = transfer.failed(number, error) if number else transfer.answered()
        self._probing &= not transfer.is_probe
        self.trusted = result.failure is None
        if result.failure is None:
            self.last_answer = result.answered_at
        elif result.cause == "timeout" and result.sent_at is not None:
            # Not one answer since this request left: the peer may be gone without a word, or hang.
            self.stalled |= self.last_answer is None or self.last_answer < result.sent_at
        sink = transfer.sink
        transfer.rest()
        self._idle.append(transfer)
        return sink, result

    def _watch(self, event: int, descriptor: int, _multi: Any, _data: Any) -> None:
        known = descriptor in self._selector.get_map()
        if event == pycurl.POLL_REMOVE:
            self._watched.discard(descriptor)
            if known:
                self._selector.unregister(descriptor)
                self._quiet[descriptor] = _identity(descriptor)
            return
        self._quiet.pop(descriptor, None)
        self._watched.add(descriptor)
        if known:
            self._selector.modify(descriptor, _WANTED[event], self)
        else:
            self._selector.register(descriptor, _WANTED[event], self)

    def _set_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def _identity(descriptor: int) -> int:
    """A number no other socket has while this one is open, 0 if it is closed: descriptors are used again."""
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return 0


def unsent(tag: Any, cause: str, error: str) -> HttpResult:
    """The result of a request that never left the queue."""
    return HttpResult(
        tag=tag,
        status=0,
        header_lines=[],
        body=b"",
        failure=Failure.NOT_SENT,
        cause=cause,
        error=error,
        sent_at=None,
        answered_at=None,
    )
