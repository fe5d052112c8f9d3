"""How a process is asked to stop."""

from __future__ import annotations

import os
import signal
import threading


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. To be called on the main thread."""
    stop = threading.Event()
    reader, writer = os.pipe()
    # A handler runs on the main thread in the midst of whatever that does. Where that is waiting for this very event,
    # setting it here would now and then ask for a lock the thread holds itself, and wait for ever.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writer, b"."))
    threading.Thread(target=_set_when_told, args=(reader, stop), name="signals", daemon=True).start()
    return stop


def _set_when_told(reader: int, stop: threading.Event) -> None:
    os.read(reader, 1)
    stop.set()
