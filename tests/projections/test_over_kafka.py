"""The same read models over Kafka, through a relay: followed, rebuilt, and followed on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from campus import Campus
from history import History
from patience import PATIENCE
from psycopg import Connection

from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.kafka import KafkaStream
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.port import Stream
from tocsin.projections.fingerprint import fingerprint
from tocsin.projections.rebuild import rebuild
from tocsin.projections.registry import NAMES
from tocsin.projections.runner import run
from tocsin.projections.waiting import Waiter
from tocsin.workers.relay import run as relay


@pytest.fixture
def kafka_stream(migrated_database_url: str, kafka_bootstrap: str) -> Iterator[Stream]:
    """A stream of topics of its own, with a relay that fills them."""
    settings = KafkaSettings(kafka_bootstrap, f"tocsin.{uuid4().hex}.")
    stream = KafkaStream(settings, migrated_database_url, partitions=4)
    stop = threading.Event()
    relaying = threading.Thread(target=relay, args=(migrated_database_url, settings, stop))
    relaying.start()
    yield stream
    stop.set()
    relaying.join()
    stream.close()


def test_read_models_follow_the_record_through_kafka_and_carry_on_after_a_rebuild(
    record: Record, history: History, connection: Connection[Any], waiter: Waiter, kafka_stream: Stream
) -> None:
    campus = Campus(history, seed=8)
    stop = threading.Event()
    projecting = threading.Thread(target=run, args=(kafka_stream, record, NAMES, stop))
    projecting.start()
    campus.live(200)
    assert waiter.wait_for(history.position, NAMES, timeout=PATIENCE)
    rebuild(record, NAMES)
    campus.live(200)
    assert waiter.wait_for(history.position, NAMES, timeout=PATIENCE)
    stop.set()
    projecting.join()
    followed = {name: fingerprint(connection, name) for name in NAMES}
    rebuild(record, NAMES)
    assert {name: fingerprint(connection, name) for name in NAMES} == followed
