"""The processes that own a server die, start together, or come after one another; the server bears it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from living import await_end, is_alive
from patience import eventually

from tocsin.eventlog.embedded import EmbeddedPostgres

from .conftest import Start
from .processes import postmaster_pid, recall, remember

# Starts the server on a directory, says its port, and gives it up once its standard input ends.
STARTER = """
import sys
from pathlib import Path
from tocsin.eventlog.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as info:
    print(info.port, flush=True)
    sys.stdin.read()
"""

# Runs the role as a child, says its process id, and waits to be killed.
PARENT_OF_THE_ROLE = """
import subprocess, sys
role = subprocess.Popen([sys.executable, "-m", "tocsin.eventlog.embedded", "--data", sys.argv[1]],
                        stdout=subprocess.PIPE, start_new_session=True)
role.stdout.readline()
print(role.pid, flush=True)
role.wait()
"""


def _say(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _start_role(start: Start, data_dir: Path) -> subprocess.Popen[str]:
    role = start("-m", "tocsin.eventlog.embedded", "--data", data_dir)
    assert "ready" in _say(role)
    return role


def test_processes_that_start_at_the_same_time_share_one_server_which_ends_with_the_last(
    data_dir: Path, start: Start
) -> None:
    starters = [start("-c", STARTER, data_dir) for _ in range(3)]
    assert len({_say(starter) for starter in starters}) == 1
    postmaster = postmaster_pid(data_dir)
    for starter in starters:
        assert is_alive(postmaster)
        starter.communicate()
        assert starter.returncode == 0
    assert not is_alive(postmaster)


def test_the_next_start_adopts_the_server_of_an_owner_that_was_killed(stopped: Path, start: Start) -> None:
    role = _start_role(start, stopped)
    postmaster = postmaster_pid(stopped)
    role.kill()
    role.wait()
    with EmbeddedPostgres(stopped) as info:
        assert postmaster_pid(stopped) == postmaster
        assert recall(info) == ["kept"]
    assert not is_alive(postmaster)


def test_a_stop_leaves_the_server_to_whoever_still_uses_it(stopped: Path, start: Start) -> None:
    role = _start_role(start, stopped)
    server = EmbeddedPostgres(stopped)
    server.start()
    assert not server.stop()
    assert server.is_running()
    role.terminate()
    assert role.wait() == 0
    assert not server.is_running()


def test_the_role_brings_a_killed_postmaster_back(stopped: Path, start: Start) -> None:
    role = _start_role(start, stopped)
    killed = postmaster_pid(stopped)
    os.kill(killed, signal.SIGKILL)
    assert "ready" in _say(role)
    info = EmbeddedPostgres(stopped).connection()
    assert info is not None
    assert recall(info) == ["kept"]
    assert postmaster_pid(stopped) != killed


def test_the_role_stops_the_server_when_asked_to(stopped: Path, start: Start) -> None:
    role = _start_role(start, stopped)
    postmaster = postmaster_pid(stopped)
    role.send_signal(signal.SIGINT)
    assert role.wait() == 0
    assert not is_alive(postmaster)


def test_the_role_does_not_outlive_the_process_that_started_it(stopped: Path, start: Start) -> None:
    parent = start("-c", PARENT_OF_THE_ROLE, stopped)
    role = int(_say(parent))
    postmaster = postmaster_pid(stopped)
    parent.kill()
    await_end({role, postmaster}, "the role and its server")


def test_an_initialisation_that_was_killed_is_begun_anew(data_dir: Path, start: Start) -> None:
    # It lets others go first, us among them: it must not be done before we have looked.
    starter = start("-c", f"import os; os.nice(19)\n{STARTER}", data_dir)
    eventually(
        lambda: list(data_dir.glob("server/initialising-*/pgdata/base")),
        lambda: f"it is being initialised: {list(data_dir.glob('server/*'))}",
        every=0.0,
    )
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    assert not (data_dir / "server" / "pgdata").exists()
    with EmbeddedPostgres(data_dir) as info:
        remember(info, "kept")
        assert recall(info) == ["kept"]
    assert [path.name for path in (data_dir / "server").iterdir()] == ["pgdata"]


def test_a_role_that_cannot_start_says_why_and_ends_with_an_error(room: Path) -> None:
    (room / "file").write_text("not a directory")
    command = [sys.executable, "-m", "tocsin.eventlog.embedded", "--data", str(room / "file" / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
