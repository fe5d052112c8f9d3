"""The compose file by itself: valid, complete, and nothing in it points nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployment import compose
from tocsin.cli import main
from tocsin.domain.platforms import PROVIDERS

COMPOSE_SPECIFICATION = "vendor.compose-spec"
"""Of check-jsonschema: the schema that the Compose specification publishes."""


def _validate(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", COMPOSE_SPECIFICATION, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_file_is_valid_by_the_schema_of_the_specification() -> None:
    done = _validate(compose.FILE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("init: true", "init: [true]"),
        ("restart: unless-stopped", "restrat: unless-stopped"),
        ("condition: service_healthy", "condition: service_wealthy"),
        ("start_period: 60s", "start_perid: 60s"),
    ],
)
def test_the_schema_finds_mistakes(tmp_path: Path, right: str, wrong: str) -> None:
    text = compose.FILE.read_text()
    assert right in text
    changed = tmp_path / compose.FILE.name
    changed.write_text(text.replace(right, wrong))
    assert _validate(changed).returncode != 0


def test_every_role_of_the_command_line_is_a_service() -> None:
    commands = [service["command"] for service in compose.roles().values()]
    expected = [[name] for name in ("relay", "project", "plan", "schedule", "webhooks")]
    expected += [["deliver", "--provider", provider] for provider in PROVIDERS]
    assert sorted(command for command in commands if command[0] != "api") == sorted(expected)
    assert [command[0] for command in commands].count("api") == 1
    assert {command[0] for command in commands} <= set(main.commands)


@pytest.mark.parametrize("name", sorted(compose.services().keys() - {"migrate"}))
def test_a_service_that_ends_is_started_again_and_one_that_hangs_is_found_out(name: str) -> None:
    service = compose.services()[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", compose.roles())
def test_a_role_starts_on_a_migrated_database_and_a_broker_that_serves(name: str) -> None:
    assert compose.services()[name]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "kafka": {"condition": "service_healthy"},
    }


@pytest.mark.parametrize("name", [*compose.roles(), "migrate"])
def test_what_runs_our_image_has_no_more_rights_than_it_needs(name: str) -> None:
    service = compose.services()[name]
    assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True)
    assert ("admin_database_url" in compose.secret_names(service)) == (name == "migrate")


def test_what_a_service_refers_to_is_defined() -> None:
    document = compose.load()
    for name, service in document["services"].items():
        assert set(compose.secret_names(service)) <= document["secrets"].keys(), name
        assert set(service.get("depends_on", ())) <= document["services"].keys(), name
        assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= document["volumes"].keys(), name


def test_no_secret_stands_in_the_file_itself() -> None:
    for name, service in compose.services().items():
        assert not [key for key in _environment(service) if _is_secret(key)], name


def _environment(service: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = service.get("environment", {})
    return found


def _is_secret(variable: str) -> bool:
    return any(word in variable for word in ("PASSWORD", "KEY", "URL")) and not (
        variable.endswith("_FILE") or variable == "TOCSIN_PUBLIC_URL"
    )
