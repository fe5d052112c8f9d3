"""A process whose threads are watched, in a hurry; once its standard input ends, one of them waits for itself for ever.

Usage: watched_process.py DATABASE_URL
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from psycopg.errors import QueryCanceled

from tocsin.eventlog import database, watchdog

logging.basicConfig(level=logging.INFO, format="%(message)s")
watchdog.LOOK_EVERY = 0.05
watchdog.STUCK_AFTER = 10


def watch(name: str, work: Callable[[], object]) -> None:
    def run() -> None:
        with watchdog.watched(name):
            work()

    threading.Thread(target=run, daemon=True).start()


def look_around() -> None:
    while True:
        time.sleep(0.01)


def compute() -> None:
    while True:
        sum(range(10_000))


def read() -> None:
    with database.connect(sys.argv[1]) as connection, suppress(QueryCanceled):
        connection.execute("select pg_sleep(600)")
    look_around()


def wait_for_myself() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


for name, work in (("idle", look_around), ("busy", compute), ("reader", read)):
    watch(name, work)
watchdog.start()
sys.stdin.read()
watch("deadlocked", wait_for_myself)
threading.Event().wait()
