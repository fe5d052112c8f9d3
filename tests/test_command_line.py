"""What the command line says of itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from tocsin.cli import main
from tocsin.dialects import PROVISIONS
from tocsin.projections.registry import NAMES


@pytest.fixture(autouse=True)
def left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command sets for its own process and those below it is not for the other tests here."""
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def commands(command: click.Command, *names: str) -> Iterator[tuple[str, ...]]:
    """A command and all below it, as one types them."""
    yield names
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, *names, name)


def help_of(*names: str) -> str:
    result = CliRunner().invoke(main, [*names, "--help"], terminal_width=100)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("names", list(commands(main)), ids=" ".join)
def test_the_help_of_every_command_shows_an_example_of_it(names: tuple[str, ...]) -> None:
    _, _, examples = help_of(*names).partition("Example:")
    assert " ".join(("tocsin", *names)) in examples


@pytest.mark.parametrize("command", ["project", "rebuild"])
def test_the_help_of_commands_on_read_models_names_them(command: str) -> None:
    assert f"Read models: {', '.join(NAMES)}." in help_of(command)


def test_the_help_of_making_an_app_names_the_apis_it_may_speak() -> None:
    shown = help_of("app", "create")
    assert all(name in shown for name in PROVISIONS)
