"""``tocsin demo``: an alert from start to end, played over HTTP against everything, then told from the record."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tocsin.bootstrap import opened_record
from tocsin.demo.account import tell_excluded, tell_received, tell_send, tell_trail
from tocsin.demo.client import Client, Failed, read_environment
from tocsin.demo.incident import Incident
from tocsin.rebuilding import fingerprints, rebuild_with_progress
from tocsin.settings import Settings

START = 120.0
"""Seconds everything may take to come up on a slow machine."""


def play(console: Console, data: Path | None, *, keep: bool) -> int:
    """Start everything, play the incident, tell it, rebuild, compare. Returns 0 where all of it held."""
    directory = (data or Path(tempfile.mkdtemp(prefix="tocsin-demo-"))).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    log_file = directory / "demo.log"
    begun = time.time()
    with log_file.open("wb") as log:
        command = [sys.executable, "-m", "tocsin", "up", "--data", str(directory), "--port", "0", "--sandbox"]
        everything = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _play(console, directory, everything, begun)
            if keep:
                _stay(console, directory, everything)
        except Failed as failure:
            console.print(f"[red]The demo failed:[/red] {failure}\nThe log is at {log_file}.", soft_wrap=True)
            return 1
        finally:
            _stop(everything)
    console.print(f"\nData and log are in {directory}.", style="dim", soft_wrap=True)
    return 0


def _play(console: Console, directory: Path, everything: subprocess.Popen[bytes], begun: float) -> None:
    with console.status("Starting PostgreSQL, the API, the workers and stand-in providers …"):
        environment = _await_start(directory, everything, begun)
    client = Client(environment)
    console.print(f"Tocsin is up at {environment['TOCSIN_URL']}, stand-in providers at {environment['SANDBOX_URL']}.\n")
    incident = Incident(client, console)
    incident.prepare()
    sends = incident.alarm()
    for title, send_id in sends:
        tell_send(console, client, incident, title, send_id)
    tell_excluded(console, client, incident, sends[0][1])
    tell_received(console, client)
    tell_trail(console, client, incident)
    _rebuild(console, Settings(data=directory), client)


def _await_start(directory: Path, everything: subprocess.Popen[bytes], begun: float) -> dict[str, str]:
    """Wait until ``sandbox.env`` is written by this start: a directory that was used before has an older one."""
    file = directory / "sandbox.env"
    deadline = time.monotonic() + START
    while not file.exists() or file.stat().st_mtime < begun:
        if everything.poll() is not None:
            raise Failed("it did not start")
        if time.monotonic() > deadline:
            raise Failed(f"it was not up within {START:.0f} seconds")
        time.sleep(0.1)
    return read_environment(file)


def _rebuild(console: Console, settings: Settings, client: Client) -> None:
    """Throw every read model away and build it again: the same comes out, and nothing is sent."""
    console.print("\n[bold]Every read model is built again from the record[/bold]")
    sent = client.pushes()
    with opened_record(settings, readers=2) as record:
        before = fingerprints(record)
    rebuild_with_progress(settings, (), console)
    with opened_record(settings, readers=2) as record:
        after = fingerprints(record)
    # That there was a rebuild is an event of its own, and so in the read model of operations.
    differing = [name for name in before if before[name] != after[name] and name != "operations"]
    if differing:
        raise Failed(f"rebuilt, {', '.join(differing)} differ from before")
    if client.pushes() != sent:
        raise Failed("the rebuild made a provider call")
    console.print(f"{len(after)} read models rebuilt: the same as before, row for row.")
    console.print(f"The providers received nothing new: {sent} pushes before, {client.pushes()} after.")


def _stay(console: Console, directory: Path, everything: subprocess.Popen[bytes]) -> None:
    environment = read_environment(directory / "sandbox.env")
    console.print(f"\nStill up, until Ctrl-C:\n  API        {environment['TOCSIN_URL']}", soft_wrap=True)
    console.print(f"  sandbox    {environment['SANDBOX_URL']}/", soft_wrap=True)
    console.print(f"  settings   {directory / 'sandbox.env'}", soft_wrap=True)
    try:
        everything.wait()
    except KeyboardInterrupt:
        console.print("Stopping …")


def _stop(everything: subprocess.Popen[bytes]) -> None:
    if everything.poll() is None:
        everything.send_signal(signal.SIGTERM)
    try:
        everything.wait(90)
    except subprocess.TimeoutExpired:
        everything.kill()
