"""A process that is frozen is killed and started again; one that is busy, or slept with the machine, never."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from patience import eventually

from tocsin import liveness
from tocsin.eventlog.watchdog import SIGN
from tocsin.liveness import Liveness

from .conftest import Supervise

FROZEN = "has given no sign of life for 1 s, nor used the processor: it is frozen, and is killed"


def test_a_role_that_is_frozen_is_killed_and_comes_back_and_the_log_says_why(supervise: Supervise) -> None:
    supervised = supervise("database", "worker<database:lives")
    supervised.wait_until_ready()
    others, frozen = supervised.pid_of("database"), supervised.pid_of("worker")
    os.kill(frozen, signal.SIGSTOP)
    eventually(lambda: supervised.pid_of("worker") != frozen, supervised.described)
    eventually(lambda: supervised.status()["worker"]["state"] == "ready", supervised.described)
    assert supervised.pid_of("database") == others
    supervised.process.send_signal(signal.SIGTERM)
    told = supervised.finish()
    assert f"worker {FROZEN}" in told
    assert "worker was killed by SIGKILL; restart 1 in 0.1 s" in told


def test_a_role_that_computes_and_one_that_never_gave_a_sign_are_left_alone(supervise: Supervise) -> None:
    # Whoever freezes at its start has been killed twice only when the others were silent for much longer.
    supervised = supervise("busy:computes", "mute", "frozen:freezes")
    eventually(lambda: supervised.events().count("frozen started") == 3, supervised.described)
    assert supervised.status()["busy"]["restarts"] == 0
    assert supervised.status()["mute"]["restarts"] == 0


def test_a_machine_that_slept_finds_everybody_alive(supervise: Supervise) -> None:
    supervised = supervise("worker:lives")
    supervised.wait_until_ready()
    worker = supervised.pid_of("worker")
    os.kill(supervised.process.pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGSTOP)
    time.sleep(2)
    os.kill(supervised.process.pid, signal.SIGCONT)
    os.kill(worker, signal.SIGCONT)
    supervised.process.send_signal(signal.SIGTERM)
    told = supervised.finish()
    assert "frozen" not in told
    assert supervised.process.returncode == 0


@pytest.fixture
def asleep() -> Iterator[tuple[Liveness, int]]:
    """A process that neither gives signs nor computes, and who listens to it."""
    life = Liveness()
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        os.write(life.voice, SIGN)
        life.listen()
        yield life, sleeper.pid
        sleeper.kill()
    life.leave_to_process()
    life.close()


def test_silence_counts_only_as_far_as_who_listens_is_at_work_itself(
    asleep: tuple[Liveness, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    life, pid = asleep
    now = time.monotonic()
    monkeypatch.setattr(liveness, "time", SimpleNamespace(monotonic=lambda: now))

    def looks(count: int, apart: float) -> bool:
        nonlocal now
        for _ in range(count):
            now += apart
            life.listen()
            if life.is_frozen(pid, 60.0):
                return True
        return False

    assert not looks(299, apart=3600.0)
    assert looks(3, apart=3600.0)
    os.write(life.voice, SIGN)
    assert not looks(1190, apart=0.05)
    assert looks(12, apart=0.05)
