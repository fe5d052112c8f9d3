"""A projector as a process of its own, to be killed and frozen. Its arguments come as JSON."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from tocsin.eventlog.record import Record
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections.registry import NAMES
from tocsin.projections.runner import run


def main() -> None:
    """Project everything until killed."""
    arguments = json.loads(sys.argv[1])
    record = Record.open(arguments["database_url"], Path(arguments["master_key_file"]))
    stream = PostgresStream(arguments["database_url"])
    print("ready", flush=True)
    run(stream, record, NAMES, threading.Event())


if __name__ == "__main__":
    main()
