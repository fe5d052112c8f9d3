"""The adapter that goes through a real broker, held to the contract, and what is its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from broker.server import Broker
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from record_writer import Event, RecordWriter
from stream_contract import Seen, StreamContract, drain
from stream_spec import PARTITIONS, StreamSpec
from transports import KafkaTransport

from tocsin.eventlog.stream.broker import LARGEST_BODY, TopicMismatch, ensure_topics
from tocsin.eventlog.stream.kafka import KafkaStream
from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.messages import Origin
from tocsin.eventlog.stream.port import EVENTS, Consumer
from tocsin.eventlog.stream.relay import Publisher, RelayCursor
from tocsin.eventlog.stream.tail import Tail

Publish = Callable[[int, int], None]


class TestKafkaStream(StreamContract):
    @pytest.fixture
    def transport(self, record_url: str, kafka_bootstrap: str) -> Iterator[KafkaTransport]:
        transport = KafkaTransport.on_topics_of_its_own(record_url, kafka_bootstrap)
        transport.start_relay()
        yield transport
        transport.close()

    @pytest.fixture
    def breakable(self, record_url: str, kafka_broker: Broker) -> Iterator[KafkaTransport]:
        transport = KafkaTransport.on_topics_of_its_own(record_url, kafka_broker.bootstrap, kafka_broker)
        transport.start_relay()
        yield transport
        transport.close()


@pytest.fixture
def spec(record_url: str, kafka_bootstrap: str) -> StreamSpec:
    """A stream that no relay publishes to."""
    return KafkaTransport.on_topics_of_its_own(record_url, kafka_bootstrap).spec


@pytest.fixture
def consumer(spec: StreamSpec) -> Iterator[Consumer]:
    """The only member of its group, from the beginning."""
    stream = spec.open()
    consumer = stream.subscribe(EVENTS, "readers", lambda _: {})
    yield consumer
    consumer.close()
    stream.close()


@pytest.fixture
def publish(spec: StreamSpec, record_url: str) -> Iterator[Publish]:
    """What a relay publishes that begins after one position and ends with another."""
    tail = Tail(record_url)

    def publish(start: int, stop: int) -> None:
        cursor = RelayCursor(tail)
        publisher = Publisher(spec.settings(), Origin(cursor.record_id, cursor.epoch), PARTITIONS, start)
        publisher.add_topics([EVENTS])
        for event in tail.read(start, stop):
            publisher.event(EVENTS, event)
        publisher.watermarks(stop, [EVENTS], repeat=True)
        publisher.flush(stop)
        publisher.close()

    yield publish
    tail.close()


def test_what_a_second_relay_repeats_is_not_seen_twice(
    writer: RecordWriter, consumer: Consumer, publish: Publish
) -> None:
    writer.append_many(100)
    publish(0, 60)
    publish(0, 80)
    publish(40, 100)
    seen = Seen()
    drain(consumer, seen, 100, limit=7)
    assert seen.positions == list(range(1, 101))


def test_what_was_never_published_is_read_from_the_record(
    writer: RecordWriter, consumer: Consumer, publish: Publish
) -> None:
    writer.append_many(100)
    publish(0, 30)
    publish(70, 100)
    seen = Seen()
    drain(consumer, seen, 100, limit=7)
    assert seen.positions == list(range(1, 101))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_relays_left_out_or_repeated_each_event_is_seen_once(
    seed: int, writer: RecordWriter, consumer: Consumer, publish: Publish
) -> None:
    dice = random.Random(seed)
    writer.append_many(300)
    seen = Seen()
    for _ in range(8):
        start = dice.randrange(300)
        publish(start, dice.randint(start, 300))
        seen.add(consumer.poll(0.2, dice.randint(1, 60)))
    publish(300, 300)
    drain(consumer, seen, 300, limit=dice.randint(1, 60))
    assert seen.positions == list(range(1, 301))


def test_what_retention_deleted_is_read_from_the_record(
    writer: RecordWriter, spec: StreamSpec, consumer: Consumer, publish: Publish
) -> None:
    writer.append_many(50)
    publish(0, 50)
    topic = spec.settings().topic(EVENTS)
    with KafkaAdminClient(bootstrap_servers=spec.bootstrap) as admin:
        admin.delete_records({TopicPartition(topic, partition): -1 for partition in range(PARTITIONS)})
    writer.append_many(50)
    publish(50, 100)
    seen = Seen()
    drain(consumer, seen, 100)
    assert seen.positions == list(range(1, 101))


def test_an_event_too_large_for_the_broker_is_read_from_the_record(
    writer: RecordWriter, consumer: Consumer, publish: Publish
) -> None:
    large = Event(body=b"x" * (LARGEST_BODY + 1))
    writer.append([Event(), large, Event()])
    publish(0, 3)
    seen = Seen()
    drain(consumer, seen, 3)
    assert seen.positions == [1, 2, 3]
    assert large.body in [event.state for events in seen.events.values() for event in events]


def test_the_largest_event_for_the_broker_is_taken_by_it(
    writer: RecordWriter, spec: StreamSpec, publish: Publish
) -> None:
    writer.append([Event(body=random.Random(1).randbytes(LARGEST_BODY))])
    publish(0, 1)
    assert [len(message.value) for message in published(spec) if message.value] == [LARGEST_BODY]


def test_messages_nobody_of_ours_wrote_are_ignored(
    writer: RecordWriter, spec: StreamSpec, consumer: Consumer, publish: Publish
) -> None:
    writer.append_many(20)
    publish(0, 10)
    producer = KafkaProducer(bootstrap_servers=spec.bootstrap)
    forged = [("ce_epoch", b"1"), ("ce_position", b"15"), ("ce_after", b"0")]
    for partition in range(PARTITIONS):
        producer.send(spec.settings().topic(EVENTS), b"not ours", partition=partition)
        producer.send(spec.settings().topic(EVENTS), b"nor this", partition=partition, headers=forged)
    producer.close()
    publish(10, 20)
    seen = Seen()
    drain(consumer, seen, 20)
    assert seen.positions == list(range(1, 21))


def test_an_event_is_published_as_a_cloud_event(writer: RecordWriter, spec: StreamSpec, publish: Publish) -> None:
    event = Event(type="app.created", version=3, body=b'{"any":"body"}')
    writer.append([event])
    publish(0, 1)
    (message,) = [message for message in published(spec) if message.value]
    headers = {name: value.decode() for name, value in message.headers}
    row = writer.rows()[0]
    assert (message.key, message.value) == (str(event.stream).encode(), event.body)
    assert (headers["ce_specversion"], headers["ce_type"], headers["ce_id"]) == ("1.0", "app.created", "1.1")
    assert headers["ce_source"].startswith("urn:uuid:")
    assert headers["ce_time"] == row[-1].isoformat()
    assert (headers["ce_subject"], headers["ce_streamversion"]) == (str(event.stream), "3")
    assert (headers["ce_position"], headers["ce_epoch"], headers["ce_schemaversion"]) == ("1", "1", "1")
    assert (headers["ce_app"], headers["ce_root"]) == (str(row[6]), str(row[7]))


def test_a_topic_with_other_partitions_is_refused(spec: StreamSpec) -> None:
    ensure_topics(spec.settings(), [EVENTS], PARTITIONS)
    with pytest.raises(TopicMismatch, match=f"has {PARTITIONS} partitions instead of {PARTITIONS + 1}"):
        ensure_topics(spec.settings(), [EVENTS], PARTITIONS + 1)


def test_a_consumer_rebuilt_after_a_restore_sees_the_record_as_it_is_now(
    writer: RecordWriter, spec: StreamSpec, publish: Publish
) -> None:
    writer.append_many(5)
    publish(0, 5)
    writer.raise_epoch()
    writer.append_many(3)
    publish(5, 8)
    stream = spec.open()
    rebuilt = stream.subscribe(EVENTS, "rebuilt", lambda _: {})
    seen = Seen()
    drain(rebuilt, seen, 8)
    assert seen.positions == list(range(1, 9))
    assert {cursor.epoch for cursor in seen.cursors.values()} == {2}
    rebuilt.close()
    stream.close()


def test_the_broker_is_reached_over_tls_with_a_password(record_url: str, kafka_broker: Broker) -> None:
    settings = KafkaSettings(
        kafka_broker.secure_bootstrap,
        topic_prefix=KafkaTransport.on_topics_of_its_own(record_url, kafka_broker.bootstrap).spec.topic_prefix,
        security_protocol="SASL_SSL",
        ca_file=str(kafka_broker.authority),
        sasl_mechanism="PLAIN",
        username=kafka_broker.username,
        password=kafka_broker.password,
    )
    stream = KafkaStream(settings, record_url)
    stream.ensure_topics([EVENTS])
    publisher = Publisher(settings, Origin(RelayCursor(Tail(record_url)).record_id, 1), PARTITIONS, 0)
    publisher.add_topics([EVENTS])
    writer = RecordWriter(record_url)
    writer.append_many(1)
    publisher.watermarks(1, [EVENTS])
    publisher.flush(1)
    publisher.close()
    consumer, seen = stream.subscribe(EVENTS, "readers", lambda _: {}), Seen()
    drain(consumer, seen, 1)
    assert kafka_broker.password not in repr(settings)
    consumer.close()
    stream.close()
    writer.close()


def published(spec: StreamSpec) -> list[object]:
    """Every message on the topic of events, watermarks included."""
    reader = KafkaConsumer(bootstrap_servers=spec.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    partitions = [TopicPartition(spec.settings().topic(EVENTS), partition) for partition in range(PARTITIONS)]
    reader.assign(partitions)
    ends = reader.end_offsets(partitions)
    found: list[object] = []
    while any(reader.position(partition) < ends[partition] for partition in partitions):
        for records in reader.poll(500).values():
            found.extend(records)
    reader.close()
    return found
