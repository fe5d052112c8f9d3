"""The master key file, and what is sealed under its keys."""

from __future__ import annotations

import base64
import hmac
import os
import stat
import traceback
from pathlib import Path

import pytest

from tocsin.eventlog.keys import DigestKey, KeyFileError, MasterKeys, WrongKey

SECRET = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


def test_a_new_file_is_readable_by_its_owner_alone(file: Path) -> None:
    before = os.umask(0)
    try:
        MasterKeys.create(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_one_key_sealed_opens_again_and_only_with_what_it_was_bound_to(file: Path) -> None:
    keys = MasterKeys.create(file)
    sealed = keys.wrap(b"secret", b"its place")
    assert keys.unwrap(sealed, b"its place") == b"secret"
    assert b"secret" not in sealed
    with pytest.raises(WrongKey):
        keys.unwrap(sealed, b"another place")


@pytest.mark.parametrize("at", [2, 14, -1])
def test_an_altered_seal_does_not_open(file: Path, at: int) -> None:
    keys = MasterKeys.create(file)
    sealed = bytearray(keys.wrap(b"secret", b""))
    sealed[at] ^= 1
    with pytest.raises(WrongKey):
        keys.unwrap(bytes(sealed), b"")


@pytest.mark.parametrize("length", [0, 1, 2, 5, 14])
def test_a_seal_cut_short_does_not_open(file: Path, length: int) -> None:
    keys = MasterKeys.create(file)
    with pytest.raises(WrongKey):
        keys.unwrap(keys.wrap(b"secret", b"")[:length], b"")


def test_the_same_secret_never_looks_the_same_twice(file: Path) -> None:
    keys = MasterKeys.create(file)
    assert keys.wrap(b"secret", b"") != keys.wrap(b"secret", b"")


def test_a_key_added_seals_from_then_on_and_the_older_one_still_opens(file: Path) -> None:
    old = MasterKeys.create(file)
    sealed = old.wrap(b"secret", b"")
    new = MasterKeys.create(file)
    assert new.unwrap(sealed, b"") == b"secret"
    assert not sealed.startswith(new.mark)
    assert new.wrap(b"secret", b"").startswith(new.mark)


def test_a_running_process_finds_a_key_that_was_added_since(file: Path) -> None:
    running = MasterKeys.create(file)
    sealed = MasterKeys.create(file).wrap(b"secret", b"")
    assert running.unwrap(sealed, b"") == b"secret"
    assert running.mark == sealed[:2]


def test_a_running_process_goes_on_while_the_file_is_gone_or_broken(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = MasterKeys.create(file)
    sealed = running.wrap(b"secret", b"")
    for spoil in (lambda: file.write_text(SECRET), file.unlink):
        spoil()
        running.refresh()
        assert running.unwrap(sealed, b"") == b"secret"
    assert SECRET not in caplog.text


def test_a_key_missing_from_the_file_is_named(file: Path) -> None:
    MasterKeys.create(file)
    sealed = MasterKeys.create(file).wrap(b"secret", b"")
    file.write_text(file.read_text().splitlines()[0] + "\n")
    with pytest.raises(WrongKey, match="master key 2 is not in"):
        MasterKeys.load(file).unwrap(sealed, b"")


def test_a_key_is_added_below_a_last_line_without_an_end(file: Path) -> None:
    file.write_text(f"1:{SECRET}")
    assert MasterKeys.create(file).current == 2
    assert file.read_text().splitlines()[0] == f"1:{SECRET}"


@pytest.mark.parametrize(
    "line",
    [
        SECRET,
        f"one:{SECRET}",
        f"{SECRET}:1",
        f"{SECRET}:{SECRET}",
        f"0:{SECRET}",
        f"-1:{SECRET}",
        f"65536:{SECRET}",
        f"1:{SECRET[:-4]}",
        f"1:{SECRET}{SECRET}",
        f"1:{SECRET[:-2]}!!",
        f"1 : {SECRET}",
        f"1:{SECRET}é",
    ],
)
def test_a_malformed_line_is_refused_and_never_shown(file: Path, line: str) -> None:
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(KeyFileError) as refusal:
        MasterKeys.load(file)
    shown = "".join(traceback.format_exception(refusal.value))
    assert "NUMBER:BASE64" in shown
    assert SECRET[:16] not in shown


def test_two_keys_of_one_number_are_refused(file: Path) -> None:
    other = base64.b64encode(bytes(32)).decode()
    file.write_text(f"1:{SECRET}\n1:{other}\n")
    with pytest.raises(KeyFileError, match="two keys of number 1"):
        MasterKeys.load(file)


def test_a_file_that_is_not_there_says_how_to_write_one(file: Path) -> None:
    with pytest.raises(KeyFileError, match="tocsin keys new"):
        MasterKeys.load(file)


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "master.key"
    with pytest.raises(KeyFileError, match=r"no master key can be written to .*master\.key: No such file or directory"):
        MasterKeys.create(file)


def test_an_empty_file_says_how_to_write_one(file: Path) -> None:
    file.touch()
    with pytest.raises(KeyFileError, match="tocsin keys new"):
        MasterKeys.load(file)


def test_a_file_that_others_may_read_is_warned_about(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    MasterKeys.create(file)
    assert "chmod 600" not in caplog.text
    file.chmod(0o640)
    MasterKeys.load(file)
    assert "chmod 600" in caplog.text


@pytest.mark.parametrize("length", [1, 32, 64, 65, 200])
def test_digests_are_what_the_standard_librarys_hmac_makes(length: int) -> None:
    key = os.urandom(length)
    for message in (b"", b"a token", bytes(1000)):
        assert DigestKey(key).digest(message) == hmac.digest(key, message, "sha256")
