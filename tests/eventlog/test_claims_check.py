"""The claims table is derived: it can be checked against the record and made from it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import psycopg
import pytest
from record_builders import APP, entry, registration, subscription

from tocsin.domain.entry import Entry
from tocsin.domain.events.device import DeviceRegistered, DeviceRetired, Retirement
from tocsin.eventlog import claims_check
from tocsin.eventlog.claims_check import Difference, Repaired, differences, repair
from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import Claim


def claims_of(entries: Sequence[Entry]) -> list[Claim]:
    """A registered device claims its token until it is retired."""
    first, last = entries[0].fact, entries[-1].fact
    if not isinstance(first, DeviceRegistered) or isinstance(last, DeviceRetired):
        return []
    assert first.token is not None
    return [Claim(APP, "token", first.token.value.encode(), entries[0].stream_id)]


def register(record: Record, token: str) -> UUID:
    device = registration(token)
    record.append([device], claims=claims_of([device]))
    return device.stream_id


def found(record: Record) -> list[Difference]:
    return list(differences(record, claims_of))


def tamper(url: str, statement: str, *values: object) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement, values)


@pytest.fixture
def devices(record: Record) -> list[UUID]:
    """Three devices, of which the last is retired."""
    devices = [register(record, token) for token in ("a", "b", "c")]
    retired = entry(DeviceRetired(reason=Retirement.REQUESTED), devices[2], 2)
    record.append([retired], claims=[Claim(APP, "token", b"c", None, devices[2])])
    return devices


def test_a_sound_table_differs_nowhere(record: Record, devices: list[UUID]) -> None:
    record.append([subscription()])
    assert found(record) == []
    assert repair(record, claims_of) == Repaired(0, [])


def test_a_lost_claim_is_found_and_made_again(record: Record, record_url: str, devices: list[UUID]) -> None:
    tamper(record_url, "delete from record.claims where digest = 'a'")
    assert found(record) == [Difference(APP, "token", b"a", None, devices[0])]
    assert repair(record, claims_of) == Repaired(1, [])
    assert record.owner(APP, "token", b"a") == devices[0]


def test_a_claim_that_nobody_should_hold_is_found_and_taken_away(
    record: Record, record_url: str, devices: list[UUID]
) -> None:
    tamper(record_url, "insert into record.claims values (%s, 'token', 'c', %s)", APP, devices[2])
    assert found(record) == [Difference(APP, "token", b"c", devices[2], None)]
    assert repair(record, claims_of) == Repaired(1, [])
    assert record.owner(APP, "token", b"c") is None


def test_a_claim_in_wrong_hands_is_found_and_given_back(record: Record, record_url: str, devices: list[UUID]) -> None:
    tamper(record_url, "update record.claims set stream_id = %s where digest = 'a'", devices[1])
    assert found(record) == [Difference(APP, "token", b"a", devices[1], devices[0])]
    assert repair(record, claims_of) == Repaired(1, [])
    assert found(record) == []


def test_a_claim_that_two_streams_derive_is_left_as_it_is_and_named(record: Record, devices: list[UUID]) -> None:
    twin = registration("a")
    record.append([twin])
    contested = Difference(APP, "token", b"a", devices[0], twin.stream_id)
    assert found(record) == [contested]
    assert repair(record, claims_of) == Repaired(0, [contested])
    assert record.owner(APP, "token", b"a") == devices[0]


def test_an_erased_person_holds_no_claim_that_can_be_derived(
    record: Record, record_url: str, devices: list[UUID]
) -> None:
    with psycopg.connect(record_url) as connection:
        record.keyring.destroy(connection, [devices[0]])

    def of_those_not_erased(entries: Sequence[Entry]) -> list[Claim]:
        first = entries[0].fact
        assert isinstance(first, DeviceRegistered)
        assert first.token is not None
        return [] if first.token.erased else claims_of(entries)

    assert list(differences(record, of_those_not_erased)) == [Difference(APP, "token", b"a", devices[0], None)]


def test_a_table_that_is_gone_is_made_from_the_record_batch_by_batch(
    record: Record, record_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_check, "EVENTS", 7)
    monkeypatch.setattr(claims_check, "REPAIRS", 3)
    devices = {f"token-{number}".encode(): register(record, f"token-{number}") for number in range(20)}
    tamper(record_url, "delete from record.claims")
    seen: list[tuple[int, int]] = []
    assert repair(record, claims_of, progress=lambda *each: seen.append(each)) == Repaired(20, [])
    assert record.owners(APP, "token", list(devices)) == devices
    assert seen == [(7, 20), (14, 20), (20, 20)]


def test_a_claim_taken_since_it_was_found_wanting_is_left_to_its_new_holder(
    record: Record, record_url: str, devices: list[UUID]
) -> None:
    tamper(record_url, "insert into record.claims values (%s, 'token', 'x', %s)", APP, uuid4())
    stale = found(record)
    tamper(record_url, "delete from record.claims where digest = 'x'")
    newcomer = register(record, "x")
    assert claims_check._settle(record, claims_of, stale) == []
    assert record.owner(APP, "token", b"x") == newcomer


def test_a_check_sees_table_and_record_at_one_moment_while_devices_register(
    record: Record, devices: list[UUID]
) -> None:
    appended = []

    def with_others_going_on(entries: Sequence[Entry]) -> list[Claim]:
        appended.append(register(record, f"late-{len(appended)}"))
        return claims_of(entries)

    assert list(differences(record, with_others_going_on)) == []
    assert len(appended) == 3
