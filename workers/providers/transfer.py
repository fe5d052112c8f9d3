"""One libcurl transfer, and the proof of whether its request can have reached the provider.

libcurl repeats a request by itself in three cases: a reused connection that dies before the first byte of the answer,
a stream refused by the server, and HTTP_1_1_REQUIRED. The first may show a push twice, so none is allowed: the
pre-request callback runs once before every transfer of a request to a live connection, and the second time aborts.
The same callback is the proof of NOT_SENT: while it has not run, nothing has left.
"""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING, Any

import pycurl

from tocsin.workers.providers.exchange import Failure, HttpRequest, HttpResult

if TYPE_CHECKING:
    from tocsin.workers.providers.exchange import Pool

MAX_BODY = 64 * 1024
"""Bytes of an answer that are kept; the rest is read and dropped."""

DEAD_PEER_AFTER_MS = 20_000
"""Unacknowledged data for this long ends a connection, as its peer has vanished without a word."""

REFUSED = re.compile(rb"HTTP/2 stream \d+ refused by server, try again on a new connection\n?")
"""libcurl's note when a stream was closed with REFUSED_STREAM, by the server or by a GOAWAY below its id: RFC 9113
(8.7, 6.8) promises that such a request was not processed. Were the note ever reworded, it would count as in doubt."""

HANDSHAKE_ALERTS = ("alert bad certificate", "alert certificate", "alert unknown ca", "alert access denied")
"""TLS alerts by which a server refuses a client certificate. In TLS 1.3 they arrive after the first requests were
written, which the server cannot have read: it processes nothing before the handshake is complete (RFC 8446, 4.4.2)."""

PROCEED, ABORT = 0, 1
"""What libcurl's pre-request and socket option callbacks return."""

CAUSES = {
    pycurl.E_COULDNT_RESOLVE_HOST: "resolve",
    pycurl.E_COULDNT_RESOLVE_PROXY: "resolve",
    pycurl.E_COULDNT_CONNECT: "connect",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls",
    pycurl.E_SSL_CIPHER: "tls",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
    pycurl.E_SSL_CERTPROBLEM: "certificate",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
}


class Transfer:
    """A curl handle of one pool, used for one request after another."""

    def __init__(self, pool: Pool, ca_path: str, proxy: str) -> None:
        self.handle = pycurl.Curl()
        self.tag: Any = None
        self.sink: Any = None
        self._lines: list[bytes] = []
        self._body: list[bytes] = []
        self._body_size = 0
        self._notes: list[bytes] = []
        self._request_body = b""
        self.sent_at: float | None = None
        self.is_probe = False
        self._set_connection(pool, ca_path, proxy)
        self._set_callbacks()

    def _set_connection(self, pool: Pool, ca_path: str, proxy: str) -> None:
        set_option = self.handle.setopt
        set_option(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS)
        set_option(pycurl.PATH_AS_IS, 1)
        set_option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        set_option(pycurl.PIPEWAIT, 1)
        set_option(pycurl.NOSIGNAL, 1)
        set_option(pycurl.USERAGENT, "tocsin")
        set_option(pycurl.POST, 1)
        set_option(pycurl.FOLLOWLOCATION, 0)
        # An empty string: the environment's proxy variables do not decide where pushes go.
        set_option(pycurl.PROXY, proxy)
        set_option(pycurl.CAINFO, ca_path)
        set_option(pycurl.CONNECTTIMEOUT_MS, 10_000)
        set_option(pycurl.TCP_KEEPALIVE, 1)
        set_option(pycurl.TCP_KEEPIDLE, 30)
        set_option(pycurl.TCP_KEEPINTVL, 15)
        set_option(pycurl.SOCKOPTFUNCTION, _limit_unacknowledged)
        if pool.client_certificate is not None:
            set_option(pycurl.SSLCERT_BLOB, pool.client_certificate)
            set_option(pycurl.SSLKEY_BLOB, pool.client_key)

    def _set_callbacks(self) -> None:
        set_option = self.handle.setopt
        set_option(pycurl.HEADERFUNCTION, self._on_header)
        set_option(pycurl.WRITEFUNCTION, self._on_body)
        set_option(pycurl.PREREQFUNCTION, self._on_request)
        # The notes are read for REFUSED alone. `insert` takes libcurl's (kind, text) as it is, without a Python frame
        # for each of the thirty notes of a transfer: a function of our own here costs twice as much.
        set_option(pycurl.VERBOSE, 1)
        set_option(pycurl.DEBUGFUNCTION, self._notes.insert)

    def begin(self, request: HttpRequest, tag: Any, sink: Any, timeout: float) -> None:
        """Make the handle ready for ``request``, which may take ``timeout`` seconds from now."""
        self.tag, self.sink = tag, sink
        self._lines, self._body, self._body_size = [], [], 0
        self.sent_at = None
        self._request_body = request.body
        self._notes.clear()
        written = "".join(request.headers)
        if not (written.isascii() and written.isprintable()):
            raise ValueError("a header holds something other than printable ASCII")
        set_option = self.handle.setopt
        set_option(pycurl.URL, request.url)
        set_option(pycurl.HTTPHEADER, request.headers)
        set_option(pycurl.POSTFIELDS, request.body)
        set_option(pycurl.TIMEOUT_MS, max(1, int(timeout * 1000)))

    def rest(self) -> None:
        """Let go of the request that has ended: its handle may lie idle for long."""
        self.tag = self.sink = None
        self._request_body = b""

    def _on_request(self, *_addresses: Any) -> int:
        if self.sent_at is not None:
            return ABORT
        self.sent_at = time.monotonic()
        self._notes.clear()
        return PROCEED

    def _on_header(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):
            self._lines = []
        self._lines.append(line)

    def _on_body(self, part: bytes) -> None:
        if self._body_size < MAX_BODY:
            self._body.append(part)
            self._body_size += len(part)

    def answered(self) -> HttpResult:
        """The result of a transfer that libcurl calls complete."""
        return self._result(None, "", "")

    def failed(self, number: int, error: str) -> HttpResult:
        """The result of a transfer that libcurl ended with error ``number``."""
        failure, cause = self._judge(number, error)
        if number == pycurl.E_ABORTED_BY_CALLBACK or not error:
            error = "the connection ended before the answer, and the request was not repeated"
        return self._result(failure, cause, error)

    def _judge(self, number: int, error: str) -> tuple[Failure, str]:
        if self.sent_at is None:
            return Failure.NOT_SENT, CAUSES.get(number, "connect")
        if not self._lines:
            if self._was_refused():
                return Failure.NOT_SENT, "refused"
            if any(alert in error for alert in HANDSHAKE_ALERTS):
                return Failure.NOT_SENT, "certificate"
        return Failure.IN_DOUBT, "timeout" if number == pycurl.E_OPERATION_TIMEDOUT else "cut"

    def _was_refused(self) -> bool:
        # The notes hold the request as well, so a message that quotes the note must not pass for it.
        return any(map(REFUSED.fullmatch, self._notes)) and not REFUSED.search(self._request_body)

    def _result(self, failure: Failure | None, cause: str, error: str) -> HttpResult:
        return HttpResult(
            tag=self.tag,
            status=self.handle.getinfo(pycurl.RESPONSE_CODE) if self._lines else 0,
            header_lines=self._lines,
            body=b"".join(self._body)[:MAX_BODY],
            failure=failure,
            cause=cause,
            error=error,
            sent_at=None if failure is Failure.NOT_SENT else self.sent_at,
            answered_at=time.monotonic() if failure is None else None,
        )


def _limit_unacknowledged(descriptor: int, _purpose: int) -> int:
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        borrowed = socket.socket(fileno=descriptor)
        try:
            borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_AFTER_MS)
        finally:
            borrowed.detach()
    return PROCEED
