"""The relay as processes that are killed, frozen and stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from patience import PATIENCE, eventually
from record_writer import RecordWriter
from stream_contract import Seen, drain
from transports import KafkaTransport

from tocsin.eventlog.stream.port import EVENTS, Consumer
from tocsin.eventlog.stream.relay import Deposed, RelayCursor
from tocsin.eventlog.stream.tail import Tail

MANY = 20_000

SLOW = """
    create function effects.slow() returns trigger language plpgsql as
    $$ begin perform pg_sleep(1.5); return new; end $$;
    create trigger slow before update of position on record.relay_cursor
    for each row when (new.position > old.position) execute function effects.slow()"""


@pytest.fixture
def transport(record_url: str, kafka_bootstrap: str) -> Iterator[KafkaTransport]:
    """A stream that nobody relays to yet."""
    transport = KafkaTransport.on_topics_of_its_own(record_url, kafka_bootstrap)
    yield transport
    transport.close()


@pytest.fixture
def consumer(transport: KafkaTransport) -> Iterator[Consumer]:
    """The only member of its group, from the beginning."""
    stream = transport.spec.open()
    consumer = stream.subscribe(EVENTS, "readers", lambda _: {})
    yield consumer
    consumer.close()
    stream.close()


@contextmanager
def moving_slowly(database_url: str) -> Iterator[None]:
    """While each move of the relay's cursor takes so long that it is in the middle whenever one looks."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SLOW)
        yield
        connection.execute("drop trigger slow on record.relay_cursor")


def await_relayed(database_url: str, position: int) -> None:
    """Wait until the relay has come to a position, or further."""
    eventually(
        lambda: relayed(database_url) >= position,
        lambda: f"{position} is relayed: {relayed(database_url)}",
    )


def relayed(database_url: str) -> int:
    """How far the relay has come."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("select position from record.relay_cursor").fetchone()
    assert row is not None
    return int(row[0])


def test_relays_killed_in_the_middle_lose_nothing_and_repeat_nothing_visibly(
    transport: KafkaTransport, writer: RecordWriter, consumer: Consumer, record_url: str
) -> None:
    writer.append_many(MANY)
    with moving_slowly(record_url):
        for _ in range(2):
            before = relayed(record_url)
            relay = transport.start_relay()
            await_relayed(record_url, before + 1)
            relay.kill()
        assert relayed(record_url) < MANY, "they were killed in the middle"
    transport.start_relay()
    seen = Seen()
    drain(consumer, seen, MANY)
    assert seen.positions == list(range(1, MANY + 1))


def test_a_frozen_relay_is_succeeded_and_does_no_harm_when_it_wakes(
    transport: KafkaTransport, writer: RecordWriter, consumer: Consumer, record_url: str
) -> None:
    writer.append_many(MANY)
    with moving_slowly(record_url):
        frozen = transport.start_relay()
        await_relayed(record_url, 1)
        frozen.send_signal(signal.SIGSTOP)
        assert relayed(record_url) < MANY, "it was frozen in the middle"
    successor = transport.start_relay()
    seen = Seen()
    drain(consumer, seen, MANY)
    frozen.send_signal(signal.SIGCONT)
    last = writer.append_many(200)[-1]
    drain(consumer, seen, last)
    successor.kill()
    last = writer.append_many(200)[-1]
    drain(consumer, seen, last)
    assert seen.positions == list(range(1, last + 1))


def test_a_relay_told_to_stop_lets_the_next_one_lead(
    transport: KafkaTransport, writer: RecordWriter, record_url: str
) -> None:
    first = transport.start_relay()
    writer.append_many(10)
    await_relayed(record_url, 10)
    first.terminate()
    assert first.wait(timeout=PATIENCE) == 0
    transport.start_relay()
    writer.append_many(10)
    await_relayed(record_url, 20)


def test_a_new_term_ends_the_former_leaders_right_to_move_the_cursor(writer: RecordWriter, record_url: str) -> None:
    writer.append_many(2)
    tail = Tail(record_url)
    former, present = RelayCursor(tail), RelayCursor(tail)
    with pytest.raises(Deposed):
        former.move(1)
    present.move(1)
    assert relayed(record_url) == 1
    tail.close()
