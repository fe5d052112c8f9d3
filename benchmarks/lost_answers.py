"""How many pushes get no answer when requests fill the connection's window, with and without the transport's nudge.

    python benchmarks/lost_answers.py [--starts 60]

Each start is a new transport that sends 1,500 pushes of almost 4 kB to the Go stand-in; a push without an answer after
4 s is lost. Needs Go 1.26 and openssl.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from transport import alarm, body, device, header_lines, provider_token, stand_in

from tocsin.workers.providers import connections
from tocsin.workers.providers.exchange import HttpRequest, Pool
from tocsin.workers.providers.transport import Transport

PUSHES = 1500
TEXT = 3800
PATIENCE = 4.0


def lost_in_one_start(url: str, certs: Path) -> int:
    pool = Pool(owner="benchmark", ca_path=str(certs / "ca.pem"))
    bearer, message = provider_token(certs), alarm(TEXT)
    requests = [
        HttpRequest(
            url=f"{url}/3/device/{device(n)}", headers=header_lines(n, bearer), body=body(n, message), pool=pool
        )
        for n in range(PUSHES)
    ]
    lost = 0
    with Transport() as transport:
        channel = transport.channel()
        deadline = time.monotonic() + PATIENCE
        channel.submit_all([(request, None, deadline) for request in requests])
        while channel.outstanding:
            lost += sum(result.failure is not None for result in channel.results(5))
    return lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=60)
    starts = parser.parse_args().starts
    usual = connections.NUDGE_AFTER
    with tempfile.TemporaryDirectory() as made, stand_in(Path(made)) as url:
        for name, seconds in (("without the nudge", math.inf), ("with it", usual)):
            connections.NUDGE_AFTER = seconds
            lost = sum(lost_in_one_start(url, Path(made) / "certs") for _ in track(range(starts), name))
            Console().print(f"{name}: {lost} of {starts * PUSHES:,} pushes got no answer")


if __name__ == "__main__":
    main()
