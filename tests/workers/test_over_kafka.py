"""The same send over a real broker: the relay publishes, the roles consume."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from company import PROVIDERS, deciding, delivering, running
from scene import Scene, eventually

from tocsin.domain.lanes import LANES
from tocsin.eventlog.stream.kafka import KafkaStream
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.port import Stream, work_topic
from tocsin.workers import relay

TOPICS = [work_topic(provider, lane) for provider in PROVIDERS for lane in LANES]


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap, topic_prefix=f"test-{uuid.uuid4().hex[:8]}.")


@contextmanager
def kafka(scene: Scene, settings: KafkaSettings) -> Iterator[Stream]:
    """A stream through the broker, with its relay."""
    stream = KafkaStream(settings, scene.database_url, partitions=4)
    try:
        with running(relay.run, scene.database_url, settings, work_topics=TOPICS):
            yield stream
    finally:
        stream.close()


def test_a_send_is_carried_over_kafka_and_a_rewound_topic_calls_no_provider(
    scene: Scene, settings: KafkaSettings
) -> None:
    for provider in PROVIDERS:
        scene.phones(40, provider=provider)
    with kafka(scene, settings) as stream, deciding(scene, stream, chunk_size=20), delivering(scene, stream):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"delivered": 120}
    before = scene.entries(send_id)
    with psycopg.connect(scene.database_url) as connection:
        connection.execute("update record.consumer_cursors set position = 0, bookmark = 0")
    with kafka(scene, settings) as stream, deciding(scene, stream), delivering(scene, stream):
        eventually(lambda: _lowest(scene) >= before[-1].position, "every topic was read again")
    assert scene.sandbox.stats()["total"] == 120
    assert scene.entries(send_id) == before


def _lowest(scene: Scene) -> int:
    with psycopg.connect(scene.database_url) as connection:
        row = connection.execute("select min(position) from record.consumer_cursors").fetchone()
    assert row is not None
    return int(row[0])
