"""Between facts and the bytes of the record: what goes in comes out, in every version, and nothing more is told."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from fact_strategies import facts
from hypothesis import given, settings
from hypothesis import strategies as st
from record_builders import ACTOR, entry, fact_of, raw_table, registration, subscription

from tocsin.domain import events as events_package
from tocsin.domain.catalog import CATALOG, NAMES, UPCASTS, name_of
from tocsin.domain.entry import Entry, Fact
from tocsin.domain.events.chunk import Outcome, OutcomeKind, OutcomesRecorded, Retry, RetrySet
from tocsin.domain.events.device import DeviceRegistered, DeviceUpdated, TokenChanged
from tocsin.domain.personal import Personal
from tocsin.eventlog.codec import Codec, UnknownEvent
from tocsin.eventlog.record import Record


class TestCatalog:
    def test_no_class_has_two_names(self) -> None:
        assert len(NAMES) == len(CATALOG)

    def test_every_fact_of_the_domain_has_a_name(self) -> None:
        assert {cls for cls in subclasses(Fact) if cls.__module__.startswith(events_package.__name__)} == set(NAMES)

    def test_names_are_a_stream_and_what_happened_to_it(self) -> None:
        for name, (cls, version) in CATALOG.items():
            stream, _, happened = name.partition(".")
            assert cls.__module__.rpartition(".")[2] == stream
            assert happened.replace("_", "").isalpha()
            assert happened == happened.lower()
            assert version >= 1

    def test_every_older_version_has_a_way_up(self) -> None:
        assert set(UPCASTS) == {(name, older) for name, (_, version) in CATALOG.items() for older in range(1, version)}

    def test_every_fact_and_its_name_can_be_told_from_the_other(self) -> None:
        assert name_of(TokenChanged(token=None)) == "device.token_changed"


def subclasses(cls: type) -> set[type]:
    return {each for sub in cls.__subclasses__() for each in (sub, *subclasses(sub))}


class TestRoundTrip:
    @pytest.mark.parametrize("name", CATALOG)
    @settings(max_examples=8)
    @given(data=st.data())
    def test_what_is_recorded_is_what_is_read(self, record: Record, name: str, data: st.DataObject) -> None:
        fact = data.draw(facts(CATALOG[name][0]))
        recorded = entry(fact)
        appended = record.append([recorded])
        expected = msgspec.structs.replace(recorded, position=appended.first, recorded_at=appended.recorded_at)
        assert record.load(recorded.stream_id) == [expected]

    def test_the_times_of_an_outcome_are_stored_as_all_times_are_to_the_microsecond(self, record: Record) -> None:
        sent_at = datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC)
        answered_at = datetime(2026, 1, 31, 12, 0, 0, 300_000, tzinfo=UTC)
        outcome = Outcome(0, OutcomeKind.DELIVERED, "id", sent_at=sent_at, answered_at=answered_at)
        retry = Retry(1, "busy", sent_at=sent_at, answered_at=answered_at)
        recorded = [OutcomesRecorded(attempt=1, outcomes=(outcome,)), RetrySet(attempt=1, devices=(retry,), at=sent_at)]
        stored, _ = record.codec.encode([entry(fact) for fact in recorded])
        first, second = (json.loads(event.state)["fact"] for event in stored)
        times = ["2026-01-31T12:00:00.000001Z", "2026-01-31T12:00:00.300000Z"]
        assert first["outcomes"][0][-2:] == times
        assert second["devices"][0][3:5] == times
        assert second["at"] == times[0]

    def test_the_envelope_is_kept_whole(self, record: Record) -> None:
        recorded = msgspec.structs.replace(
            subscription(),
            root_id=uuid4(),
            app_id=uuid4(),
            causation_id=uuid4(),
            actor=msgspec.structs.replace(ACTOR, dialect="moxie", credential="c-1"),
        )
        record.append([recorded])
        (read,) = record.load(recorded.stream_id)
        assert msgspec.structs.replace(read, position=0, recorded_at=None) == recorded

    @pytest.mark.parametrize(
        "value", [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 1e308, -0.0, 1e-320, "\x00", "\u2028"]
    )
    def test_values_at_the_edge_are_kept_as_they_are(self, record: Record, value: object) -> None:
        device = uuid4()
        fact = DeviceRegistered(platform="ios", properties=Personal(device, value), attributes={"value": value})
        record.append([entry(fact, device)])
        assert repr(fact_of(record, device).attributes) == repr(fact.attributes)
        assert fact_of(record, device).properties == fact.properties

    def test_the_same_entry_gives_the_same_bytes_apart_from_its_ciphertext(self, record: Record) -> None:
        device = uuid4()
        fact = DeviceRegistered(
            platform="ios", token=Personal(device, "token"), attributes={"b": 1, "a": {"d": 2, "c": 3}}
        )
        other_order = msgspec.structs.replace(fact, attributes={"a": {"c": 3, "d": 2}, "b": 1})
        one, again, reordered = (
            record.codec.encode([entry_like(each, device)])[0][0].state for each in (fact, fact, other_order)
        )
        assert one != again
        assert without_ciphertext(one) == without_ciphertext(again) == without_ciphertext(reordered)

    def test_an_entry_without_personal_data_gives_the_same_bytes(self, record: Record) -> None:
        recorded = subscription()
        assert record.codec.encode([recorded]) == record.codec.encode([recorded])

    def test_only_what_was_said_is_written(self, record: Record) -> None:
        (stored,), _ = record.codec.encode([entry_like(DeviceUpdated(environment=None), uuid4())])
        assert json.loads(stored.state)["fact"] == {"environment": None}

    @pytest.mark.parametrize("count", [2, 8])
    def test_threads_share_a_codec(self, record: Record, count: int) -> None:
        devices = [registration(f"token-{number}", user=f"user-{number}") for number in range(200)]
        record.append(devices)
        stored = record.read(0, 1000)

        def read(_: int) -> list[Entry]:
            record.keyring.forget()
            return record.codec.decode(stored)

        with ThreadPoolExecutor(count) as pool:
            for entries in pool.map(read, range(count * 4)):
                assert [each.fact for each in entries] == [each.fact for each in devices]


FIXED = UUID(int=7)


def entry_like(fact: Fact, stream: UUID) -> Entry:
    """The same envelope for every fact."""
    return msgspec.structs.replace(entry(fact, stream), command_id=FIXED, correlation_id=FIXED)


def without_ciphertext(body: bytes) -> bytes:
    decoded = json.loads(body)
    for value in decoded["fact"].values():
        if isinstance(value, dict):
            value.pop("ciphertext", None)
    return json.dumps(decoded).encode()


class TestVersions:
    @pytest.fixture
    def earlier(self, record: Record) -> Entry:
        """An event recorded before its fact changed shape."""
        recorded = registration("token", user="ann")
        record.append([recorded])
        return recorded

    def test_an_older_event_is_read_as_todays(
        self, record: Record, earlier: Entry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class DeviceRegisteredV3(DeviceRegistered, frozen=True, kw_only=True):
            family: str
            since: UUID

        def renamed(fact: dict[str, Any]) -> dict[str, Any]:
            return {**fact, "family": fact["platform"]}

        def dated(fact: dict[str, Any]) -> dict[str, Any]:
            return {**fact, "family": fact["family"].upper(), "since": str(FIXED)}

        monkeypatch.setitem(CATALOG, "device.registered", (DeviceRegisteredV3, 3))
        monkeypatch.setitem(UPCASTS, ("device.registered", 1), renamed)
        monkeypatch.setitem(UPCASTS, ("device.registered", 2), dated)
        (read,) = Codec(record.keyring).decode(record.recorder.select_events(earlier.stream_id))
        fact = earlier.fact
        assert isinstance(fact, DeviceRegistered)
        assert read.fact == DeviceRegisteredV3(**msgspec.structs.asdict(fact), family="IOS", since=FIXED)
        assert (read.actor, read.command_id) == (earlier.actor, earlier.command_id)

    def test_a_personal_value_is_read_where_a_later_version_has_it(
        self, record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class DeviceRegisteredV2(DeviceRegistered, frozen=True, kw_only=True):
            nicknames: tuple[Personal, ...]

        def moved(fact: dict[str, Any]) -> dict[str, Any]:
            nickname = fact.pop("alias")
            return {**fact, "nicknames": [nickname]}

        device = uuid4()
        lookalike = {"kid": str(device), "ciphertext": "no base 64"}
        attributes = {"a": lookalike, "b": [{**lookalike, "ciphertext": "AAAA"}]}
        fact = DeviceRegistered(
            platform="ios", token=Personal(device, "t"), alias=Personal(device, "Ann"), attributes=attributes
        )
        record.append([entry(fact, device)])
        monkeypatch.setitem(CATALOG, "device.registered", (DeviceRegisteredV2, 2))
        monkeypatch.setitem(UPCASTS, ("device.registered", 1), moved)
        (read,) = Codec(record.keyring).decode(record.recorder.select_events(device))
        assert isinstance(read.fact, DeviceRegisteredV2)
        assert (read.fact.token, read.fact.nicknames) == (Personal(device, "t"), (Personal(device, "Ann"),))
        assert (read.fact.alias, read.fact.attributes) == (None, attributes)

    def test_an_event_of_a_newer_version_is_refused_with_advice(
        self, record: Record, earlier: Entry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (stored,) = record.recorder.select_events(earlier.stream_id)
        newer = dataclasses.replace(stored, schema_version=2)
        with pytest.raises(UnknownEvent, match=r"device.registered v2"):
            record.codec.decode([newer])

    def test_an_event_of_an_unknown_name_is_refused_with_advice(self, record: Record, earlier: Entry) -> None:
        (stored,) = record.recorder.select_events(earlier.stream_id)
        with pytest.raises(UnknownEvent, match=r"event 1 is device.teleported v1"):
            record.codec.decode([dataclasses.replace(stored, topic="device.teleported")])

    def test_renaming_a_class_touches_nothing_that_was_recorded(
        self, record: Record, earlier: Entry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Enrolled(DeviceRegistered, frozen=True, kw_only=True):
            pass

        monkeypatch.setitem(CATALOG, "device.registered", (Enrolled, 1))
        (read,) = Codec(record.keyring).decode(record.recorder.select_events(earlier.stream_id))
        assert type(read.fact) is Enrolled

    def test_a_python_path_is_nowhere_in_the_record(self, record: Record, earlier: Entry, record_url: str) -> None:
        assert b"tocsin" not in raw_table(record_url)
        assert b"DeviceRegistered" not in raw_table(record_url)


def test_threads_may_all_decode_their_first_events_at_once() -> None:
    program = Path(__file__).with_name("first_decodings.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
