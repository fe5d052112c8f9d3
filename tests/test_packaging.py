"""The folders at the top of the repository are one package, whole, and under one name only."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("api", "commands", "domain", "eventlog", "projections", "sandbox", "tocsin", "workers")
PACKED = {".py", ".sql", ".html", ".css", ".svg", ".typed"}


def options() -> configparser.SectionProxy:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser["options"]


def files(room: str) -> Iterator[Path]:
    """What a room holds, as paths from the repository's root."""
    for file in (ROOT / room).rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file.relative_to(ROOT)


def module(path: Path) -> str:
    """The package that a folder is, such as ``tocsin.domain.events``."""
    return ".".join(path.parts if path.parts[0] == "tocsin" else ("tocsin", *path.parts))


def folders_with_code() -> dict[str, str]:
    """Package names and their folders."""
    folders = {file.parent for room in ROOMS for file in files(room) if file.suffix == ".py"}
    return {module(folder): folder.as_posix() for folder in folders}


def test_every_folder_with_code_is_mapped_to_its_package() -> None:
    mapping = dict(line.split(" = ") for line in options()["package_dir"].strip().splitlines())
    assert mapping == folders_with_code()


def test_every_folder_with_code_is_in_the_list_of_packages() -> None:
    listed = options()["packages"].split()
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == set(folders_with_code())


def test_every_folder_with_code_says_that_it_is_a_package() -> None:
    missing = [folder for folder in folders_with_code().values() if not (ROOT / folder / "__init__.py").is_file()]
    assert missing == []


def test_no_other_folder_at_the_top_is_a_package() -> None:
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert packages == set(ROOMS)


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "tocsin"])
def test_a_room_refuses_its_bare_name(room: str) -> None:
    attempt = subprocess.run(
        [sys.executable, "-c", f"import {room}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert attempt.returncode == 1
    assert f"ImportError: import tocsin.{room}, not {room}" in attempt.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel of the sources alone: a build folder left in the work tree would add what was deleted since."""
    sources, built = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for room in ROOMS:
        shutil.copytree(ROOT / room, sources / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), str(sources)]
    subprocess.run(command, check=True)
    (file,) = built.glob("tocsin-*.whl")
    return zipfile.ZipFile(file)


def test_a_wheel_holds_every_file_of_the_rooms_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    packed = {Path(name) for name in wheel.namelist() if ".dist-info/" not in name}
    present = {file for room in ROOMS for file in files(room)}
    assert {file.suffix for file in present} <= PACKED
    assert packed == {file if file.parts[0] == "tocsin" else Path("tocsin", file) for file in present}


def test_a_wheel_brings_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert b"tocsin = tocsin.cli:main" in wheel.read(entry_points)
    assert any(name.endswith("LICENSE") for name in wheel.namelist())
