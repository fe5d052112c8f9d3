"""What the database says of a row, tokens and names among it, is shown by no process, however it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest
from patience import PATIENCE
from ports import free_port
from serving import await_answer, start

from tocsin.administration import issue_token
from tocsin.bootstrap import opened_record, prepare
from tocsin.eventlog.keys import MasterKeys
from tocsin.projections.rebuild import rebuild
from tocsin.projections.registry import NAMES
from tocsin.settings import Settings

SECRET = "Zlatana-7f3b9c"
SAID = "what is told is there already"

# Statement by statement, so that also what would have found nothing to do is refused.
REFUSAL = f"""
    create function public.refuse() returns trigger language plpgsql as $$ begin
        raise unique_violation using message = '{SAID}',
            detail = E'Key (user_name)=({SECRET},\\n{SECRET}) already exists.';
    end $$"""
TABLES = "select oid::regclass::text from pg_class where relnamespace = 'record'::regnamespace and relkind = 'r'"
REFUSE = "create trigger a_refusal before insert or update or delete on {} execute function public.refuse()"


@pytest.fixture
def settings(migrated_database_url: str, tmp_path: Path) -> Settings:
    """An instance that is ready."""
    key_file = tmp_path / "master.key"
    MasterKeys.create(key_file)
    settings = Settings(database_url=migrated_database_url, master_key_file=key_file)
    prepare(settings)
    issue_token(settings, "test", ("admin",))
    return settings


def refuse_everything(settings: Settings) -> None:
    """From now on every statement that would write to the record is refused, with a row's values in what is said."""
    with psycopg.connect(settings.database_url or "", autocommit=True) as superuser:
        superuser.execute(REFUSAL.encode())
        for (table,) in superuser.execute(TABLES).fetchall():
            superuser.execute(REFUSE.format(table).encode())


PROCESSES = ("project", "plan", "schedule", "deliver", "webhooks", "relay")
COMMANDS = ("app create Campus", "rebuild --all", "keys rotate")


@pytest.mark.parametrize("command", [*PROCESSES, *COMMANDS])
def test_a_process_that_is_refused_a_row_does_not_show_it(settings: Settings, tmp_path: Path, command: str) -> None:
    refuse_everything(settings)
    MasterKeys.create(settings.key_file)
    shown = shown_by(settings, command.split())
    assert SAID in shown
    assert SECRET not in shown


def shown_by(settings: Settings, arguments: list[str]) -> str:
    """All that a command writes until it ends."""
    environment = os.environ | variables(settings) | {"TOCSIN_KAFKA": "127.0.0.1:9" if "relay" in arguments else ""}
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode
    return done.stdout + done.stderr


def variables(settings: Settings) -> dict[str, str]:
    return {"TOCSIN_DATABASE_URL": settings.database_url or "", "TOCSIN_MASTER_KEY_FILE": str(settings.key_file)}


def test_a_request_that_is_refused_a_row_does_not_show_it(settings: Settings, tmp_path: Path) -> None:
    token = issue_token(settings, "test", ("admin",)).secret
    with opened_record(settings) as record:
        rebuild(record, NAMES)
    refuse_everything(settings)
    log, port = tmp_path / "log", free_port()
    with log.open("w") as output:
        process = start(settings.database_url or "", settings.key_file, output, port, workers=1)
        await_answer(f"http://127.0.0.1:{port}/healthz", process)
        request = Request(f"http://127.0.0.1:{port}/v1/apps", json.dumps({"name": "Campus"}).encode())
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Content-Type", "application/json")
        with pytest.raises(HTTPError) as refused:
            urlopen(request, timeout=PATIENCE)
        answer = refused.value.read().decode()
        process.terminate()
        process.wait(timeout=PATIENCE)
    assert refused.value.code == 500
    assert SAID in log.read_text()
    assert SECRET not in log.read_text() + answer
