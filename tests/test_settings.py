"""Settings, as the environment gives them."""

from __future__ import annotations

import traceback
from ipaddress import ip_network
from pathlib import Path

import pytest

from tocsin.bootstrap import webhook_policy
from tocsin.settings import SettingsError, load


def test_private_networks_for_webhooks_are_named_one_by_one(tmp_path: Path) -> None:
    settings = load(tmp_path, {"TOCSIN_WEBHOOK_NETWORKS": "10.1.0.0/16, fd12::/16,192.0.2.7"})
    expected = (ip_network("10.1.0.0/16"), ip_network("fd12::/16"), ip_network("192.0.2.7"))
    assert webhook_policy(settings).networks == expected
    assert webhook_policy(load(tmp_path, {})).networks == ()


@pytest.mark.parametrize("given", ["10.1.0.1/16", "localhost", "10.1.0.0/16;fd12::/16"])
def test_what_is_no_network_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(SettingsError, match="TOCSIN_WEBHOOK_NETWORKS must be networks"):
        load(tmp_path, {"TOCSIN_WEBHOOK_NETWORKS": given})


def test_authorities_that_are_not_there_are_missed_before_the_first_call(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    settings = load(tmp_path, {"TOCSIN_WEBHOOK_CA_FILE": str(file)})
    with pytest.raises(SettingsError, match="where there is no file"):
        webhook_policy(settings)
    file.touch()
    assert webhook_policy(settings).ca_path == str(file)


@pytest.mark.parametrize("name", ["TOCSIN_DATABASE_URL", "TOCSIN_ADMIN_DATABASE_URL"])
@pytest.mark.parametrize(
    "given", ["hunter2", "postgresql://ada:hunter2@[::1/x", "postgres//ada:hunter2@db/x", "pass=hunter2"]
)
def test_what_is_no_connection_string_is_refused_and_not_repeated(tmp_path: Path, name: str, given: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is no connection string") as refusal:
        load(tmp_path, {name: given})
    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize("given", ["postgresql://ada:secret@db.example:5432/x?sslmode=verify-full", "host=db user=ada"])
def test_both_forms_of_a_connection_string_are_taken(tmp_path: Path, given: str) -> None:
    assert load(tmp_path, {"TOCSIN_DATABASE_URL": given}).database_url == given
