"""An embedded server keeps as much in memory as its machine has use for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.eventlog import embedded_memory
from tocsin.eventlog.embedded_memory import MIB, memory_of_this_machine, shared_buffers


@pytest.mark.parametrize(
    ("memory", "kept"),
    [
        (256 * MIB, "128MB"),
        (512 * MIB, "128MB"),
        (1024 * MIB, "256MB"),
        (1024 * MIB + 1, "256MB"),
        (3000 * MIB, "750MB"),
        (4096 * MIB, "1024MB"),
        (262_144 * MIB, "1024MB"),
    ],
)
def test_a_quarter_of_the_memory_is_kept_within_reason(memory: int, kept: str) -> None:
    assert shared_buffers(memory) == kept


def test_a_container_has_what_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = memory_of_this_machine()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(embedded_memory, "LIMITS", (tmp_path / "missing", limit))
    limit.write_text("max\n")
    assert memory_of_this_machine() >= whole
    limit.write_text(f"{64 * MIB}\n")
    assert memory_of_this_machine() == 64 * MIB
