"""The relay as a worker: leads or waits to lead, and begins again after every failure."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from contextlib import closing

from tocsin.eventlog.stream.broker import BrokerError
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.leader import Leadership
from tocsin.eventlog.stream.membership import RECORD_CHANNEL
from tocsin.eventlog.stream.relay import Deposed, Relay
from tocsin.eventlog.stream.session import CONNECTION_LOST
from tocsin.eventlog.stream.tail import Tail
from tocsin.eventlog.watchdog import watched

logger = logging.getLogger(__name__)

IDLE_WAIT = 0.1
RETRY_WAIT = 0.5


def run(database_url: str, settings: KafkaSettings, stop: threading.Event, work_topics: Collection[str] = ()) -> None:
    """Relay the record to Kafka until ``stop`` is set. Any number may run; one works at a time.

    ``work_topics`` are created and kept current from the start; others are when a chunk is due on them or a consumer
    asks for them.
    """
    with watched("relay"):
        while not stop.is_set():
            try:
                with closing(Leadership(database_url, "relay", RECORD_CHANNEL)) as leadership:
                    _serve(database_url, settings, stop, work_topics, leadership)
            except (Deposed, BrokerError, *CONNECTION_LOST) as failure:
                logger.warning("the relay begins again: %s: %s", type(failure).__name__, str(failure).strip())
                stop.wait(RETRY_WAIT)


def _serve(
    database_url: str,
    settings: KafkaSettings,
    stop: threading.Event,
    work_topics: Collection[str],
    leadership: Leadership,
) -> None:
    while not leadership.acquire():
        if stop.wait(RETRY_WAIT):
            return
    with closing(Tail(database_url)) as tail, closing(Relay(tail, settings, work_topics)) as relay:
        logger.info("this relay leads from position %d", relay.position)
        while not stop.is_set():
            if not relay.step():
                leadership.wait(IDLE_WAIT)
    logger.info("the relay stops")
