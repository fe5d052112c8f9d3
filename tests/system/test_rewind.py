"""Everything that was ever consumed is consumed again: no provider is called."""

from __future__ import annotations

import psycopg

from system.campaign import Campaign
from system.instance import eventually
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.projections.registry import NAMES

REWIND = "delete from record.consumer_cursors returning group_name, topic, partition"
STANDING = "select group_name, topic, partition from record.consumer_cursors where position >= %s"

Places = set[tuple[str, str, int]]
"""Consumers: group, topic, partition."""


def test_rewound_consumers_and_rebuilt_read_models_call_no_provider(campaign: Campaign) -> None:
    instance = campaign.instance
    push = campaign.request("before the rewind")
    campaign.wait_until_ended(push)
    received = campaign.carrier.stats()["total"]
    assert instance.interrupt() == 0, instance.how_it_stands()
    with EmbeddedPostgres(instance.directory / "postgres") as server:
        consumers, head = _rewind(server.url)
    instance.start()
    rebuilt = instance.run("rebuild", "--all")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert [name for name in NAMES if f"{name}: " not in rebuilt.stdout] == []
    eventually(lambda: consumers <= _standing_at(instance.database_url(), head), "everything is read again", every=0.1)
    assert campaign.carrier.stats()["total"] == received
    assert instance.sandbox.stats()["total"] == 0
    assert campaign.broken_promises(push) == {}


def _rewind(database_url: str) -> tuple[Places, int]:
    """Every consumer begins at the beginning again; who they are, and the record's last position."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        consumers = set(connection.execute(REWIND).fetchall())
        ((head,),) = connection.execute("select position from record.head")
    assert {group for group, _, _ in consumers} == {"planner", "delivery", "webhooks"}
    return consumers, int(head)


def _standing_at(database_url: str, position: int) -> Places:
    with psycopg.connect(database_url, autocommit=True) as connection:
        return set(connection.execute(STANDING, (position,)).fetchall())
