"""HTTP/2 for all three providers: one thread, any number of pools, each request sent at most once.

The thread owns every connection. Others hand it requests through a Channel and take results from it; a channel never
holds more than its capacity, so nobody can outrun the network.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import selectors
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

import certifi

from tocsin.workers.providers.connections import Connections, Waiting, unsent
from tocsin.workers.providers.exchange import HttpRequest, HttpResult, Pool
from tocsin.workers.providers.pools import Traffic

log = logging.getLogger(__name__)

IDLE_POOL_AFTER = 600.0
"""Seconds without a request after which a pool's connections are closed."""


class TransportClosed(RuntimeError):
    """The transport takes no more requests."""


class ChannelFull(RuntimeError):
    """More requests than the channel has room for; collect results first."""


class Transport:
    """Sends requests on a thread of its own until it is closed.

    ``proxy``: an ``http://`` or ``socks5://`` address, or empty for none; the environment's proxy variables are not
    read. A process that forks must create its transport afterwards.
    """

    def __init__(self, *, proxy: str = "") -> None:
        self._proxy = proxy
        self._selector = selectors.DefaultSelector()
        self._traffic: dict[tuple[Pool, str], Traffic] = {}
        self._inbox: deque[Waiting] = deque()
        self._outbox: dict[Channel, list[HttpResult]] = {}
        self._closing: float | None = None
        self._stopped = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="transport", daemon=True)
        self._thread.start()

    def channel(self, capacity: int = 4096) -> Channel:
        """A new way in and out, for one thread at a time, holding at most ``capacity`` requests."""
        return Channel(self, capacity)

    def call(self, request: HttpRequest) -> HttpResult:
        """Send one request and wait for its result; for whoever has a thread to block."""
        channel = self.channel(1)
        channel.submit(request, None)
        return channel.wait()

    def close(self, grace: float = 5.0) -> None:
        """Stop: wait up to ``grace`` seconds for answers under way, then end every connection.

        Whatever was not answered gets its result all the same: in doubt if it was sent, not sent otherwise.
        """
        with self._lock:
            if self._closing is None:
                self._closing = time.monotonic() + grace
            self._wake()
        self._thread.join()

    def __enter__(self) -> Transport:
        """The transport itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close without waiting when an exception flies, with the usual grace otherwise."""
        self.close(0.0 if kind else 5.0)

    def accept(self, submissions: Iterable[Waiting]) -> None:
        """Take requests from a channel; TransportClosed once closing has begun."""
        with self._lock:
            if self._closing is not None:
                raise TransportClosed("the transport is closed and sends nothing any more")
            self._inbox.extend(submissions)
            self._wake()

    def _wake(self) -> None:
        # Under the lock, as the descriptor's number may belong to somebody else once it is closed. A full pipe is fine:
        # the thread is about to wake up anyway.
        if not self._stopped:
            with contextlib.suppress(BlockingIOError):
                os.write(self._wake_write, b"!")

    def _run(self) -> None:
        try:
            while not self._may_stop():
                self._admit()
                self._transfer()
                self._collect()
                self._drop_idle()
        except Exception:
            log.exception("the transport broke down; nothing is sent any more")
        finally:
            self._shut_down()

    def _may_stop(self) -> bool:
        if self._closing is None:
            return False
        busy = self._inbox or any(traffic.busy for traffic in self._traffic.values())
        return not busy or time.monotonic() >= self._closing

    def _admit(self) -> None:
        while self._inbox:
            waiting = self._inbox.popleft()
            self._of(waiting.request).add(waiting)
        for traffic in self._traffic.values():
            self._post(traffic.start())
        self._deliver()

    def _of(self, request: HttpRequest) -> Traffic:
        pool, url = request.pool, request.url
        key = (pool, url[: url.find("/", len("https://"))])
        traffic = self._traffic.get(key)
        if traffic is None:
            ca_path = pool.ca_path or public_authorities()
            traffic = Traffic(pool, lambda: Connections(pool, ca_path, self._proxy, self._selector))
            self._traffic[key] = traffic
        return traffic

    def _transfer(self) -> None:
        for key, events in self._selector.select(self._patience()):
            if key.data is None:
                self._drain_wakes()
            else:
                key.data.run_socket(key.fd, events)
        now = time.monotonic()
        for traffic in self._traffic.values():
            traffic.run_timers(now)

    def _patience(self) -> float | None:
        """Seconds until something is due without any socket being ready; None for never."""
        due = [at for traffic in self._traffic.values() if (at := traffic.wake_at) is not None]
        if self._closing is not None:
            due.append(self._closing)
        if self._traffic:
            due.append(time.monotonic() + IDLE_POOL_AFTER)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _drain_wakes(self) -> None:
        while True:
            try:
                if len(os.read(self._wake_read, 4096)) < 4096:
                    return
            except BlockingIOError:
                return

    def _collect(self) -> None:
        for traffic in self._traffic.values():
            self._post(traffic.finished())
        self._deliver()

    def _post(self, results: Iterator[tuple[Channel, HttpResult]]) -> None:
        for channel, result in results:
            self._outbox.setdefault(channel, []).append(result)

    def _deliver(self) -> None:
        for channel, results in self._outbox.items():
            channel.receive(results)
        self._outbox.clear()

    def _drop_idle(self) -> None:
        limit = time.monotonic() - IDLE_POOL_AFTER
        for key, traffic in list(self._traffic.items()):
            if not traffic.busy and (traffic.last_used < limit or not traffic.proven):
                self._post(traffic.close())
                del self._traffic[key]

    def _shut_down(self) -> None:
        with self._lock:
            self._closing = self._closing or time.monotonic()
        for traffic in self._traffic.values():
            self._post(traffic.close())
        for waiting in self._inbox:
            self._outbox.setdefault(waiting.sink, []).append(unsent(waiting.tag, "closed", "the transport was closed"))
        self._deliver()
        self._selector.close()
        with self._lock:
            self._stopped = True
            os.close(self._wake_read)
            os.close(self._wake_write)


class Channel:
    """One user's requests and results. Not for several threads at once."""

    def __init__(self, transport: Transport, capacity: int) -> None:
        self._transport = transport
        self._capacity = capacity
        self._outstanding = 0
        self._arrived: queue.SimpleQueue[list[HttpResult]] = queue.SimpleQueue()

    @property
    def room(self) -> int:
        """How many more requests may be submitted before results must be collected."""
        return self._capacity - self._outstanding

    @property
    def outstanding(self) -> int:
        """How many results have not been collected."""
        return self._outstanding

    def submit(self, request: HttpRequest, tag: Any) -> None:
        """Send ``request``; exactly one result with ``tag`` will come back, whatever happens."""
        self.submit_all([(request, tag, time.monotonic() + request.timeout)])

    def submit_all(self, requests: list[tuple[HttpRequest, Any, float]]) -> None:
        """Send several (request, tag, deadline in monotonic seconds).

        Errors: ChannelFull, and none sent, when there is no room for all of them.
        """
        if len(requests) > self.room:
            raise ChannelFull(f"room for {self.room} requests, not for {len(requests)}: collect results first")
        self._transport.accept([Waiting(request, tag, self, deadline) for request, tag, deadline in requests])
        self._outstanding += len(requests)

    def results(self, timeout: float) -> list[HttpResult]:
        """What has come back; waits up to ``timeout`` seconds for the first, and takes the rest that is there."""
        collected: list[HttpResult] = []
        try:
            collected += self._arrived.get(timeout=timeout) if timeout > 0 else self._arrived.get_nowait()
            while True:
                collected += self._arrived.get_nowait()
        except queue.Empty:
            self._outstanding -= len(collected)
            return collected

    def wait(self) -> HttpResult:
        """Wait for the next result, however long its request may take."""
        results = self._arrived.get()
        self._outstanding -= len(results)
        return results[0]

    def nudge(self) -> None:
        """Make ``results`` return early, from any thread."""
        self._arrived.put([])

    def receive(self, results: list[HttpResult]) -> None:
        """Called by the transport's thread."""
        self._arrived.put(results)


def public_authorities() -> str:
    """The PEM file of public certificate authorities: the system's, or else certifi's."""
    return ssl.get_default_verify_paths().cafile or certifi.where()
