"""The command line of the sandbox."""

import asyncio
import logging
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tocsin.sandbox.server import Listeners, Sandbox
from tocsin.sandbox.settings import Identity, Settings

IDENTITY = Identity()
NOT_NEGATIVE = click.FloatRange(0)
POSITIVE = click.IntRange(1)
EXAMPLE = """\b
Example:
  python -m tocsin.sandbox --dir ./sandbox --port 8480 --push-port 8443
\b
Then look at http://127.0.0.1:8480/, take the credentials from ./sandbox/providers.json, and make the next push to
any iPhone fail once:
  curl -d '{"provider": "apns", "status": 503, "retry_after": 2, "times": 1}' http://127.0.0.1:8480/faults
"""


@click.command(context_settings={"show_default": True, "max_content_width": 120}, epilog=EXAMPLE)
@click.option(
    "--dir",
    "directory",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where keys, certificates and providers.json are; made if missing.",
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=0, help="Control port: page, JSON and faults, plain HTTP. 0 takes a free one.")
@click.option("--push-port", default=0, help="Port of APNs, FCM and WNS: TLS, HTTP/2 or 1.1. 0 takes a free one.")
@click.option("--development-port", default=0, help="Port of APNs' development host. 0 takes a free one.")
@click.option("--topic", default=IDENTITY.apns_topic, help="The app id that APNs knows.")
@click.option("--project", default=IDENTITY.fcm_project, help="The project id that FCM knows.")
@click.option("--latency-ms", default=0.0, type=NOT_NEGATIVE, help="Added to every answer to a push.")
@click.option("--keep", default=100_000, type=POSITIVE, help="How many of the latest pushes to keep in full.")
@click.option("--max-streams", default=1000, type=POSITIVE, help="HTTP/2 streams a connection may have open.")
@click.option("--idle-seconds", default=3600.0, type=click.FloatRange(0.1), help="When an idle connection is closed.")
@click.option(
    "--one-stream-until-authenticated", is_flag=True, help="As Apple: one stream until a provider token was good."
)
@click.option(
    "--provider-token-interval",
    default=0.0,
    type=NOT_NEGATIVE,
    help="As Apple (with 1200): seconds before a new provider token is welcome.",
)
@click.option(
    "--prefix-faults/--no-prefix-faults",
    default=True,
    help="Whether device tokens choose their answer by how they start.",
)
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
def main(directory: Path, until_stdin_closes: bool, **options: Any) -> None:
    """Stand-in APNs, FCM and WNS servers: they check requests as the real ones do, and fail when told to."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    listeners = Listeners(options["host"], options["port"], options["push_port"], options["development_port"])
    identity = Identity(apns_topic=options["topic"], fcm_project=options["project"])
    try:
        asyncio.run(_serve(Sandbox(directory, listeners, _settings(options), identity), until_stdin_closes))
    except OSError as error:
        raise click.ClickException(f"{error}. Choose another port or directory, or 0 for a free port.") from error


def _settings(options: dict[str, Any]) -> Settings:
    names = {"provider_token_interval": "provider_token_interval_seconds"}
    known = {spec.name for spec in fields(Settings)}
    given = {names.get(name, name): value for name, value in options.items()}
    return Settings(**{name: value for name, value in given.items() if name in known})


async def _serve(sandbox: Sandbox, until_stdin_closes: bool) -> None:
    providers = await sandbox.start()
    _announce(sandbox.directory, providers)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave.set)
    if until_stdin_closes:
        await loop.connect_read_pipe(lambda: _Lifeline(leave), sys.stdin)
    await leave.wait()
    await sandbox.stop()


def _announce(directory: Path, providers: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(f"[bold]Tocsin sandbox[/bold] at {providers['control_url']}/  (stop with Ctrl-C)")
    console.print(f"  APNs, FCM, WNS    {providers['push_url']}")
    console.print(f"  APNs development  {providers['apns']['development_url']}")
    console.print(f"  credentials       {directory / 'providers.json'}", soft_wrap=True)


class _Lifeline(asyncio.Protocol):
    """Standard input, held open by the process that started this one: when it ends, so do we."""

    def __init__(self, leave: asyncio.Event) -> None:
        self._leave = leave

    def connection_lost(self, _: Exception | None) -> None:
        self._leave.set()
