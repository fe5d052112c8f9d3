"""A child process for the tests: notes what happens to it in a journal, and behaves as its options say.

Usage: role.py DIRECTORY NAME [deaf] [fails=N] [late=SECONDS] [offspring] [says=TEXT] [logs]
       [lives] [freezes] [computes]
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

directory, name, *behaviour = sys.argv[1:]
options = dict(option.partition("=")[::2] for option in behaviour)


def note(what: str) -> None:
    with (Path(directory) / "journal").open("a") as journal:
        journal.write(f"{name} {what} {os.getpid()}\n")


def starts_so_far() -> int:
    return (Path(directory) / "journal").read_text().count(f"{name} started")


def end(number: int, frame: object) -> None:
    note("ended")
    sys.exit(0)


signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in options else end)
note("started")
print(options.get("says", "hello"), flush=True)
if "logs" in options:
    print(json.dumps({"ts": "2026-01-02T03:04:05Z", "role": name, "message": "own entry", "count": 7}), flush=True)
if starts_so_far() <= int(options.get("fails", 0)):
    sys.exit(3)
if "offspring" in options:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    note(f"bore {child.pid}")
time.sleep(float(options.get("late", 0)))
(Path(directory) / f"{name}.ready").touch()
note("ready")
if {"lives", "freezes", "computes"} & options.keys():
    os.write(int(os.environ["TOCSIN_SIGNS_OF_LIFE"]), b".")
if "freezes" in options:
    os.kill(os.getpid(), signal.SIGSTOP)
while True:
    if "lives" in options:
        os.write(int(os.environ["TOCSIN_SIGNS_OF_LIFE"]), b".")
        time.sleep(0.05)
    elif "computes" not in options:
        time.sleep(600)
