"""The idempotency key: the same request is carried out once, whoever repeats it and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from tocsin.commands.context import Context, Once
from tocsin.commands.devices import Registration, register_device
from tocsin.commands.engine import AlreadyDone, Decision, Done, Engine, KeyReused
from tocsin.commands.imports import BATCH, import_devices
from tocsin.commands.users import UserResult, create_user
from tocsin.domain.errors import Conflict

SCOPE = uuid4()


def once(context: Context, key: str, request: bytes = b"r") -> Context:
    return replace(context, once=Once(SCOPE, key, request, lambda result: str(result.device_id).encode()))


def test_the_same_key_and_request_get_the_first_answer(engine: Engine, context: Context, app_id: UUID) -> None:
    registration = Registration(platform="ios", token="c3" * 32)
    first = register_device(engine, once(context, "k"), app_id, registration)
    with pytest.raises(AlreadyDone) as repeated:
        register_device(engine, once(context, "k"), app_id, registration)
    assert repeated.value.answer == str(first.result.device_id).encode()
    assert repeated.value.position >= first.position


def test_the_same_key_with_another_request_is_refused(engine: Engine, context: Context, app_id: UUID) -> None:
    register_device(engine, once(context, "k"), app_id, Registration(platform="android", token="t1"))
    position = engine.record.head().position
    with pytest.raises(KeyReused):
        register_device(engine, once(context, "k", b"other"), app_id, Registration(platform="android", token="t2"))
    assert engine.record.head().position == position


def test_what_was_answered_is_kept_unreadable_for_who_does_not_have_the_key(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    same = replace(context, once=Once(SCOPE, "sealed", b"r", lambda result: result.device.user.value.encode()))
    register_device(engine, same, app_id, Registration(platform="web", user="ada.lovelace"))
    with engine.record.sessions.connection() as connection:
        rows = connection.execute("select c::text, encode(answer, 'escape') from record.commands c").fetchall()
    assert rows
    assert not [row for row in rows if "lovelace" in "".join(row) or b"ada.lovelace".hex() in row[0]]
    with pytest.raises(AlreadyDone) as repeated:
        register_device(engine, same, app_id, Registration(platform="web", user="ada.lovelace"))
    assert repeated.value.answer == b"ada.lovelace"


def test_racing_repetitions_are_carried_out_once(engine: Engine, context: Context, app_id: UUID) -> None:
    answers: list[bytes] = []

    def register() -> None:
        registration = Registration(platform="web")
        try:
            done = register_device(engine, replace(once(context, "race"), command_id=uuid4()), app_id, registration)
            answers.append(str(done.result.device_id).encode())
        except AlreadyDone as repeated:
            answers.append(repeated.answer)

    threads = [threading.Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1


def test_a_request_that_meets_what_itself_did_a_moment_before_gets_the_first_answer(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    same = replace(context, once=Once(SCOPE, "twice", b"r", lambda result: str(result.user_id).encode()))
    first: list[Done[UserResult]] = []

    def create_where_nobody_was_before() -> Decision[UserResult]:
        # The first request is carried out after the second was looked for and before it is decided.
        first.append(create_user(engine, same, app_id, "ada"))
        raise Conflict("there is a user of that name", field="name")

    with pytest.raises(AlreadyDone) as repeated:
        engine.carry_out(replace(same, command_id=uuid4()), create_where_nobody_was_before)
    assert repeated.value.answer == str(first[0].result.user_id).encode()


def test_an_import_that_was_cut_off_goes_on_where_it_was(engine: Engine, context: Context, app_id: UUID) -> None:
    lines = [b'{"platform":"android","token":"token-%d"}' % number for number in range(BATCH + 300)]
    lines[7] = b'{"platform":"android","tokn":"x"}'

    def cut_off() -> Iterator[bytes]:
        yield from lines[: BATCH + 100]
        raise ConnectionError

    interrupted = import_devices(engine, context, app_id, cut_off(), SCOPE, "file")
    first = next(interrupted)
    with pytest.raises(ConnectionError):
        next(interrupted)
    position = engine.record.head().position
    both = list(import_devices(engine, context, app_id, lines, SCOPE, "file"))
    assert both[0][0] == first[0]
    answers = [answer for batch, _ in both for answer in batch]
    assert [answer.line for answer in answers] == list(range(1, len(lines) + 1))
    assert [answer.line for answer in answers if answer.status == "refused"] == [8]
    assert answers[7].code == "invalid"
    assert engine.record.head().position == position + 300


def test_an_import_whose_lines_changed_under_its_key_is_refused(engine: Engine, context: Context, app_id: UUID) -> None:
    list(import_devices(engine, context, app_id, [b'{"platform":"web"}'], SCOPE, "file"))
    with pytest.raises(KeyReused):
        list(import_devices(engine, context, app_id, [b'{"platform":"sms"}'], SCOPE, "file"))
