"""Between facts and the bytes of the record: what goes in comes out, in every version, and nothing more is told."""

from __future__ import annotations

import base64
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from fact_strategies import facts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_builders import ACTOR, entry, registration, subscription

from tocsin.domain import events as events_package
from tocsin.domain.audience import Audience
from tocsin.domain.catalog import CATALOG, NAMES, UPCASTS, name_of
from tocsin.domain.entry import Entry, Fact
from tocsin.domain.events.device import DeviceRegistered, DeviceUpdated, TokenChanged
from tocsin.domain.events.send import SendRequested
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal, erased
from tocsin.eventlog.codec import Codec, UnknownEvent
from tocsin.eventlog.keys import WrongKey
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent


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
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_what_is_recorded_is_what_is_read(self, record: Record, name: str, data: st.DataObject) -> None:
        fact = data.draw(facts(CATALOG[name][0]))
        recorded = entry(fact)
        appended = record.append([recorded])
        expected = msgspec.structs.replace(recorded, position=appended.first, recorded_at=appended.recorded_at)
        assert record.load(recorded.stream_id) == [expected]

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


def fact_of(record: Record, stream: UUID) -> DeviceRegistered:
    fact = record.load(stream)[0].fact
    assert isinstance(fact, DeviceRegistered)
    return fact


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


def raw_table(url: str, name: str = "record.events") -> bytes:
    """All the bytes of a table's rows, as COPY gives them out."""
    out = f"copy {name} to stdout (format binary)"
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(out.encode()) as copy:
        return b"".join(bytes(part) for part in copy)


CLEAR = ("Zs4p-token", "ann@example.org", "Anna", "+41791234567", "Kilchberg", "Geheimtext")


class TestPersonalData:
    @pytest.fixture
    def told(self, record: Record) -> list[Entry]:
        """Everything about a person that a record may be told."""
        device, user = uuid4(), uuid4()
        token, name, alias, phone, city, content = CLEAR
        registered = DeviceRegistered(
            platform="ios",
            token=Personal(device, token),
            user=Personal(user, name),
            alias=Personal(device, alias),
            phone=Personal(device, phone),
            properties=Personal(device, {"home": {"city": city}}),
        )
        requested = SendRequested(
            message=Message(body="for all"),
            audience=Audience(users=(Personal(user, name),), aliases=(Personal(device, alias),)),
            personal=(Personal(user, {"user": name, "message": {"body": content}}),),
        )
        entries = [entry(registered, device), entry(requested)]
        record.append(entries)
        return entries

    def test_no_clear_value_is_in_any_table(self, record: Record, record_url: str, told: list[Entry]) -> None:
        with psycopg.connect(record_url) as connection:
            rows = connection.execute(
                "select schemaname || '.' || tablename from pg_tables where schemaname = 'record'"
            )
            tables = [name for (name,) in rows]
        assert "record.events" in tables
        everything = b"".join(raw_table(record_url, name) for name in tables)
        assert b"for all" in everything
        for clear in CLEAR:
            assert clear.encode() not in everything
            assert base64.b64encode(clear.encode()).rstrip(b"=")[:-1] not in everything

    def test_a_protected_field_is_a_key_id_and_a_ciphertext(self, record: Record, told: list[Entry]) -> None:
        fact = json.loads(record.read(0, 1)[0].state)["fact"]
        for name in ("token", "user", "alias", "phone", "properties"):
            assert set(fact[name]) == {"kid", "ciphertext"}
        assert fact["token"]["kid"] == str(told[0].stream_id)
        assert fact["platform"] == "ios"

    def test_what_was_told_is_read_again(self, record: Record, told: list[Entry]) -> None:
        for recorded in told:
            assert record.load(recorded.stream_id)[0].fact == recorded.fact

    def test_a_ciphertext_opens_in_no_other_event(self, record: Record, told: list[Entry]) -> None:
        (stored,) = record.recorder.select_events(told[0].stream_id)
        for moved in (
            dataclasses.replace(stored, originator_id=uuid4()),
            dataclasses.replace(stored, originator_version=2),
        ):
            with pytest.raises(WrongKey):
                record.codec.decode([moved])

    @pytest.mark.parametrize("at", [0, 11, 12, -1])
    def test_an_altered_ciphertext_does_not_open(self, record: Record, told: list[Entry], at: int) -> None:
        (stored,) = record.recorder.select_events(told[0].stream_id)
        body = json.loads(stored.state)
        sealed = bytearray(base64.b64decode(body["fact"]["token"]["ciphertext"]))
        sealed[at] ^= 1
        body["fact"]["token"]["ciphertext"] = base64.b64encode(sealed).decode()
        with pytest.raises(WrongKey):
            record.codec.decode([with_body(stored, body)])

    def test_a_ciphertext_under_anothers_name_does_not_open(self, record: Record, told: list[Entry]) -> None:
        (stored,) = record.recorder.select_events(told[0].stream_id)
        body = json.loads(stored.state)
        body["fact"]["token"]["kid"] = body["fact"]["user"]["kid"]
        with pytest.raises(WrongKey):
            record.codec.decode([with_body(stored, body)])

    def test_a_key_that_was_lost_says_what_to_restore(self, record: Record, record_url: str, told: list[Entry]) -> None:
        with psycopg.connect(record_url) as connection:
            connection.execute("delete from record.subject_keys where subject = %s", (told[0].stream_id,))
        record.keyring.forget()
        with pytest.raises(LookupError, match=rf"{told[0].stream_id}.*restore record.subject_keys"):
            record.load(told[0].stream_id)

    def test_a_value_shown_in_an_error_or_a_log_is_not_clear(self, told: list[Entry]) -> None:
        assert not any(clear in repr(told) for clear in CLEAR)


def with_body(stored: StoredEvent, body: object) -> StoredEvent:
    return dataclasses.replace(stored, state=json.dumps(body, separators=(",", ":")).encode())


class TestWhatClientsChoose:
    @pytest.mark.parametrize(
        "imitation",
        [
            {"kid": str(FIXED), "ciphertext": "AAAA"},
            {"kid": f"{FIXED}.2", "ciphertext": "AAAA"},
            {"kid": "-" * 36, "ciphertext": "AAAA"},
            {"kid": f"{FIXED}.99999999999", "ciphertext": ""},
            {"kid": str(FIXED)},
        ],
    )
    def test_json_that_looks_like_a_protected_field_is_json(self, record: Record, imitation: dict[str, str]) -> None:
        device = uuid4()
        fact = DeviceRegistered(
            platform="ios",
            token=Personal(device, "token"),
            attributes=imitation,
            properties=Personal(device, imitation),
        )
        record.append([entry(fact, device)])
        record.keyring.forget()
        assert fact_of(record, device) == fact
        record.append_many([([entry(fact, uuid4())], [])])
        assert len(record.codec.decode(record.read(0, 10))) == 2


class TestErasure:
    def erase(self, record: Record, url: str, *subjects: UUID) -> None:
        with psycopg.connect(url) as connection:
            record.keyring.destroy(connection, subjects)

    def test_a_destroyed_key_leaves_a_tombstone_and_every_byte_of_the_log(
        self, record: Record, record_url: str
    ) -> None:
        recorded = registration("token", user="ann")
        record.append([recorded])
        before = raw_table(record_url)
        assert fact_of(record, recorded.stream_id).token == Personal(recorded.stream_id, "token")
        self.erase(record, record_url, recorded.stream_id)
        fact = fact_of(record, recorded.stream_id)
        assert fact.token == erased(recorded.stream_id)
        assert fact.user is not None
        assert fact.user.value == "ann"
        assert raw_table(record_url) == before

    def test_the_key_itself_is_gone_and_the_time_of_its_end_is_kept(self, record: Record, record_url: str) -> None:
        recorded = registration()
        record.append([recorded])
        self.erase(record, record_url, recorded.stream_id)
        with psycopg.connect(record_url) as connection:
            rows = connection.execute("select wrapped, destroyed_at is not null from record.subject_keys").fetchall()
        assert rows == [(None, True)]

    def test_who_comes_back_after_an_erasure_has_a_second_key(self, record: Record, record_url: str) -> None:
        device = uuid4()
        record.append([registration("before", device=device)])
        self.erase(record, record_url, device)
        record.append([entry(TokenChanged(token=Personal(device, "after")), device, 2)])
        before, after = (read.fact for read in record.load(device))
        assert isinstance(before, DeviceRegistered)
        assert isinstance(after, TokenChanged)
        assert before.token == erased(device)
        assert after.token == Personal(device, "after")
        assert json.loads(record.read(1, 1)[0].state)["fact"]["token"]["kid"] == f"{device}.2"

    @pytest.mark.parametrize("how", ["append", "append_many"])
    def test_who_comes_back_through_a_process_that_remembers_the_first_key_has_a_second_all_the_same(
        self, record: Record, record_url: str, master_key_file: Any, how: str
    ) -> None:
        device, other = uuid4(), Record.open(record_url, master_key_file)
        other.append([registration("before", device=device)])
        other.append([entry(TokenChanged(token=Personal(device, "second")), device, 2)])
        self.erase(record, record_url, device)
        back = [entry(TokenChanged(token=Personal(device, "after")), device, 3)]
        if how == "append":
            other.append(back)
        else:
            other.append_many([(back, [])])
        other.close()
        fact = record.load(device)[-1].fact
        assert isinstance(fact, TokenChanged)
        assert fact.token == Personal(device, "after")

    def test_an_erasure_that_is_rolled_back_erased_nothing(self, record: Record, record_url: str) -> None:
        recorded = registration()
        record.append([recorded])
        with psycopg.connect(record_url) as connection:
            record.keyring.destroy(connection, [recorded.stream_id])
            connection.rollback()
        assert fact_of(record, recorded.stream_id) == recorded.fact

    def test_a_tombstone_is_not_recorded_as_if_it_were_a_value(self, record: Record) -> None:
        device = uuid4()
        with pytest.raises(ValueError, match="erased value"):
            record.append([entry(TokenChanged(token=erased(device)), device)])
