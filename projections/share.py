"""One process's share of a rebuild: the streams of one partition, folded in order up to a position.

Also a program, which a rebuild starts on every further core; what it needs comes on standard input, which stays open
for as long as the rebuild lives.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.tail import Tail
from tocsin.projections.garbage import collector_paused
from tocsin.projections.projection import Projection, Target
from tocsin.projections.registry import PROJECTIONS

AT_ONCE = 10_000
"""Events in one step."""


class ShareFailed(Exception):
    """A process that took part in a rebuild ended early. What it said is above; the live read model is as it was."""


class Share(msgspec.Struct, frozen=True):
    """Which streams (``number`` of ``shares``) to fold into ``schema``, up to and with ``stop``."""

    projection: str
    schema: str
    number: int
    shares: int
    stop: int


class _Order(msgspec.Struct, frozen=True):
    database_url: str
    master_key_file: str
    share: Share


def fold_share(record: Record, share: Share, start: int, progress: Callable[[int], None]) -> int:
    """Fold a share from above ``start``, a transaction a step; ``progress`` is told each position reached.

    Returns how many events were folded.
    """
    projection = PROJECTIONS[share.projection]
    position, count = start, 0
    tail = Tail(record.address[0])
    with record.sessions.connection() as connection, closing(tail):
        # What a crash would lose is only what would be built again.
        connection.execute("set synchronous_commit to off")
        try:
            while position < share.stop:
                end = min(position + AT_ONCE * share.shares, share.stop)
                with connection.transaction(), collector_paused():
                    events = tail.read_share(position, end, (share.number,), share.shares, projection.wanted)
                    fold_events(record, projection, Target(connection, share.schema, record.keyring.digest), events)
                position = end
                count += len(events)
                progress(position)
        finally:
            if not connection.closed:
                connection.execute("reset synchronous_commit")
    return count


def fold_events(record: Record, projection: Projection, target: Target, events: Sequence[StoredEvent]) -> None:
    """Decode and fold, in the caller's transaction."""
    if events:
        projection.fold(target, record.codec.decode(events))


@contextmanager
def in_another_process(record: Record, share: Share) -> Iterator[Callable[[], int]]:
    """Fold a share beside this process; what it yields waits for the end and returns how many events were folded.

    The process ends with the block, and with this process, however that ends. Waiting raises ShareFailed.
    """
    url, master_key_file = record.address
    command = [sys.executable, "-m", "tocsin.projections.share"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(_Order(url, str(master_key_file), share)) + b"\n")
    process.stdin.flush()

    def wait() -> int:
        assert process.stdout is not None
        answer = process.stdout.readline()
        if not answer:
            raise ShareFailed(f"process {process.pid} ended with {process.wait()} in the rebuild of {share.projection}")
        return int(answer)

    try:
        yield wait
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Fold what standard input asks for, and say how many events that were."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=_Order)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    record = Record.open(order.database_url, Path(order.master_key_file), readers=4)
    count = fold_share(record, order.share, 0, lambda _: None)
    record.close()
    print(count, flush=True)


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock this thread would still hold when the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
