"""The image's installation, carried out in a clean environment, and what the Dockerfile promises beside it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import tocsin
from deployment import compose, dockerfile
from deployment.dockerfile import FINAL, Build

DATA = ("*.sql", "*.html", "*.css", "*.svg", "py.typed")

IMPORT_EVERYTHING = """
import importlib, pkgutil, tocsin
for module in pkgutil.walk_packages(tocsin.__path__, "tocsin."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(tocsin.__file__)
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    build = Build(tmp_path_factory.mktemp("image"))
    build.run()
    return build


@pytest.fixture(scope="module")
def installed(build: Build) -> Path:
    """The environment that goes into the image."""
    (taken,) = dockerfile.of(FINAL, "COPY")
    stage, source, target = taken.arguments
    # An environment works only where it was made.
    assert (stage, source) == ("--from=build", target)
    return build.place(source)


def _run(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """As in the image: nothing is on the path but the environment, and the sources are out of reach."""
    program = [str(installed / "bin" / command[0]), *command[1:]]
    environment = {"PATH": str(installed / "bin")}
    return subprocess.run(program, cwd="/", env=environment, capture_output=True, text=True, check=False)


def test_the_installed_command_says_its_version(installed: Path) -> None:
    (entrypoint,) = dockerfile.of(FINAL, "ENTRYPOINT")
    done = _run(installed, *entrypoint.arguments, "--version")
    assert (done.stdout.strip(), done.returncode) == (f"tocsin, version {tocsin.__version__}", 0), done.stderr


def test_every_module_is_installed_and_finds_what_it_imports(installed: Path) -> None:
    done = _run(installed, "python", "-c", IMPORT_EVERYTHING)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_every_file_that_is_no_code_is_installed_too(installed: Path) -> None:
    (package,) = (installed / "lib").glob("python*/site-packages/tocsin")
    rooms = [name for name in dockerfile.copied() if (compose.ROOT / name).is_dir()]
    wanted = {
        file.relative_to(compose.ROOT / room if room == "tocsin" else compose.ROOT)
        for room in rooms
        for pattern in DATA
        for file in (compose.ROOT / room).rglob(pattern)
    }
    assert wanted
    assert {file for file in wanted if not (package / file).exists()} == set()


@pytest.mark.parametrize("tool", ["pip", "setuptools", "wheel"])
def test_nothing_can_be_installed_into_the_image_later(installed: Path, tool: str) -> None:
    assert "No module named" in _run(installed, "python", "-m", tool, "--version").stderr


def test_the_base_image_s_installer_does_not_stay_either() -> None:
    assert "pip uninstall --yes pip" in [one.value for one in dockerfile.of(FINAL, "RUN")]


def test_every_command_of_the_compose_file_is_understood_by_the_installed_one(installed: Path) -> None:
    for name, service in [*compose.roles().items(), ("migrate", compose.services()["migrate"])]:
        done = _run(installed, "tocsin", *service["command"], "--help")
        assert done.returncode == 0, f"{name}: {done.stderr}"


def test_the_container_does_not_run_as_root() -> None:
    keywords = [one.keyword for one in dockerfile.instructions()]
    (user,) = dockerfile.of(FINAL, "USER")
    assert user.value not in ("root", "0")
    assert keywords.index("USER") < keywords.index("ENTRYPOINT")
    (made,) = [one.arguments for one in dockerfile.of(FINAL, "RUN") if one.value.startswith("useradd")]
    assert ("--uid 10001" in " ".join(made), made[-1]) == (True, user.value)


def test_the_image_s_own_health_check_asks_the_role_it_runs_by_itself() -> None:
    (check,), (command,) = dockerfile.of(FINAL, "HEALTHCHECK"), dockerfile.of(FINAL, "CMD")
    asked = dockerfile.Instruction(FINAL, "CMD", check.value.partition("CMD ")[2]).arguments
    assert asked == ["tocsin", "healthy", "api", "--data", command.arguments[2]]
    assert command.arguments[0] == "up"


def test_what_is_copied_is_not_ignored() -> None:
    ignore = (compose.ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert ignore[1] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == set(dockerfile.copied())
