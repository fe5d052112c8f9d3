"""Many threads that all decode an event of every type for the first time: a program, for it dies where they may not."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from tocsin.domain.catalog import CATALOG
from tocsin.eventlog.codec import Codec
from tocsin.eventlog.keyring import KeyRing
from tocsin.eventlog.stored import StoredEvent

THREADS = 12
BODY = b'{"fact":{},"actor":{"kind":"system","principal":"x"},"command_id":"","correlation_id":""}'


class NoKeys(KeyRing):
    """These bodies hold no ciphertext."""

    def __init__(self) -> None:
        pass

    def for_reading(self, kids: object) -> dict[str, object]:  # type: ignore[override]
        return {}


def event(name: str, version: int) -> StoredEvent:
    nobody = UUID(int=0)
    return StoredEvent(nobody, 1, name, BODY, 1, version, nobody, nobody, datetime.now(UTC))


def decode(codec: Codec, names: Sequence[str], gate: threading.Barrier) -> None:
    """Bodies that lack what each type needs are refused, once their structs are known."""
    gate.wait()
    for name in names:
        try:
            codec.decode([event(name, CATALOG[name][1])])
        except msgspec.ValidationError:
            continue


def main() -> None:
    """Let every thread begin with another type."""
    sys.setswitchinterval(1e-6)
    names, gate, codec = list(CATALOG), threading.Barrier(THREADS), Codec(NoKeys())
    threads = [
        threading.Thread(target=decode, args=(codec, names[first:] + names[:first], gate)) for first in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
