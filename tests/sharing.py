"""How several processes share the tests (``pytest -n``): in whole files, or in folders whose tests share much."""

from __future__ import annotations

from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

FOLDER = Path(__file__).parent


class FilesInOrder(LoadScopeScheduling):  # type: ignore[misc]
    """Gives out the next file to whoever is without work; the files that one running instance serves, together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        folder = "/".join(file.split("/")[:2])
        return folder if _uses_an_instance(FOLDER.parent / file) else file


def _uses_an_instance(file: Path) -> bool:
    """To start one takes longer than many a file of tests."""
    return file.parent == FOLDER / "system" or "instance: Instance" in file.read_text(encoding="utf-8")
