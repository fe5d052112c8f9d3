"""Nothing is sent twice but what is recorded as in doubt, whoever is killed, frozen, rewound or doubled."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import psycopg
import pytest
from company import BRIEF, LASTING, PROVIDERS, Staff, deciding, delivering
from patience import PATIENCE
from scene import Scene, eventually

from tocsin.domain.events.chunk import AttemptAbandoned, AttemptStarted, OutcomeArrivedLate, OutcomeKind
from tocsin.domain.events.send import AudienceFrozen, InDoubt, SendCompleted
from tocsin.domain.lanes import LANES
from tocsin.eventlog.stream.port import Stream

DEVICES = 1000
PLANNED = 2000

NEVER_GIVING_UP = {"answer_within": 90.0, "slack": -90.0}
"""Terms of a worker that waits for its answer longer than its lease lasts, as none is told to in earnest."""

SECONDS_TO_FREEZE = 4.5
"""How long an answer takes to which a worker is frozen meanwhile: less than its lease, which is waited for anyway."""


def test_a_rewound_topic_calls_no_provider(scene: Scene, stream: Stream) -> None:
    scene.phones(150)
    with deciding(scene, stream), delivering(scene, stream):
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    before = scene.entries(send_id)
    with psycopg.connect(scene.database_url) as connection:
        rewound = connection.execute("update record.consumer_cursors set position = 0").rowcount
    with deciding(scene, stream), delivering(scene, stream):
        eventually(lambda: _cursors_passed(scene, before[-1].position, rewound), "every topic was read again")
    assert scene.sandbox.stats()["total"] == 150
    assert scene.entries(send_id) == before


def test_two_workers_share_a_send_and_send_nothing_twice(scene: Scene, stream: Stream) -> None:
    scene.phones(DEVICES)
    scene.sandbox.set(latency_ms=20)
    with deciding(scene, stream, chunk_size=40), ExitStack() as workers:
        for _ in range(2):
            workers.enter_context(delivering(scene, stream, chunks_at_once=2))
        eventually(lambda: _lanes_shared_by(scene, 2), "each lane is shared")
        send_id = scene.request()
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"delivered": DEVICES}
    assert _sent_more_than_once(scene) == set()
    assert len({fact.worker for fact in scene.facts(send_id, AttemptStarted)}) == 2


@pytest.mark.parametrize("role", ["deliver", "plan", "schedule", "project"])
def test_a_killed_role_leaves_every_device_with_one_outcome_and_none_sent_twice_unrecorded(
    scene: Scene, staff: Staff, role: str
) -> None:
    phones = set(scene.phones(DEVICES))
    scene.sandbox.set(latency_ms=150)
    company = {name: staff.start(name) for name in ("project", "plan", "schedule")}
    # The lease of a worker that is killed is waited for, and no other ends before the work is done.
    company["deliver"] = staff.start("deliver", **(BRIEF if role == "deliver" else LASTING))
    send_id = scene.request()
    _wait_for_the_middle(scene, role)
    staff.kill(company[role])
    staff.start(role, **LASTING)
    scene.wait_until_ended(send_id)
    assert set(scene.outcomes(send_id)) == phones
    assert scene.tally(send_id) == {"delivered": DEVICES}
    assert _sent_more_than_once(scene) <= {scene.token_of(device) for device in scene.in_doubt(send_id)}
    (completed,) = scene.facts(send_id, SendCompleted)
    assert completed.tally.delivered == DEVICES


def test_a_database_that_drops_every_session_again_and_again_costs_no_outcome(scene: Scene, staff: Staff) -> None:
    phones = set(scene.phones(DEVICES))
    scene.sandbox.set(latency_ms=100)
    for role in ("project", "plan", "schedule", "deliver"):
        staff.start(role)
    send_id = scene.request()
    for share in (1, 2, 3):
        eventually(lambda share=share: scene.sandbox.stats()["total"] >= DEVICES * share / 4, "a part is sent")
        _drop_sessions(scene)
    scene.wait_until_ended(send_id)
    assert set(scene.outcomes(send_id)) == phones
    assert scene.tally(send_id) == {"delivered": DEVICES}
    assert _sent_more_than_once(scene) <= {scene.token_of(device) for device in scene.in_doubt(send_id)}


@pytest.mark.parametrize(
    ("policy", "outcome"), [(InDoubt.RESEND, OutcomeKind.DELIVERED), (InDoubt.UNKNOWN, OutcomeKind.UNKNOWN)]
)
def test_a_claim_that_nobody_answers_for_is_settled_by_the_sends_policy(
    scene: Scene, staff: Staff, policy: InDoubt, outcome: OutcomeKind
) -> None:
    (device,) = scene.phones(1)
    scene.sandbox.fault(provider="apns", action="hang", times=1)
    for role in ("project", "plan", "schedule"):
        staff.start(role)
    # It is killed before it gives up by itself, however late that is.
    first = staff.start("deliver", **NEVER_GIVING_UP)
    send_id = scene.request(in_doubt=policy)
    eventually(lambda: scene.sandbox.stats()["total"], "the push arrives")
    staff.kill(first)
    staff.start("deliver", **LASTING)
    scene.wait_until_ended(send_id)
    (abandoned,) = scene.facts(send_id, AttemptAbandoned)
    assert abandoned.resolution is policy
    assert scene.outcomes(send_id) == {device: outcome}
    assert scene.in_doubt(send_id) == {device}


def test_a_frozen_workers_late_answer_settles_what_was_in_doubt(scene: Scene, staff: Staff) -> None:
    (device,) = scene.phones(1)
    for role in ("project", "plan", "schedule"):
        staff.start(role)
    frozen = staff.start("deliver", **NEVER_GIVING_UP)
    scene.sandbox.set(latency_ms=SECONDS_TO_FREEZE * 1000)
    send_id = scene.request(in_doubt=InDoubt.UNKNOWN)
    eventually(lambda: scene.sandbox.stats()["total"], "the push arrives")
    staff.freeze(frozen)
    eventually(lambda: scene.facts(send_id, AttemptAbandoned), "the lease ends")
    assert scene.outcomes(send_id) == {device: OutcomeKind.UNKNOWN}
    staff.thaw(frozen)
    eventually(lambda: scene.facts(send_id, OutcomeArrivedLate), "the answer is recorded")
    assert scene.outcomes(send_id) == {device: OutcomeKind.DELIVERED}
    assert scene.sandbox.stats()["total"] == 1


def test_an_answer_that_changes_nothing_any_more_leaves_its_worker_free(scene: Scene, staff: Staff) -> None:
    scene.phones(1)
    for role in ("project", "plan", "schedule"):
        staff.start(role)
    frozen = staff.start("deliver", chunks_at_once=1, **NEVER_GIVING_UP)
    scene.sandbox.fault(provider="apns", delay_ms=SECONDS_TO_FREEZE * 1000, times=1)
    send_id = scene.request(in_doubt=InDoubt.RESEND)
    eventually(lambda: scene.sandbox.stats()["total"], "the push arrives")
    staff.freeze(frozen)
    other = staff.start("deliver", **LASTING)
    scene.wait_until_ended(send_id)
    staff.kill(other)
    staff.thaw(frozen)
    scene.wait_until_ended(scene.request())


def test_a_worker_that_was_frozen_before_it_sent_does_not_send_under_an_ended_lease(
    scene: Scene, stream: Stream
) -> None:
    phones = scene.phones(20)
    with deciding(scene, stream), delivering(scene, stream, lease=3.0, answer_within=3.0):
        send_id = scene.request(max_attempts=1)
        scene.wait_until_ended(send_id)
    assert scene.tally(send_id) == {"failed": len(phones)}
    assert scene.sandbox.stats()["total"] == 0


@pytest.mark.parametrize(("last", "others"), [("chunk.planned", 0), ("chunk.due", 1)])
def test_a_planner_killed_half_way_plans_the_same_chunks(scene: Scene, last: str, others: int) -> None:
    phones = set(scene.phones(PLANNED))
    staff = Staff(scene, chunk_size=1)
    try:
        staff.start("project")
        planner = staff.start("plan")
        send_id = scene.request()
        with scene.appends_held_up(last, 200):
            staff.kill(planner)
            assert scene.count(last) < PLANNED
            assert scene.count("send.audience_frozen") == others
        staff.start("plan")
        eventually(lambda: scene.count("chunk.due") == PLANNED, "every chunk is due")
    finally:
        staff.close()
    chunks = scene.chunks(send_id)
    assert [chunk.ordinal for chunk in chunks] == list(range(PLANNED))
    assert [chunk.devices[0] for chunk in chunks] == sorted(phones)
    assert len(scene.facts(send_id, AudienceFrozen)) == 1


def test_a_worker_that_is_asked_to_stop_records_what_it_has_sent(scene: Scene, staff: Staff) -> None:
    scene.phones(DEVICES)
    scene.sandbox.set(latency_ms=300)
    for role in ("project", "plan", "schedule"):
        staff.start(role)
    # A chunk of a hundred at a time, so that much is left to do when it stops.
    worker = staff.start("deliver", chunks_at_once=1, **LASTING)
    send_id = scene.request()
    _wait_for_the_middle(scene, "deliver")
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    assert scene.sandbox.stats()["total"] < DEVICES
    assert scene.tally(send_id)["delivered"] == scene.sandbox.stats()["total"]
    scene.sandbox.set(latency_ms=0)
    staff.start("deliver", **LASTING)
    scene.wait_until_ended(send_id)
    assert _sent_more_than_once(scene) == set()
    assert scene.in_doubt(send_id) == set()


def _lanes_shared_by(scene: Scene, workers: int) -> bool:
    """Whether so many sessions hold partitions of every lane of every provider."""
    with psycopg.connect(scene.database_url) as connection:
        rows = connection.execute(
            "select count(distinct pid) from pg_locks join pg_stat_activity using (pid)"
            " where locktype = 'advisory' and granted and objid > 0 and datname = current_database()"
            " and application_name like 'tocsin delivery %' group by application_name"
        ).fetchall()
    return rows == [(workers,)] * len(LANES) * len(PROVIDERS)


def _cursors_passed(scene: Scene, position: int, count: int) -> bool:
    with psycopg.connect(scene.database_url) as connection:
        row = connection.execute(
            "select count(*) from record.consumer_cursors where position >= %s", (position,)
        ).fetchone()
    return row is not None and row[0] >= count


def _sent_more_than_once(scene: Scene) -> set[str]:
    """The tokens that the sandbox accepted a push for more than once."""
    counts = Counter(push["token"] for push in scene.sandbox.received(limit=100_000))
    return {token for token, count in counts.items() if count > 1}


def _wait_for_the_middle(scene: Scene, role: str) -> None:
    if role in ("deliver", "project"):
        eventually(lambda: scene.sandbox.stats()["total"] > DEVICES / 4, "a part is sent")
    else:
        eventually(lambda: scene.sandbox.stats()["total"], "something is sent")


def _drop_sessions(scene: Scene) -> None:
    with psycopg.connect(scene.database_url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
