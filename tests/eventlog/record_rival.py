"""A process that registers devices for tokens which others want as well, and says which it got.

``python record_rival.py DATABASE_URL MASTER_KEY_FILE TOKENS``; starts on the first line it is sent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from record_builders import APP, registration

from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import Claim, ClaimRefused


def wins(record: Record, token: str) -> str | None:
    """The device that got the token, or None."""
    device = registration(token)
    try:
        record.append([device], claims=[Claim(APP, "token", token.encode(), device.stream_id)])
    except ClaimRefused:
        return None
    return str(device.stream_id)


def main(database_url: str, master_key_file: str, tokens: str) -> None:
    record = Record.open(database_url, Path(master_key_file))
    record.head()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps([wins(record, f"token-{number}") for number in range(int(tokens))]))
    record.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
