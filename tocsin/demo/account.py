"""The account of an alert, as anybody with the right role can read it from the API."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tocsin.demo.client import Client
from tocsin.demo.incident import Incident


def tell_send(console: Console, client: Client, incident: Incident, title: str, send_id: str) -> None:
    """Who was reached, when, by which provider message id, and who was not and why."""
    table = _table(f"“{title}”")
    for heading in ("device", "outcome", "via", "at", "message id, or reason"):
        table.add_column(heading, overflow="fold")
    for delivery in client.items(f"{incident.path}/sends/{send_id}/deliveries"):
        colour = "green" if delivery["outcome"] == "delivered" else "red"
        table.add_row(
            incident.devices[delivery["device_id"]],
            f"[{colour}]{delivery['outcome']}[/{colour}]",
            _via(delivery),
            _clock(delivery["answered_at"])[: len("hh:mm:ss")],
            _detail(delivery),
        )
    console.print(table, end="\n\n")


def _table(title: str) -> Table:
    # No edges and narrow gaps: a message id is to stand on one line of 80 columns.
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.show_edge = table.pad_edge = False
    return table


def _via(delivery: dict[str, Any]) -> str:
    """By which provider, and how often it was asked."""
    tries = delivery["attempts"]
    return f"{delivery['provider']} ×{tries}" if tries > 1 else str(delivery["provider"])


def _detail(delivery: dict[str, Any]) -> str:
    if delivery["outcome"] == "delivered":
        # Google's is a path whose beginning says only which project it is.
        return str(delivery["message_id"]).rpartition("/")[2]
    parts = (delivery["code"], delivery["reason"])
    return " ".join(dict.fromkeys(part for part in parts if part))


def tell_excluded(console: Console, client: Client, incident: Incident, send_id: str) -> None:
    """Who matched the audience and was left out of the first push, and why."""
    console.print("Left out of the first push, though they matched:")
    for excluded in client.items(f"{incident.path}/sends/{send_id}/excluded"):
        console.print(f"  {incident.devices[excluded['device_id']]}: {excluded['reason']}")


def tell_received(console: Console, client: Client) -> None:
    """What the fake phones themselves got: the stand-ins' own count, beside the record's."""
    stats = client.sandbox("GET", "/stats")
    answers = ", ".join(
        f"{provider} {answer}: {count}"
        for provider, counted in sorted(stats["by_answer"].items())
        for answer, count in sorted(counted.items())
    )
    console.print(f"\nThe providers' own count: {stats['total']} requests ({answers}).")


def tell_trail(console: Console, client: Client, incident: Incident) -> None:
    """The trail of events, each at its position, with who caused it."""
    table = _table("The trail of events")
    for heading in ("position", "at", "event", "by"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "position" else "left")
    for event in client.items(f"{incident.path}/events"):
        table.add_row(_position(event), _clock(event["time"]), event["type"], _principal(event))
    console.print()
    console.print(table)


def _principal(event: dict[str, Any]) -> str:
    """Who caused it; of a credential's id as much as tells it from others."""
    kind, _, name = event["actor"]["principal"].partition(":")
    # Ids begin with the time: their ends tell them apart.
    return f"{kind} {name[-8:]}" if kind == "credential" else f"{kind}:{name}"


def _position(event: dict[str, Any]) -> str:
    index = event.get("index")
    return f"{event['position']}  " if index is None else f"{event['position']}.{index}"


def _clock(moment: str | None) -> str:
    return "" if moment is None else moment[11:23].rstrip("Z")
