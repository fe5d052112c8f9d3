"""What docs/operations.md says of settings and commands is so."""

from __future__ import annotations

import inspect
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from deployment import compose
from deployment.deployment import OPERATIONS, secrets_script
from tocsin import settings
from tocsin.cli import main
from tocsin.eventlog.keys import MasterKeys

PAGE = OPERATIONS.read_text(encoding="utf-8")


def test_every_setting_is_on_the_page_and_no_other() -> None:
    read = set(re.findall(r"TOCSIN_[A-Z_]+", inspect.getsource(settings)))
    table = PAGE.partition("## Settings")[2].partition("## PostgreSQL")[0]
    assert set(re.findall(r"TOCSIN_[A-Z_]+", table)) == read


def test_every_role_is_on_the_page() -> None:
    table = PAGE.partition("## The roles")[2].partition("## Settings")[0]
    roles = {service["command"][0] for service in compose.roles().values()}
    assert set(re.findall(r"^\| `tocsin (\w+)", table, re.MULTILINE)) == {"migrate", *roles}


def test_every_command_on_the_page_is_one() -> None:
    named = set(re.findall(r"(?:^ {4}|`)tocsin ([a-z]+)", PAGE, re.MULTILINE))
    assert {"up", "migrate", "rebuild", "keys", "healthy"} <= named <= main.commands.keys()


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    subprocess.run(["sh", "-c", secrets_script()], cwd=tmp_path, check=True)
    return tmp_path / "secrets"


def test_the_script_makes_every_secret_of_the_compose_file_and_no_other(secrets: Path) -> None:
    wanted = {Path(secret["file"]).name for secret in compose.load()["secrets"].values()}
    assert {file.name for file in secrets.iterdir()} == wanted
    assert MasterKeys.load(secrets / "master_key").current == 1


def test_nobody_else_gets_at_the_secrets(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o444}


def test_the_script_leaves_secrets_alone_that_are_there(secrets: Path) -> None:
    before = {file.name: file.read_bytes() for file in secrets.iterdir()}
    command = ["sh", "-c", secrets_script()]
    again = subprocess.run(command, cwd=secrets.parent, env=os.environ, capture_output=True, check=False)
    assert again.returncode != 0
    assert {file.name: file.read_bytes() for file in secrets.iterdir()} == before
