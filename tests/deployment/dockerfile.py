"""The Dockerfile's instructions, and its installation carried out without a container engine.

What is carried out: the stage ``build`` from its first line to its last, with the files it copies and no others, below
a directory that stands for ``/``, with a fresh virtual environment in the place of the base image's Python.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deployment.compose import ROOT

FILE = ROOT / "Dockerfile"
FINAL = ""
"""The name of the last stage, which has none."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, such as ``COPY`` with ``setup.cfg ./``."""

    stage: str
    keyword: str
    value: str

    @property
    def arguments(self) -> list[str]:
        """The value as words: the exec form's, or what stands between blanks."""
        words: list[str] = json.loads(self.value) if self.value.startswith("[") else self.value.split()
        return words


def instructions() -> list[Instruction]:
    """All of them, in order."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    logical = "\n".join(lines).replace("\\\n", " ").splitlines()
    found: list[Instruction] = []
    stage = FINAL
    for keyword, _, value in (line.strip().partition(" ") for line in logical if line.strip()):
        if keyword == "FROM":
            stage = value.partition(" AS ")[2]
        found.append(Instruction(stage, keyword, value.strip()))
    return found


def of(stage: str, keyword: str) -> list[Instruction]:
    """The instructions of one stage with this keyword."""
    return [one for one in instructions() if (one.stage, one.keyword) == (stage, keyword)]


def copied() -> list[str]:
    """What the build takes from the repository."""
    return [source for one in of("build", "COPY") for source in one.arguments[:-1]]


class Build:
    """The build stage carried out below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._base = root / "base-image"
        self._directory = root

    def run(self) -> None:
        """Carry out every instruction. Raises AssertionError with what a failed command printed."""
        subprocess.run([sys.executable, "-m", "venv", str(self._base)], check=True)
        for one in instructions():
            if one.stage == "build":
                self._carry_out(one)

    def _carry_out(self, one: Instruction) -> None:
        match one.keyword:
            case "FROM":
                assert one.value.startswith("python:")
            case "WORKDIR":
                self._directory = self.place(one.value)
                self._directory.mkdir(parents=True)
            case "COPY":
                self._copy(one.arguments[:-1], self._directory / one.arguments[-1])
            case "RUN":
                self._run(one.value)
            case unknown:
                raise AssertionError(f"{unknown} in the build stage is not carried out here yet")

    def place(self, path: str) -> Path:
        """Where an absolute path of the image is here."""
        return self.root / path.removeprefix("/")

    def _copy(self, sources: list[str], target: Path) -> None:
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, target)

    def _run(self, command: str) -> None:
        here = " ".join(str(self.place(word)) if word.startswith("/") else word for word in command.split())
        done = subprocess.run(
            here, shell=True, cwd=self._directory, env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{here}\n{done.stdout}{done.stderr}"

    def _environment(self) -> dict[str, str]:
        """Ours, for the way to the package index, but for what would lead to packages that are installed here."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return kept | {"PATH": f"{self._base / 'bin'}:/usr/bin:/bin"}
