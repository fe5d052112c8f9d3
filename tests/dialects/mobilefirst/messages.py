"""What is recorded of a message that a test sends."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from dialects.mobilefirst.client import Client
from tocsin.api.services import Services
from tocsin.domain.audience import Audience
from tocsin.domain.events.send import SendRequested
from tocsin.projections import sends
from tocsin.projections.sends import SendFilter

ALERT = "Bomb threat at X"
BROADCAST = Audience(expression="!Push.NONE")
PUSH = UUID(int=7)


def requested(client: Client, services: Services, members: Any) -> Any:
    """The entry of a message that was sent with these members."""
    answer = client.post("/messages", {"message": {"alert": ALERT}, **members})
    assert answer.status_code == 202, answer.text
    return entry_of(client, services, answer.json["messageId"])


def entry_of(client: Client, services: Services, identifier: str) -> Any:
    with services.readers.connection() as connection:
        found = sends.send_by_handle(connection, UUID(client.application), services.handles, identifier)
    assert found is not None
    entry = services.record.load(found.row.send_id)[0]
    assert isinstance(entry.fact, SendRequested)
    return entry


def parts_of(client: Client, services: Services, identifier: str) -> list[Any]:
    """The entries of what travels apart, of a message that was not withdrawn."""
    wanted = SendFilter(labels=(f"mobilefirst:part:{identifier}",), withdrawn=False)
    with services.readers.connection() as connection:
        found = sends.slice_sends(connection, UUID(client.application), wanted)
    return [services.record.load(one.row.send_id)[0] for one in found.items]


def audience_of(client: Client, services: Services, target: Any) -> Audience:
    found: Audience = requested(client, services, {} if target is None else {"target": target}).fact.audience
    return found


def sent(client: Client, services: Services, settings: Any, url: str | None = None) -> tuple[str, Any]:
    """The id of a message with these settings, and what the engine sends."""
    shown = {"alert": ALERT, **({"url": url} if url else {})}
    answer = client.post("/messages", {"message": shown, "settings": settings})
    assert answer.status_code == 202, answer.text
    return answer.json["messageId"], entry_of(client, services, answer.json["messageId"]).fact.message
