"""One of everything an app can have, and where it stands in the addresses of the document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from calling import Caller

from tocsin.eventlog import webhook_calls
from tocsin.eventlog.record import Record
from tocsin.eventlog.webhook_calls import Call

METHODS = {"get", "post", "put", "patch", "delete"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation of a document."""
    for path, item in document["paths"].items():
        for method in sorted(METHODS & item.keys()):
            yield path, method, item[method]


def call_noted(record: Record, campus: Caller) -> tuple[str, str]:
    """A webhook and a call to it, as the worker notes one."""
    made = campus.post("/webhooks", {"name": "x", "url": "https://example.org", "events": ["*"]}).json
    app_id = UUID(campus.prefix.rpartition("/")[2])
    call = Call(UUID(made["webhook_id"]), record.head().position, 0, app_id, "device.registered")
    with record.sessions.connection() as connection:
        webhook_calls.note(connection, [call])
    return made["webhook_id"], call.message_id


def things(campus: Caller, record: Record) -> dict[str, str]:
    """Makes one of everything; the values of the parameters of addresses that lead to it."""
    device = campus.post("/devices", {"platform": "ios", "user": "ada", "tags": ["staff"]})
    campus.post("/credentials", {"name": "x", "roles": ["sender"]})
    campus.put("/providers/wns", {"configuration": {"client_id": "x"}, "secret": "y"})
    campus.post("/users", {"name": "ada", "profile": {"year": 3}})
    notification = campus.post("/notifications", {"body": "x", "title": "t"}).json["notification_id"]
    campus.post(f"/notifications/{notification}/followups", {"body": "y"})
    send = campus.post("/sends", {"message": {"title": "t"}, "audience": {"everyone": True}}).json["send_id"]
    webhook_id, call_id = call_noted(record, campus)
    return {
        "webhook_id": webhook_id,
        "call_id": call_id,
        "device_id": device.json["device_id"],
        "notification_id": notification,
        "followup_id": "1",
        "send_id": send,
        "provider": "wns",
        "tag": "staff",
        "user_id": campus.get("/users").json["items"][0]["user_id"],
        "credential_id": campus.get("/credentials").json["items"][0]["credential_id"],
        "app_id": campus.prefix.rpartition("/")[2],
    }
