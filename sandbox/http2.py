"""HTTP/2 (RFC 9113) for an asyncio transport, on the h2 library: many requests at once on each connection."""

import asyncio
import json
import logging
import struct
from contextlib import suppress
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes
from h2.settings import Settings as H2Settings

from tocsin.sandbox.exchange import Answer, Ending, Request
from tocsin.sandbox.http1 import MAX_BODY_BYTES, Respond, add_headers, request_for
from tocsin.sandbox.settings import Settings

log = logging.getLogger(__name__)

# Of the connection as a whole: room for the bodies of all streams without a wait for window updates.
RECEIVE_WINDOW_BYTES = 16 * 1024 * 1024
DEFAULT_WINDOW_BYTES = 65_535
UNLIMITED = 2**31 - 1
# How long a client that was sent away may take to hang up by itself. To hang up first could lose it our last answers.
PARTING_SECONDS = 1.0
GOAWAY_FRAME = 0x7


@dataclass(slots=True)
class OpenStream:
    """A stream whose answer is not sent in full."""

    request: Request
    body: bytearray = field(default_factory=bytearray)
    unsent: bytes = b""
    answering: bool = False


class Http2Protocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, respond: Respond, settings: Settings, client_topic: str = "", development: bool = False) -> None:
        self._respond = respond
        self._settings = settings
        self._client_topic = client_topic
        self._development = development
        self._connection = H2Connection(
            H2Configuration(client_side=False, header_encoding="latin-1", validate_outbound_headers=False)
        )
        self._streams: dict[int, OpenStream] = {}
        self._last_stream: int | None = None
        self._flush_is_due = False
        one_stream = settings.one_stream_until_authenticated and not client_topic
        self._allowed_streams = 1 if one_stream else settings.max_streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._idle_timer = self._loop.call_later(self._settings.idle_seconds, self._check_idle)
        self._announce()
        self._flush()

    def connection_lost(self, _: Exception | None) -> None:
        self._streams.clear()
        self._idle_timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            events = self._connection.receive_data(data)
            for event in events:
                self._handle(event)
        except ProtocolError as error:
            log.info("an HTTP/2 client broke the protocol: %s", error)
            self._flush()
            self._transport.close()
        else:
            self._flush()

    def pause_writing(self) -> None:
        """A peer that does not read its answers is not read either."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def leave(self, reason: str = "Shutdown") -> None:
        """Send the client away (GOAWAY with Apple's debug data), and close when the open streams are answered."""
        if self._last_stream is not None or self._transport.is_closing():
            return
        self._last_stream = self._connection.highest_inbound_stream_id
        self._flush()
        self._transport.write(_goaway(self._last_stream, reason))
        self._part_if_done()

    def _announce(self) -> None:
        """Send our settings. The limit on streams is kept by refusing single streams, not by h2, which would cut the
        connection of a client that opened streams before it could know the limit."""
        limit = {SettingCodes.MAX_CONCURRENT_STREAMS: self._allowed_streams}
        self._connection.local_settings = H2Settings(client=False, initial_values=limit)
        self._connection.initiate_connection()
        unlimited = {SettingCodes.MAX_CONCURRENT_STREAMS: UNLIMITED}
        self._connection.local_settings = H2Settings(client=False, initial_values=unlimited)
        self._connection.increment_flow_control_window(RECEIVE_WINDOW_BYTES - DEFAULT_WINDOW_BYTES)

    def _handle(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._open(event)
            case DataReceived():
                self._take_data(event)
            case StreamEnded():
                self._answer(event.stream_id)
            case StreamReset():
                self._streams.pop(event.stream_id or 0, None)
                self._part_if_done()
            case WindowUpdated() | RemoteSettingsChanged():
                self._resume_bodies()
            case ConnectionTerminated():
                self._transport.close()

    def _open(self, event: RequestReceived) -> None:
        assert event.stream_id is not None
        if self._is_refused(event.stream_id):
            self._reset(event.stream_id, ErrorCodes.REFUSED_STREAM)
        else:
            self._streams[event.stream_id] = OpenStream(self._request(event))

    def _is_refused(self, stream_id: int) -> bool:
        sent_away = self._last_stream is not None and stream_id > self._last_stream
        return sent_away or len(self._streams) >= self._allowed_streams

    def _request(self, event: RequestReceived) -> Request:
        headers = [(str(name), str(value)) for name, value in event.headers or ()]
        pseudo = {name: value for name, value in headers if name[0] == ":"}
        request = request_for(pseudo.get(":method", ""), pseudo.get(":path", ""))
        request.client_topic, request.development = self._client_topic, self._development
        add_headers(request, [header for header in headers if header[0][0] != ":"])
        request.headers.setdefault("host", pseudo.get(":authority", ""))
        return request

    def _take_data(self, event: DataReceived) -> None:
        assert event.stream_id is not None
        self._connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        stream.body += event.data or b""
        if len(stream.body) > MAX_BODY_BYTES:
            self._send(event.stream_id, Answer(413))
            self._reset(event.stream_id, ErrorCodes.NO_ERROR)

    def _answer(self, stream_id: int | None) -> None:
        stream = self._streams.get(stream_id or 0)
        if stream is None or stream_id is None:
            return
        stream.request.body = bytes(stream.body)
        answer = self._respond(stream.request)
        if answer.delay > 0:
            self._loop.call_later(answer.delay, self._finish_late, stream_id, answer)
        else:
            self._finish(stream_id, answer)

    def _finish_late(self, stream_id: int, answer: Answer) -> None:
        """Answers that fall due together leave in one write."""
        self._finish(stream_id, answer)
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _finish(self, stream_id: int, answer: Answer) -> None:
        if stream_id not in self._streams:
            return
        match answer.ending:
            case Ending.HANG:
                return
            case Ending.CLOSE:
                self._transport.abort()
            case Ending.RESET:
                self._reset(stream_id, answer.error_code)
            case Ending.ANSWER:
                self._send(stream_id, answer)
            case Ending.GOAWAY:
                self._send(stream_id, answer)
                self.leave()

    def _reset(self, stream_id: int, error_code: int) -> None:
        with suppress(ProtocolError):
            self._connection.reset_stream(stream_id, error_code)
        self._close_stream(stream_id)

    def _send(self, stream_id: int, answer: Answer) -> None:
        headers = [(":status", str(answer.status)), *answer.headers]
        stream = self._streams[stream_id]
        try:
            self._connection.send_headers(stream_id, headers, end_stream=not answer.body)
        except ProtocolError:
            # The client reset the stream in the same breath: h2 has read that already, and we come to it only now.
            self._close_stream(stream_id)
            return
        stream.unsent, stream.answering = answer.body, True
        self._send_body(stream_id, stream)
        if answer.authenticated:
            self._allow_all_streams()

    def _send_body(self, stream_id: int, stream: OpenStream) -> None:
        """As much of the body as the client's windows take; the rest waits for a window update."""
        while stream.unsent:
            room = min(self._connection.local_flow_control_window(stream_id), self._connection.max_outbound_frame_size)
            if room <= 0:
                return
            part, stream.unsent = stream.unsent[:room], stream.unsent[room:]
            self._connection.send_data(stream_id, part, end_stream=not stream.unsent)
        self._close_stream(stream_id)

    def _resume_bodies(self) -> None:
        for stream_id, stream in list(self._streams.items()):
            if stream.answering:
                # As above: the stream may be closed already.
                with suppress(StreamClosedError):
                    self._send_body(stream_id, stream)

    def _allow_all_streams(self) -> None:
        if self._allowed_streams != self._settings.max_streams:
            self._allowed_streams = self._settings.max_streams
            self._connection.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._allowed_streams})

    def _close_stream(self, stream_id: int) -> None:
        self._streams.pop(stream_id, None)
        self._part_if_done()

    def _part_if_done(self) -> None:
        if self._last_stream is not None and not self._streams:
            self._loop.call_later(PARTING_SECONDS, self._transport.close)

    def _check_idle(self) -> None:
        quiet = self._loop.time() - self._heard_at
        if quiet >= self._settings.idle_seconds and not self._streams:
            self.leave("IdleTimeout")
            return
        wait = max(self._settings.idle_seconds - quiet, 0.05)
        self._idle_timer = self._loop.call_later(wait, self._check_idle)

    def _flush(self) -> None:
        self._flush_is_due = False
        data = self._connection.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)


def _goaway(last_stream: int, reason: str) -> bytes:
    """A GOAWAY frame (RFC 9113, section 6.8) for no error.

    Not through h2, which takes a connection to be closed as soon as it has sent one, and then answers no open stream.
    """
    payload = struct.pack(">LL", last_stream, ErrorCodes.NO_ERROR) + json.dumps({"reason": reason}).encode()
    length = struct.pack(">L", len(payload))[1:]
    return length + struct.pack(">BBL", GOAWAY_FRAME, 0, 0) + payload
