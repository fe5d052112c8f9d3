"""Roles start in order, come back when they end, stop in reverse order, and never outlive their supervisor."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from living import await_end, living
from patience import PATIENCE, eventually

from tocsin.supervisor import ProcessSpec, State, Supervisor, read_status

from .conftest import Supervise, guards_of, kill, read_all

SUPERVISED_DATABASE = """
import sys
from pathlib import Path
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.supervisor import ProcessSpec, Supervisor
role = [sys.executable, "-m", "tocsin.eventlog.embedded", "--data", {data_dir!r}]
server = EmbeddedPostgres(Path({data_dir!r}))
spec = ProcessSpec("postgres", role, ready=lambda: server.connection() is not None)
Supervisor([spec], on_ready=lambda: print("all ready", flush=True)).run()
"""


def test_a_role_starts_once_what_it_depends_on_is_ready_and_ends_before_it(supervise: Supervise) -> None:
    supervised = supervise("api<database", "database:late=0.3", "worker<api")
    supervised.wait_until_ready()
    supervised.process.send_signal(signal.SIGTERM)
    supervised.finish()
    assert supervised.process.returncode == 0
    happened = [f"{role} {what}" for role in ("database", "api", "worker") for what in ("started", "ready")]
    assert supervised.events() == [*happened, "worker ended", "api ended", "database ended"]
    assert not living(supervised.pids())


def test_a_role_that_was_killed_comes_back_and_the_others_do_not_notice(supervise: Supervise) -> None:
    supervised = supervise("database", "worker<database")
    supervised.wait_until_ready()
    others, killed = supervised.pid_of("worker"), supervised.pid_of("database")
    kill(killed)
    eventually(lambda: supervised.pid_of("database") != killed, "the database is started again")
    eventually(lambda: supervised.status()["database"]["state"] == "ready", supervised.described)
    assert supervised.status()["database"]["restarts"] == 1
    assert supervised.status()["worker"]["restarts"] == 0
    assert living({others})
    supervised.process.send_signal(signal.SIGINT)
    assert "database was killed by SIGKILL; restart 1 in 0.1 s" in supervised.finish()


def test_a_role_that_keeps_failing_is_tried_again_and_each_failure_is_told(supervise: Supervise) -> None:
    supervised = supervise("worker:fails=3")
    supervised.wait_until_ready()
    supervised.process.send_signal(signal.SIGTERM)
    told = [json.loads(line)["message"] for line in supervised.finish().splitlines()]
    failures = [message for message in told if "ended with status 3" in message]
    pauses = ["restart 1 in 0.1 s", "restart 2 in 0.2 s", "restart 3 in 0.2 s"]
    assert failures == [f"worker ended with status 3; {pause}" for pause in pauses]


def test_a_role_whose_program_is_missing_does_not_keep_the_others_down() -> None:
    supervisor = Supervisor([ProcessSpec("missing", ["/no/such/program"]), ProcessSpec("there", ["sleep", "60"])])
    running = Thread(target=supervisor.run)
    running.start()
    eventually(
        lambda: [status.state for status in supervisor.status()] == [State.PAUSING, State.READY],
        lambda: f"one waits for its next start and the other is ready: {supervisor.status()}",
    )
    supervisor.stop()
    running.join()
    assert {status.state for status in supervisor.status()} == {State.STOPPED}


def test_what_a_killed_role_had_started_is_gone_before_the_role_is_back(supervise: Supervise) -> None:
    supervised = supervise("worker:offspring")
    supervised.wait_until_ready()
    offspring = {pid for _, what, pid in supervised.journal() if what == "bore"}
    assert living(offspring)
    kill(supervised.pid_of("worker"))
    eventually(lambda: supervised.events().count("worker ready") == 2, supervised.described)
    assert not living(offspring)


def test_a_role_that_does_not_listen_is_killed_when_its_grace_is_over(supervise: Supervise) -> None:
    supervised = supervise("database", "worker<database:deaf:offspring")
    supervised.wait_until_ready()
    supervised.process.send_signal(signal.SIGTERM)
    assert "worker has not ended in time and is killed" in supervised.finish()
    assert supervised.process.returncode == 1
    assert supervised.events()[-1] == "database ended"
    # Whoever was killed is no child of the supervisor's, which cannot wait for the end of it.
    await_end(supervised.pids(), "the roles and what they started")


def test_a_second_ctrl_c_waits_for_nobody(supervise: Supervise) -> None:
    supervised = supervise("database:deaf", "worker<database")
    supervised.wait_until_ready()
    os.kill(supervised.pid_of("worker"), signal.SIGSTOP)
    supervised.process.send_signal(signal.SIGINT)
    eventually(lambda: supervised.status()["worker"]["state"] == "stopping", supervised.described)
    supervised.process.send_signal(signal.SIGINT)
    assert "stopping at once" in supervised.finish()
    assert supervised.process.returncode == 1
    assert not living(supervised.pids())


def test_a_killed_supervisor_leaves_no_child_and_no_grandchild(supervise: Supervise) -> None:
    supervised = supervise("database", "worker<database:offspring", "sender<worker:deaf")
    supervised.wait_until_ready()
    assert len(living(supervised.pids())) == 4
    os.killpg(supervised.process.pid, signal.SIGKILL)
    await_end(supervised.pids(), "the roles and what they started")
    ended = [event for event in supervised.events() if event.endswith("ended")]
    assert ended == ["worker ended", "database ended"]


def test_a_killed_guard_is_replaced_and_still_keeps_its_promise(supervise: Supervise) -> None:
    supervised = supervise("database", "worker")
    supervised.wait_until_ready()
    (first,) = guards_of(supervised.process.pid)
    kill(first)
    eventually(lambda: guards_of(supervised.process.pid) not in (set(), {first}), "another guard is there")
    # That a role is started again says that the supervisor has gone on, and told the new guard whom to end.
    former = supervised.pid_of("worker")
    kill(former)
    eventually(lambda: supervised.pid_of("worker") != former, supervised.described)
    kill(supervised.process.pid)
    await_end(supervised.pids(), "the roles of a supervisor whose guard was killed too")
    assert set(supervised.events()[-2:]) == {"database ended", "worker ended"}


def test_the_status_file_says_what_runs(supervise: Supervise, tmp_path: Path) -> None:
    supervised = supervise("database", "worker<database:fails=99")
    eventually(
        lambda: [s.restarts > 0 for s in read_status(tmp_path / "processes.json")] == [False, True],
        supervised.described,
    )
    database, worker = read_status(tmp_path / "processes.json")
    assert (database.name, database.pid, database.state) == ("database", supervised.pid_of("database"), State.READY)
    assert worker.state is not State.READY
    supervised.process.send_signal(signal.SIGTERM)
    supervised.finish()
    assert {(s.pid, s.state) for s in read_status(tmp_path / "processes.json")} == {(None, State.STOPPED)}


def test_without_a_terminal_every_line_is_json_and_names_its_role(supervise: Supervise) -> None:
    supervised = supervise("api:logs", "worker:says=password=hunter2")
    supervised.wait_until_ready()
    supervised.process.send_signal(signal.SIGTERM)
    entries = [json.loads(line) for line in supervised.finish().splitlines()]
    assert {"ts": "2026-01-02T03:04:05Z", "role": "api", "message": "own entry", "count": 7} in entries
    said = {(entry["role"], entry["message"]) for entry in entries}
    assert said >= {("api", "hello"), ("worker", "password=***"), ("supervisor", "worker is ready")}


def test_on_a_terminal_lines_are_coloured_and_carry_their_role(supervise: Supervise) -> None:
    ours, terminal = os.openpty()
    supervised = supervise("api:logs", "worker", output=terminal)
    os.close(terminal)
    supervised.wait_until_ready()
    supervised.process.send_signal(signal.SIGTERM)
    supervised.finish()
    shown = read_all(ours).decode()
    assert re.search(r"03:04:05 .*\x1b\[\d+mapi .*own entry.* count=7", shown)
    assert re.search(r"\x1b\[\d+mworker .*hello", shown)
    assert "{" not in shown


def test_a_killed_supervisor_takes_its_database_along_cleanly(data_dir: Path) -> None:
    program = SUPERVISED_DATABASE.format(data_dir=str(data_dir))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "all ready\n"
        postmaster = int((data_dir / "server" / "pgdata" / "postmaster.pid").read_text().splitlines()[0])
        supervisor.kill()
    await_end({postmaster}, "the database's server")
    assert not (data_dir / "server" / "pgdata" / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("specs", "complaint"),
    [
        ([ProcessSpec("a", ["x"]), ProcessSpec("a", ["y"])], "same name"),
        ([ProcessSpec("a", ["x"], depends_on=["b"])], "no process is named b"),
        ([ProcessSpec("a", ["x"], depends_on=["b"]), ProcessSpec("b", ["x"], depends_on=["a"])], "cycle"),
    ],
)
def test_specs_that_cannot_be_ordered_are_refused(specs: list[ProcessSpec], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Supervisor(specs, output=sys.stderr)


def test_what_keeps_a_process_from_being_ready_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ready() -> bool:
        raise RuntimeError("the door is locked")

    monkeypatch.setattr("tocsin.supervisor.PATIENCE_SECONDS", 0.0)
    supervisor = Supervisor([ProcessSpec("postgres", ["sleep", "600"], ready=ready)], output=sys.stderr)
    running = Thread(target=supervisor.run)
    running.start()
    eventually(
        lambda: any(line.endswith("is not ready yet: the door is locked") for line in caplog.messages),
        lambda: f"it is told what is in the way: {caplog.messages}",
    )
    supervisor.stop()
    running.join()


IN_THE_MIDST_OF_WAITING = """
import os, signal
from tocsin.supervisor import Supervisor
class Waiting(Supervisor):
    def _look_around(self):
        super()._look_around()
        with self._wake._cond:  # as the wait that follows does, on the same thread
            if not self._requests:
                os.kill(os.getpid(), signal.SIGINT)
print(Waiting([]).run())
"""


def test_a_signal_in_the_midst_of_a_wait_stops_everything_all_the_same() -> None:
    command = [sys.executable, "-c", IN_THE_MIDST_OF_WAITING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.stdout == "0\n", done.stderr
