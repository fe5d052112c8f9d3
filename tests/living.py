"""Which processes live, whose they are, and what they run: what the tests ask the system (Linux, proc(5))."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from patience import PATIENCE, eventually


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def living(pids: Iterable[int]) -> set[int]:
    """Those that run."""
    return {pid for pid in pids if is_alive(pid)}


def children_of(pid: int) -> set[int]:
    """The direct children of a process; none of one that has ended meanwhile."""
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()


def with_descendants(pid: int) -> set[int]:
    """A process and all below it."""
    return {pid}.union(*map(with_descendants, children_of(pid)))


def command_of(pid: int) -> str:
    """What a process runs; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def described(pids: Iterable[int]) -> str:
    """Those that run, a line for each with what it runs."""
    return "".join(f"\n  {pid}: {command_of(pid)}" for pid in sorted(living(pids))) or " none"


def await_end(pids: Iterable[int], whose: str, patience: float = PATIENCE) -> None:
    """Wait until none of these processes runs; who still does is said where they do not end."""
    waited_for = set(pids)
    eventually(lambda: not living(waited_for), lambda: f"{whose} have ended, but for{described(waited_for)}", patience)
