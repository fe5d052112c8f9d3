"""What a read model is: a schema of its own, the events it wants, and a fold that writes them down in sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, ClassVar

from psycopg import Connection

from tocsin.domain.catalog import CATALOG
from tocsin.domain.entry import Entry

Digest = Callable[[str, str], bytes]
"""(purpose, value) → keyed digest, as ``KeyRing.digest``."""

REGISTRY = "registry"
SENDS = "sends"
DELIVERIES = "deliveries"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a fold writes: a schema, live or being rebuilt, over a session inside a transaction."""

    connection: Connection[Any]
    schema: str
    digest: Digest

    def run(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Execute a statement whose ``{schema}`` stands for this one; its rows, if it has any."""
        cursor = self.connection.execute(statement.replace("{schema}", self.schema).encode(), parameters)
        return cursor.fetchall() if cursor.description else []


class Projection(ABC):
    """One read model.

    ``name`` and ``version`` make its schema; the version rises with any change of the DDL or of the fold, and the new
    schema is filled from the record: there are no migrations. ``group``: the consumers it shares the stream's events
    with; what is heavy has one of its own. ``wanted``: the event types it folds.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    group: ClassVar[str] = REGISTRY
    wanted: ClassVar[frozenset[str]]

    @property
    def schema(self) -> str:
        """The schema that queries read, such as ``devices_v1``."""
        return f"{self.name}_v{self.version}"

    def create(self, connection: Connection[Any], schema: str) -> None:
        """Make the empty tables, in ``schema``."""
        ddl = (resources.files("tocsin.projections") / f"{self.name}.sql").read_text(encoding="utf-8")
        connection.execute(ddl.replace("{schema}", schema).encode())

    @abstractmethod
    def fold(self, target: Target, entries: Sequence[Entry]) -> None:
        """Write down ``entries``, all of wanted types, each handed over exactly once.

        The entries of one stream come in order; between streams there is none: what several streams write is upserted
        or counted, never assumed to be there. A few statements for the whole, however many entries. Whatever it raises
        stops this read model at the entry that caused it.
        """


def of_streams(*streams: str) -> frozenset[str]:
    """Every event type of these streams, such as ``device``."""
    return frozenset(name for name in CATALOG if name.partition(".")[0] in streams)
