"""The delivery worker as a process: what it reads, how it starts, how it stops."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from functools import partial

from tocsin.domain.events.app import ProviderConfigured
from tocsin.domain.lanes import LANES
from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.port import Stream, work_topic
from tocsin.workers.delivery.credentials import Credentials
from tocsin.workers.delivery.desk import Desk
from tocsin.workers.delivery.drafts import Terms
from tocsin.workers.delivery.inbox import Inbox
from tocsin.workers.groups import DELIVERY
from tocsin.workers.intake import Intake
from tocsin.workers.providers.adapters import open_provider
from tocsin.workers.providers.credentials import parse_credential
from tocsin.workers.providers.gateway import Gateway
from tocsin.workers.providers.port import Provider
from tocsin.workers.providers.transport import Transport
from tocsin.workers.runtime import DATABASE_AWAY, RETRY_EVERY, note_absence, persist

log = logging.getLogger(__name__)

WINDOW = 32
"""Work records of one topic a worker has in hand or waiting."""

STOP_WITHIN = 10.0
"""Seconds a worker that was asked to stop waits for answers; what is unanswered then is recorded as in doubt."""


def worker_name() -> str:
    """A name for this process that no other has or ever had."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def run_delivery(
    record: Record,
    stream: Stream,
    stop: threading.Event,
    *,
    providers: Sequence[str],
    lanes: Sequence[str] = LANES,
    terms: Terms | None = None,
    stop_within: float = STOP_WITHIN,
) -> None:
    """Deliver due chunks of these providers and lanes until ``stop`` is set.

    Raises StaleEpoch where the record was restored from a backup.
    """
    agreed = terms or Terms(worker_name())
    inbox = Inbox()
    transport = Transport()
    gateway = Gateway(transport, timeout=agreed.answer_within)
    desk = Desk(record, gateway, inbox, Credentials(record, partial(_open, transport)), agreed)
    intakes = [_intake(record, stream, inbox, provider, lane) for provider in providers for lane in lanes]
    for intake in intakes:
        intake.start()
    try:
        persist("delivery", stop, lambda: _turn(desk, intakes))
    finally:
        for intake in intakes:
            intake.stop()
        _drain(desk, transport, stop_within)
        for intake in intakes:
            intake.close()


def _intake(record: Record, stream: Stream, inbox: Inbox, provider: str, lane: str) -> Intake:
    take = partial(inbox.put, lane)
    return Intake(stream, record.sessions, work_topic(provider, lane), DELIVERY, take, window=WINDOW)


def _open(transport: Transport, configured: ProviderConfigured, secret: bytes) -> Provider:
    return open_provider(parse_credential(configured.provider, configured.configuration, secret), transport)


def _turn(desk: Desk, intakes: Sequence[Intake]) -> float:
    desk.turn()
    for intake in intakes:
        if intake.fault is not None:
            raise intake.fault
    return 0.0


def _drain(desk: Desk, transport: Transport, seconds: float) -> None:
    """Record what is answered in time; then close the transport, which answers for the rest, and record that."""
    _settle(desk, time.monotonic() + seconds)
    transport.close(grace=0.0)
    _settle(desk, time.monotonic() + seconds)


def _settle(desk: Desk, deadline: float) -> None:
    while desk.is_busy and time.monotonic() < deadline:
        try:
            desk.turn(accepting=False)
        except DATABASE_AWAY as away:
            note_absence(log, "what is not recorded yet waits for the database", away)
            time.sleep(RETRY_EVERY)
