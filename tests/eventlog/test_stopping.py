"""A process is asked to stop at any moment, the worst one included."""

from __future__ import annotations

import subprocess
import sys

import pytest
from patience import PATIENCE

IN_THE_MIDST_OF_WAITING = """
import os, signal, sys
from tocsin.eventlog.stopping import stop_on_signals
stop = stop_on_signals()
with stop._cond:  # as a wait for the event does, on the same thread
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])
print("stopped" if stop.wait(30) else "not stopped")
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_in_the_midst_of_a_wait_for_it_stops_the_process(name: str) -> None:
    command = [sys.executable, "-c", IN_THE_MIDST_OF_WAITING, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.stdout, done.stderr) == ("stopped\n", "")
