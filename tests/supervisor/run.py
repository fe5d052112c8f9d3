"""Runs a supervisor over roles for the tests.

Usage: run.py DIRECTORY ROLE…, a role being NAME[<DEPENDS_ON][:OPTION]… with the options of role.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tocsin.logs import configure_logging
from tocsin.supervisor import ProcessSpec, Supervisor

directory = Path(sys.argv[1])


def spec(description: str) -> ProcessSpec:
    head, *options = description.split(":")
    name, _, depends_on = head.partition("<")
    return ProcessSpec(
        name,
        [sys.executable, str(Path(__file__).with_name("role.py")), str(directory), name, *options],
        depends_on=[depends_on] if depends_on else [],
        ready=(directory / f"{name}.ready").exists,
        first_pause=0.1,
        longest_pause=0.2,
        grace=0.5 if "deaf" in options else 10.0,
        frozen_after=1.0,
    )


configure_logging("supervisor")
supervisor = Supervisor(
    [spec(description) for description in sys.argv[2:]],
    status_file=directory / "processes.json",
    on_ready=(directory / "all.ready").touch,
)
sys.exit(supervisor.run())
