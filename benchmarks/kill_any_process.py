"""Kills any single process in the middle of a send of 10,000 devices, and compares the two accounts of it.

    python benchmarks/kill_any_process.py [--devices N] [--process NAME]...

For each process of `tocsin up`, the postmaster and the supervisor included: a send to every device, SIGKILL when a
third of the provider calls were made, a wait until the send has ended (the supervisor is started again by hand), and
the record's account of every device beside the journal of the providers. Some answers are slow, some calls are refused
once. Exit status 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tocsin.sandbox.handle import running_sandbox

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from system.campaign import Campaign
from system.instance import Instance, eventually

BESIDE = ("api-worker", "postmaster", "guard", "supervisor")
"""What can be killed beside the supervised processes."""

HEADINGS = ("killed", "seconds to the end", "calls", "in doubt", "sent twice", "promises broken")


@contextmanager
def new_campaign(devices: int) -> Iterator[Campaign]:
    """An instance with so many devices, and providers that are not part of it."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-benchmark-"))
    directory.chmod(0o711)
    instance = Instance(directory / "data", directory / "up.log", "--sandbox")
    try:
        instance.start()
        with running_sandbox(directory / "carrier", "--keep", str(devices * 50)) as carrier:
            campaign = Campaign(instance, carrier)
            campaign.prepare(devices)
            yield campaign
    finally:
        instance.close()
        shutil.rmtree(directory)


def measured(campaign: Campaign, name: str) -> tuple[Sequence[str], bool]:
    """Kill one process in the middle of a send: a row of the table, and whether every promise was kept."""
    began = time.monotonic()
    push = campaign.request(f"killed: {name}")
    campaign.wait_until_under_way(push, len(campaign.devices) // 3)
    campaign.instance.kill(name)
    if name == "supervisor":
        campaign.instance.start()
    campaign.wait_until_ended(push)
    seconds = time.monotonic() - began
    eventually(campaign.instance.is_whole, "every process is ready again")
    account, broken = campaign.account(push), campaign.broken_promises(push)
    accepted, asked = campaign.calls(push)
    twice = sum(times > 1 for times in accepted.values())
    numbers = (f"{seconds:.1f}", str(asked.total()), str(len(account.in_doubt)), str(twice))
    return (name, *numbers, "; ".join(broken) or "none"), not broken


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000, metavar="N", help="default: 10000")
    parser.add_argument("--process", action="append", metavar="NAME", help="only this one; may be repeated")
    arguments = parser.parse_args()
    console, kept = Console(), []
    table = Table(*HEADINGS, title=f"SIGKILL in the middle of a send to {arguments.devices:,} devices")
    with new_campaign(arguments.devices) as campaign:
        for name in arguments.process or (*campaign.instance.processes(), *BESIDE):
            with console.status(f"killing {name} …"):
                row, good = measured(campaign, name)
            table.add_row(*row)
            kept.append(good)
    console.print(table)
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
