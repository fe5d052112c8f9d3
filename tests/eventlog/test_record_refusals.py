"""What an append is refused for, and that nothing of it is kept then: claims, idempotency keys, data keys."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from record_builders import APP, assert_dense, entry, head_position, registration, subscription

from tocsin.commands.ids import new_id
from tocsin.domain.entry import Entry
from tocsin.domain.events.device import DeviceRegistered
from tocsin.domain.personal import Personal
from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import Appended, Claim, ClaimRefused, CommandRecord, Repeated, VersionConflict

RIVAL = Path(__file__).with_name("record_rival.py")


def take(stream: UUID, digest: bytes = b"t", moved_from: UUID | None = None) -> Claim:
    return Claim(APP, "token", digest, stream, moved_from)


def let_go(stream: UUID, digest: bytes = b"t") -> Claim:
    return Claim(APP, "token", digest, None, stream)


def command(
    scope: UUID = APP, key: bytes = b"key", request: bytes = b"request", answer: bytes = b"first"
) -> CommandRecord:
    return CommandRecord(scope, key, request, answer)


def owner(record: Record, digest: bytes = b"t") -> UUID | None:
    return record.owner(APP, "token", digest)


class TestClaims:
    def test_a_claim_is_taken_with_the_event_that_takes_it(self, record: Record) -> None:
        device = registration()
        record.append([device], claims=[take(device.stream_id)])
        assert owner(record) == device.stream_id
        assert record.owner(uuid4(), "token", b"t") is None
        assert record.owner(APP, "alias", b"t") is None

    def test_a_claim_somebody_holds_is_refused_and_names_the_holder(self, record: Record) -> None:
        holder, rival = registration(), registration()
        record.append([holder], claims=[take(holder.stream_id)])
        with pytest.raises(ClaimRefused) as refusal:
            record.append([rival], claims=[take(rival.stream_id), take(rival.stream_id, b"other")])
        assert (refusal.value.kind, refusal.value.owner) == ("token", holder.stream_id)
        assert record.load(rival.stream_id) == []
        assert owner(record, b"other") is None

    def test_a_claim_taken_again_by_its_holder_is_no_refusal(self, record: Record) -> None:
        device = uuid4()
        for version in (1, 2):
            record.append([subscription(stream=device, version=version)], claims=[take(device)])
        assert owner(record) == device

    def test_a_claim_moves_from_the_holder_that_was_named(self, record: Record) -> None:
        old, new = uuid4(), uuid4()
        record.append([subscription(stream=old)], claims=[take(old)])
        moved = [subscription(stream=new), subscription("moved", stream=old, version=2)]
        record.append(moved, claims=[take(new, moved_from=old)])
        assert owner(record) == new

    def test_a_claim_does_not_move_from_somebody_who_lost_it_meanwhile(self, record: Record) -> None:
        first, second, third = uuid4(), uuid4(), uuid4()
        record.append([subscription(stream=first)], claims=[take(first)])
        record.append([subscription(stream=second)], claims=[take(second, moved_from=first)])
        with pytest.raises(ClaimRefused) as refusal:
            record.append([subscription(stream=third)], claims=[take(third, moved_from=first)])
        assert refusal.value.owner == second

    def test_a_claim_does_not_move_from_nobody(self, record: Record) -> None:
        device = uuid4()
        with pytest.raises(ClaimRefused) as refusal:
            record.append([subscription(stream=device)], claims=[take(device, moved_from=uuid4())])
        assert refusal.value.owner is None

    def test_a_claim_let_go_of_is_free(self, record: Record) -> None:
        old, new = uuid4(), uuid4()
        record.append([subscription(stream=old)], claims=[take(old)])
        record.append([subscription(stream=old, version=2)], claims=[let_go(old)])
        assert owner(record) is None
        record.append([subscription(stream=new)], claims=[take(new)])
        assert owner(record) == new

    def test_nobody_lets_go_of_what_another_holds(self, record: Record) -> None:
        holder, other = uuid4(), uuid4()
        record.append([subscription(stream=holder)], claims=[take(holder)])
        record.append([subscription(stream=other)], claims=[let_go(other)])
        assert owner(record) == holder

    def test_a_refused_unit_lets_go_of_nothing(self, record: Record) -> None:
        holder = uuid4()
        record.append([subscription(stream=holder)], claims=[take(holder)])
        with pytest.raises(VersionConflict):
            record.append([subscription(stream=holder)], claims=[let_go(holder)])
        assert owner(record) == holder

    def test_one_append_cannot_give_a_claim_to_two_streams(self, record: Record) -> None:
        one, other = uuid4(), uuid4()
        with pytest.raises(ClaimRefused):
            record.append([subscription(stream=one), subscription(stream=other)], claims=[take(one), take(other)])
        assert owner(record) is None
        assert record.head().position == 0

    def test_two_processes_that_want_the_same_tokens_never_both_get_one(
        self, record: Record, record_url: str, master_key_file: Path
    ) -> None:
        arguments = [sys.executable, str(RIVAL), record_url, str(master_key_file), "40"]
        rivals = [
            subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        for rival in rivals:
            assert rival.stdout is not None
            assert rival.stdout.readline() == "ready\n"
        for rival in rivals:
            assert rival.stdin is not None
            rival.stdin.write("go\n")
            rival.stdin.flush()
        one, other = (json.loads(rival.communicate()[0]) for rival in rivals)
        assert all((mine is None) != (yours is None) for mine, yours in zip(one, other, strict=True))
        digests = [f"token-{number}".encode() for number in range(40)]
        held = record.owners(APP, "token", digests)
        assert [str(held[digest]) for digest in digests] == [a or b for a, b in zip(one, other, strict=True)]
        assert_dense(record_url, 40)


class TestIdempotency:
    def test_the_answer_of_a_command_is_kept_with_its_events(self, record: Record) -> None:
        appended = record.append([subscription(), subscription()], command=command())
        answered = record.answered(APP, b"key")
        assert answered is not None
        assert (answered.request_digest, answered.answer) == (b"request", b"first")
        assert answered.position >= appended.last
        assert record.answered(uuid4(), b"key") is None

    def test_the_same_key_again_is_refused_and_the_first_answer_stays(self, record: Record) -> None:
        record.append([subscription()], command=command())
        with pytest.raises(Repeated):
            record.append([subscription()], command=command(request=b"another", answer=b"second"))
        answered = record.answered(APP, b"key")
        assert answered is not None
        assert answered.answer == b"first"
        assert record.head().position == 1

    def test_a_command_that_changes_nothing_is_kept_all_the_same(self, record: Record) -> None:
        record.append([], command=command())
        with pytest.raises(Repeated):
            record.append([], command=command())
        assert record.answered(APP, b"key") is not None

    def test_a_refused_command_leaves_its_key_unused(self, record: Record) -> None:
        device = registration()
        record.append([device])
        with pytest.raises(VersionConflict):
            record.append([device], command=command())
        assert record.answered(APP, b"key") is None
        record.append([subscription(stream=device.stream_id, version=2)], command=command())

    def test_a_repetition_says_so_even_where_its_versions_conflict_too(self, record: Record) -> None:
        device = registration()
        record.append([device], command=command())
        with pytest.raises(Repeated):
            record.append([device], command=command())

    @pytest.mark.parametrize("processes", [1, 2])
    def test_of_the_same_key_sent_many_times_at_once_one_is_carried_out(
        self, record: Record, record_url: str, master_key_file: Path, processes: int
    ) -> None:
        second = Record.open(record_url, master_key_file)
        records = [record, second if processes == 2 else record] * 4

        def once(target: Record) -> type:
            try:
                return type(target.append([subscription()], command=command()))
            except Repeated as refusal:
                return type(refusal)

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(once, records))
        second.close()
        assert sorted(outcomes, key=str) == [Appended] + [Repeated] * 7
        assert_dense(record_url, 1)


class TestDataKeys:
    def test_two_records_that_make_a_persons_key_at_once_agree_on_one(
        self, record: Record, record_url: str, master_key_file: Path
    ) -> None:
        second = Record.open(record_url, master_key_file)
        devices = [registration(user="ann") for _ in range(16)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda pair: pair[0].append([pair[1]]), zip([record, second] * 8, devices, strict=True)))
        second.close()
        assert {user_of(record, device) for device in devices} == {"ann"}

    @pytest.mark.parametrize("others", [0, 100], ids=["one append", "a large append"])
    def test_a_stream_that_begins_under_a_new_id_takes_the_key_that_its_subject_has_all_the_same(
        self, record: Record, others: int
    ) -> None:
        device = new_id()
        record.append([entry(DeviceRegistered(platform="ios", token=Personal(device, "said before")), uuid4())])
        record.append([registration("its own", device=device), *(registration() for _ in range(others))])
        fact = record.load(device)[0].fact
        assert isinstance(fact, DeviceRegistered)
        assert fact.token == Personal(device, "its own")
        keys = "select count(*) from record.subject_keys where subject = %s"
        with record.sessions.connection() as connection:
            assert connection.execute(keys, (device,)).fetchone() == (1,)

    def test_a_key_made_by_a_unit_that_is_refused_does_not_take_its_neighbours_with_it(self, record: Record) -> None:
        known = registration(user="ann")
        record.append([registration(device=known.stream_id)])
        new = registration(user="ann")
        refused, appended = record.append_many([([known], []), ([new], [])])
        assert isinstance(refused, VersionConflict)
        assert isinstance(appended, Appended)
        assert user_of(record, new) == "ann"

    def test_bulk_appends_that_make_the_same_persons_key_at_once_are_all_kept(
        self, record: Record, record_url: str, master_key_file: Path
    ) -> None:
        second = Record.open(record_url, master_key_file)
        batches = [[registration(user=f"user-{number}") for number in range(300)] for _ in range(4)]

        def import_batch(target: Record, batch: list[Entry]) -> list[object]:
            return list(target.append_many([([device], []) for device in batch]))

        with ThreadPoolExecutor(4) as pool:
            outcomes = [*pool.map(import_batch, [record, second] * 2, batches)]
        second.close()
        assert all(isinstance(outcome, Appended) for batch in outcomes for outcome in batch)
        assert [user_of(record, device) for device in batches[3]] == [f"user-{number}" for number in range(300)]

    def test_an_append_in_the_callers_transaction_takes_a_key_made_meanwhile(
        self, record: Record, record_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine, theirs = registration(user="ann"), registration(user="ann")
        encode = record.codec.encode

        def encode_and_be_overtaken(entries, **options):  # type: ignore[no-untyped-def]
            monkeypatch.undo()
            encoded = encode(entries, **options)
            record.append([theirs])
            return encoded

        monkeypatch.setattr(record.codec, "encode", encode_and_be_overtaken)
        with psycopg.connect(record_url) as connection:
            record.append_with(connection, [mine])
        assert user_of(record, mine) == user_of(record, theirs) == "ann"


class TestReliance:
    @pytest.mark.parametrize("size", [1, 300])
    def test_what_relies_on_a_stream_that_has_moved_is_refused_whole(self, record: Record, size: int) -> None:
        device, told = uuid4(), [subscription() for _ in range(size)]
        record.append([subscription(stream=device)])
        record.append([subscription("moved", stream=device, version=2)])
        with pytest.raises(VersionConflict) as refusal:
            record.append(told, unchanged={device: 1})
        assert refusal.value.stream_id == device
        assert record.load(told[0].stream_id) == []
        assert record.head().position == 2

    @pytest.mark.parametrize("size", [1, 300])
    def test_what_relies_on_a_stream_that_stands_is_appended_beside_it(self, record: Record, size: int) -> None:
        device, told = uuid4(), [subscription() for _ in range(size)]
        record.append([subscription(stream=device)])
        assert record.append(told, unchanged={device: 1}).last == 1 + size
        assert len(record.load(device)) == 1


class TestBulk:
    def test_refused_units_come_back_as_refusals_between_the_appended(self, record: Record, record_url: str) -> None:
        known = registration()
        record.append([known], claims=[take(known.stream_id)])
        rival, new = registration(), registration()
        outcomes = record.append_many(
            [([known], []), ([rival], [take(rival.stream_id)]), ([new], [take(new.stream_id, b"n")])]
        )
        assert outcomes[0] == VersionConflict(known.stream_id)
        assert outcomes[1] == ClaimRefused("token", known.stream_id)
        assert isinstance(outcomes[2], Appended)
        assert (outcomes[2].first, outcomes[2].last) == (2, 2)
        assert owner(record, b"n") == new.stream_id
        assert_dense(record_url, 2)

    def test_of_two_units_that_bring_the_same_version_the_first_is_appended(self, record: Record) -> None:
        device = registration()
        assert [type(outcome) for outcome in record.append_many([([device], []), ([device], [])])] == [
            Appended,
            VersionConflict,
        ]

    def test_many_units_are_told_their_own_positions(self, record: Record) -> None:
        units = [[subscription() for _ in range(size)] for size in (1, 300, 2, 0, 1)]
        outcomes = record.append_many([(unit, []) for unit in units])
        assert [(each.first, each.last) for each in outcomes if isinstance(each, Appended)] == [
            (1, 1),
            (2, 301),
            (302, 303),
            (304, 303),
            (304, 304),
        ]
        assert head_position(record.sessions.conninfo) == 304


def user_of(record: Record, device: Entry) -> object:
    fact = record.load(device.stream_id)[0].fact
    assert isinstance(fact, DeviceRegistered)
    assert fact.user is not None
    return fact.user.value
