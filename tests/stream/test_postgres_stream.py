"""The adapter that tails the record, held to the contract, and what is its own."""

from __future__ import annotations

import psycopg
import pytest
from patience import eventually
from record_writer import RecordWriter
from stream_contract import PolledMembers, StreamContract
from stream_spec import PARTITIONS, StreamSpec
from transports import PostgresTransport, Transport

from tocsin.eventlog.stream import tail
from tocsin.eventlog.stream.port import EVENTS
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.eventlog.stream.routing import partition_of
from tocsin.eventlog.stream.tail import GapInRecord


class TestPostgresStream(StreamContract):
    @pytest.fixture
    def transport(self, record_url: str) -> Transport:
        return PostgresTransport(StreamSpec(record_url))

    @pytest.fixture
    def breakable(self, transport: Transport) -> Transport:
        return transport


def test_the_number_of_partitions_is_fixed_by_the_first_to_ask(record_url: str) -> None:
    assert PostgresStream(record_url, partitions=PARTITIONS).partitions(EVENTS) == PARTITIONS
    assert PostgresStream(record_url).partitions(EVENTS) == PARTITIONS
    with pytest.raises(ValueError, match="ask for 6"):
        PostgresStream(record_url, partitions=5)


@pytest.mark.parametrize("members", [3, 4, PARTITIONS + 1])
def test_any_number_of_members_gets_a_fair_share(record_url: str, members: int) -> None:
    stream = PostgresStream(record_url, partitions=PARTITIONS)
    consumers = [stream.subscribe(EVENTS, "readers", lambda _: {}) for _ in range(members)]
    each, odd = divmod(PARTITIONS, members)
    with PolledMembers(consumers):
        eventually(
            lambda: sorted(len(c.assigned) for c in consumers) == [each] * (members - odd) + [each + 1] * odd,
            lambda: f"the shares are fair: {[consumer.assigned for consumer in consumers]}",
        )
        assert frozenset().union(*(consumer.assigned for consumer in consumers)) == frozenset(range(PARTITIONS))
    for consumer in consumers:
        consumer.close()
    stream.close()


def test_python_and_sql_agree_on_a_streams_partition(record_url: str) -> None:
    with psycopg.connect(record_url) as connection:
        rows = connection.execute(
            "select id, p, record.stream_partition(id, p)"
            " from (select gen_random_uuid() as id, p from generate_series(1, 1024) p)"
        ).fetchall()
    assert [partition_of(stream_id, partitions) for stream_id, partitions, _ in rows] == [found for _, _, found in rows]


def test_a_tail_that_began_on_a_small_record_does_not_scan_all_of_it_once_it_is_large(
    record_url: str, writer: RecordWriter
) -> None:
    writer.append_many(20)
    with psycopg.connect(record_url, autocommit=True) as connection:
        connection.execute("analyze record.events")
    reader = tail.Tail(record_url)
    for _ in range(20):
        read_everywhere(reader, 0, 20)
    writer.append_many(20_000)
    scans_before = sequential_scans(reader)
    for _ in range(10):
        read_everywhere(reader, 19_000, 20_000)
    assert sequential_scans(reader) == scans_before
    reader.close()


def read_everywhere(reader: tail.Tail, start: int, stop: int) -> None:
    reader.read(start, stop)
    reader.read_share(start, stop, [1, 2], PARTITIONS)
    reader.read_due(start, stop, 100)


def sequential_scans(reader: tail.Tail) -> int:
    """How often the whole of the events was read so far."""
    reader.rows("select pg_stat_force_next_flush()::text")
    ((scans,),) = reader.rows("select seq_scan from pg_stat_user_tables where relid = 'record.events'::regclass")
    return int(scans)


def test_nobody_reads_past_a_gap(record_url: str, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "GAP_PATIENCE", 0.3)
    writer.append_many(10)
    with psycopg.connect(record_url) as connection:
        connection.execute("alter table record.events disable trigger all")
        connection.execute("delete from record.events where position = 5")
    reader = tail.Tail(record_url)
    with pytest.raises(GapInRecord, match="9 of the 10 events"):
        reader.read(0, 10)
    with pytest.raises(GapInRecord, match="9 of the 10 events"):
        reader.read_share(0, 10, [1, 2], PARTITIONS)
    reader.close()
