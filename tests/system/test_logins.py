"""Who is logged in at the embedded PostgreSQL while everything runs."""

from __future__ import annotations

import psycopg
import pytest

from system.campaign import Campaign
from system.instance import Instance

LOGGED_IN = """
    select distinct usename from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid() and datname = current_database()"""


def test_no_process_is_logged_in_as_the_superuser(instance: Instance, campaign: Campaign) -> None:
    campaign.wait_until_ended(campaign.request("who is logged in"))
    with psycopg.connect(instance.database_url()) as connection:
        assert connection.execute(LOGGED_IN).fetchall() == [("tocsin_service",)]


@pytest.mark.parametrize(
    "command", [("claims",), ("keys", "rotate"), ("credential", "issue", "x", "--role", "auditor")]
)
def test_commands_do_with_that_login_too(instance: Instance, campaign: Campaign, command: tuple[str, ...]) -> None:
    done = instance.run(*command)
    assert done.returncode == 0, done.stderr
