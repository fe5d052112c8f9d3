"""Personal data: ciphertext in the record and nothing else, clear to who has the key, gone with the key."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from record_builders import entry, fact_of, raw_table, registration
from rich.pretty import pretty_repr

from tocsin.domain.audience import Audience
from tocsin.domain.entry import Entry
from tocsin.domain.events.device import DeviceRegistered, TokenChanged
from tocsin.domain.events.send import SendRequested
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal, erased
from tocsin.eventlog.keys import WrongKey
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent

FIXED = UUID(int=7)

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

    def test_no_data_key_is_shown_by_what_holds_it(self, record: Record, told: list[Entry]) -> None:
        subject = told[0].originator_id
        writing = record.keyring.for_writing([subject]).by_subject[subject]
        reading = record.keyring.for_reading([writing.kid])[writing.kid]
        assert reading.key == writing.key
        for shown in (repr(writing), repr(reading), pretty_repr(writing), pretty_repr(reading)):
            assert str(subject) in shown
            assert repr(writing.key) not in shown

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

    @pytest.mark.parametrize(
        ("one", "other"), [(("alias",), ("phone",)), (("token",), ("alias",)), (("phone",), ("properties",))]
    )
    def test_two_ciphertexts_of_one_person_cannot_change_places_in_an_event(
        self, record: Record, told: list[Entry], one: tuple[str], other: tuple[str]
    ) -> None:
        (stored,) = record.recorder.select_events(told[0].stream_id)
        body = json.loads(stored.state)
        (first,), (second,) = one, other
        body["fact"][first], body["fact"][second] = body["fact"][second], body["fact"][first]
        with pytest.raises(WrongKey):
            record.codec.decode([with_body(stored, body)])

    def test_nor_can_two_of_a_list(self, record: Record) -> None:
        device = uuid4()
        audience = Audience(aliases=(Personal(device, "Anna"), Personal(device, "Ann")))
        recorded = entry(SendRequested(message=Message(body="x"), audience=audience))
        record.append([recorded])
        (stored,) = record.recorder.select_events(recorded.stream_id)
        body = json.loads(stored.state)
        assert record.codec.decode([with_body(stored, body)])[0].fact == recorded.fact
        body["fact"]["audience"]["aliases"].reverse()
        with pytest.raises(WrongKey):
            record.codec.decode([with_body(stored, body)])

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
