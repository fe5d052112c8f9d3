"""The connections to the push ports: which protocol was agreed on, and whose client certificate was shown."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any

from tocsin.sandbox.http1 import Http1Protocol, Respond
from tocsin.sandbox.http2 import Http2Protocol
from tocsin.sandbox.settings import Settings

SpokenProtocol = Http1Protocol | Http2Protocol


@dataclass
class ConnectionFactory:
    """Makes the protocol of each new connection, and knows those that are open."""

    respond: Respond
    settings: Settings
    open: dict[asyncio.Transport, SpokenProtocol] = field(default_factory=dict)

    def connect(self, development: bool) -> asyncio.Protocol:
        """A protocol for a connection whose TLS handshake is still to come."""
        return Agreement(self, development)

    def speak(self, transport: asyncio.Transport, development: bool) -> SpokenProtocol:
        """The protocol that client and server agreed on in the handshake (ALPN, RFC 7301)."""
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        topic = _certified_topic(tls.getpeercert())
        if tls.selected_alpn_protocol() == "h2":
            return Http2Protocol(self.respond, self.settings, topic, development)
        return Http1Protocol(self.respond, topic, development)

    def leave(self) -> None:
        for protocol in list(self.open.values()):
            protocol.leave()

    def abort(self) -> None:
        for transport in list(self.open):
            transport.abort()


class Agreement(asyncio.Protocol):
    """Stands in front of a connection's real protocol, which is known only after the TLS handshake."""

    def __init__(self, factory: ConnectionFactory, development: bool) -> None:
        self._factory = factory
        self._development = development

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._protocol = self._factory.open[transport] = self._factory.speak(transport, self._development)
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._factory.open.pop(self._transport, None)
        self._protocol.connection_lost(exc)


def _certified_topic(certificate: dict[str, Any] | None) -> str:
    """The app's id in an APNs client certificate: its subject's user id."""
    for relative_name in (certificate or {}).get("subject", ()):
        for kind, value in relative_name:
            if kind in ("UID", "userId"):
                return str(value)
    return ""
