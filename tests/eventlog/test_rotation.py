"""The vault, the instance's keys, and their rotation under a newer master key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from record_builders import APP, registration, subscription

from tocsin.eventlog import rotation
from tocsin.eventlog.keys import KeyFileError, MasterKeys, WrongKey
from tocsin.eventlog.record import Record
from tocsin.eventlog.rotation import check_key_file, outdated, rotate
from tocsin.eventlog.unit import VersionConflict


def keep(record: Record, secret: bytes) -> Any:
    secret_id = uuid4()
    record.append([subscription()], secrets=[record.vault.seal(secret_id, APP, "provider", secret)])
    return secret_id


def test_a_secret_comes_out_of_the_vault_as_it_went_in(record: Record, record_url: str) -> None:
    secret_id = keep(record, b"-----BEGIN PRIVATE KEY-----")
    assert record.vault.open(secret_id) == b"-----BEGIN PRIVATE KEY-----"
    assert b"PRIVATE KEY" not in sealed_bytes(record_url)


def sealed_bytes(url: str) -> bytes:
    with psycopg.connect(url) as connection:
        return b"".join(sealed for (sealed,) in connection.execute("select sealed from record.vault"))


def test_a_secret_of_a_refused_append_is_not_kept(record: Record) -> None:
    device = registration()
    record.append([device])
    secret_id = uuid4()
    with pytest.raises(VersionConflict):
        record.append([device], secrets=[record.vault.seal(secret_id, APP, "provider", b"secret")])
    with pytest.raises(KeyError):
        record.vault.open(secret_id)


def test_a_secret_does_not_open_under_another_id(record: Record, record_url: str) -> None:
    one, other = keep(record, b"one"), keep(record, b"other")
    with psycopg.connect(record_url) as connection:
        connection.execute(
            "update record.vault set sealed = (select sealed from record.vault where secret_id = %s) "
            "where secret_id = %s",
            (one, other),
        )
    with pytest.raises(WrongKey):
        record.vault.open(other)


@pytest.mark.parametrize("events", [1, 300])
def test_a_secret_is_destroyed_with_the_event_after_which_nobody_needs_it(record: Record, events: int) -> None:
    destroyed, kept = keep(record, b"secret"), keep(record, b"another")
    record.append([subscription() for _ in range(events)], secrets=[record.vault.destruction(destroyed, APP)])
    with pytest.raises(KeyError):
        record.vault.open(destroyed)
    assert record.vault.open(kept) == b"another"


def test_a_refused_append_destroys_no_secret(record: Record) -> None:
    secret_id, device = keep(record, b"secret"), registration()
    record.append([device])
    with pytest.raises(VersionConflict):
        record.append([device], secrets=[record.vault.destruction(secret_id, APP)])
    assert record.vault.open(secret_id) == b"secret"


def test_digests_are_equal_for_equal_values_in_every_process_and_apart_by_purpose(
    record: Record, record_url: str, master_key_file: Path
) -> None:
    other = Record.open(record_url, master_key_file)
    assert record.keyring.digest("token", "a") == other.keyring.digest("token", "a")
    assert record.keyring.digest("token", "a") != record.keyring.digest("token", "b")
    assert record.keyring.digest("token", "a") != record.keyring.digest("user", "a")
    other.close()


@pytest.fixture
def rotated(record: Record, record_url: str, master_key_file: Path) -> Callable[[], Record]:
    """Adds a master key to the file, and opens the record with it."""

    def add_key() -> Record:
        MasterKeys.create(master_key_file)
        return Record.open(record_url, master_key_file)

    return add_key


def test_after_a_rotation_the_old_master_key_is_not_needed_any_more(
    record: Record, record_url: str, master_key_file: Path, rotated: Callable[[], Record]
) -> None:
    device, secret_id = registration("token", user="ann"), keep(record, b"secret")
    record.append([device])
    digest = record.keyring.digest("token", "token")
    newer = rotated()
    assert rotate(newer) == 4
    assert outdated(newer) == 0
    newer.close()
    master_key_file.write_text(master_key_file.read_text().splitlines()[1] + "\n")
    alone = Record.open(record_url, master_key_file)
    assert alone.load(device.stream_id)[0].fact == device.fact
    assert alone.vault.open(secret_id) == b"secret"
    assert alone.keyring.digest("token", "token") == digest
    alone.close()


def test_without_a_rotation_the_old_master_key_is_needed(
    record: Record, record_url: str, master_key_file: Path, rotated: Callable[[], Record]
) -> None:
    secret_id = keep(record, b"secret")
    rotated().close()
    master_key_file.write_text(master_key_file.read_text().splitlines()[1] + "\n")
    alone = Record.open(record_url, master_key_file)
    with pytest.raises(WrongKey, match="master key 1 is not in"):
        alone.vault.open(secret_id)
    alone.close()


SEALED: list[Callable[[Record], object]] = [
    lambda record: keep(record, b"secret"),
    lambda record: record.append([registration("token")]),
    lambda record: record.keyring.digest("token", "a"),
]


@pytest.mark.parametrize("seal", SEALED, ids=["vault", "person", "instance"])
def test_a_key_file_of_another_database_is_told_from_the_right_one(
    record: Record, record_url: str, master_key_file: Path, tmp_path: Path, seal: Callable[[Record], object]
) -> None:
    MasterKeys.create(tmp_path / "another.key")
    stranger = Record.open(record_url, tmp_path / "another.key")
    check_key_file(stranger)
    seal(record)
    MasterKeys.create(master_key_file)
    check_key_file(record)
    with pytest.raises(KeyFileError, match=r"another\.key does not open what this database holds"):
        check_key_file(stranger)
    stranger.close()


def test_a_rotation_cut_off_goes_on_where_it_was(
    record: Record, rotated: Callable[[], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    record.append([registration() for _ in range(10)])
    newer = rotated()
    monkeypatch.setattr(rotation, "BATCH", 3)

    def cut_off(done: int, total: int) -> None:
        assert total == 10
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(newer, cut_off)
    assert outdated(newer) == 4
    seen: list[tuple[int, int]] = []
    assert rotate(newer, lambda done, total: seen.append((done, total))) == 4
    assert seen == [(0, 4), (3, 4), (4, 4)]
    assert rotate(newer) == 0
    newer.close()


def test_a_running_process_reads_what_a_rotation_sealed_again(record: Record, rotated: Callable[[], Record]) -> None:
    device, secret_id = registration(user="ann"), keep(record, b"secret")
    record.append([device])
    newer = rotated()
    rotate(newer)
    newer.close()
    record.keyring.forget()
    assert record.load(device.stream_id)[0].fact == device.fact
    assert record.vault.open(secret_id) == b"secret"


def test_destroyed_keys_stay_destroyed(record: Record, record_url: str, rotated: Callable[[], Record]) -> None:
    device = registration()
    record.append([device])
    with psycopg.connect(record_url) as connection:
        record.keyring.destroy(connection, [device.stream_id])
    newer = rotated()
    assert rotate(newer) == 0
    newer.close()
