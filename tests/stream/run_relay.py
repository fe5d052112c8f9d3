"""A relay as a process, to be killed and frozen. Its arguments come as JSON in the first argument."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading

from tocsin.eventlog.stream.broker import KafkaSettings
from tocsin.workers.relay import run


def main() -> None:
    """Relay until told to stop."""
    arguments = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.WARNING)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = KafkaSettings(arguments["bootstrap"], topic_prefix=arguments["topic_prefix"])
    run(arguments["database_url"], settings, stop)


if __name__ == "__main__":
    main()
