"""A relay as a process, to be killed and frozen. Its arguments come as JSON in the first argument."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading

from stream_spec import StreamSpec, end_with_the_tests

from tocsin.workers.relay import run


def main() -> None:
    """Relay until told to stop."""
    end_with_the_tests()
    spec = StreamSpec(**json.loads(sys.argv[1]))
    logging.basicConfig(level=logging.WARNING)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run(spec.database_url, spec.settings(), stop)


if __name__ == "__main__":
    main()
