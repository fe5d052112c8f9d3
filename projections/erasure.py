"""People whose keys were destroyed, as read models that hold clear values must know them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from tocsin.domain.entry import Entry
from tocsin.domain.events.user import UserErased
from tocsin.domain.personal import Personal
from tocsin.projections.projection import Target

# Whoever folds has looked here, and so holds a share of this lock until it commits: an erasure waits for those who did
# not know of it, and those who come after see it.
_ALONE = "lock table {schema}.erased in access exclusive mode"

_ANY = "select exists (select from {schema}.erased)"

_NOTE = """
    insert into {schema}.erased (subject, position) select * from unnest(%s::uuid[], %s::bigint[])"""

_LOOK = "select subject, max(position) from {schema}.erased where subject = any(%s) group by 1"


@dataclass(frozen=True, slots=True)
class Erasures:
    """Erased subjects by the position of the erasure, as far as a fold's entries concern them.

    A partition that lags behind the erasure, in a process that still remembers the key, would otherwise write down
    what was erased. ``fresh``: those erased by these entries themselves.
    """

    positions: Mapping[UUID, int]
    fresh: Mapping[UUID, int]

    @classmethod
    def load(cls, target: Target, entries: Sequence[Entry]) -> Erasures:
        """Notes the erasures among ``entries`` in the target, and finds those that ``entries`` come after."""
        fresh: dict[UUID, int] = {}
        for entry in entries:
            if isinstance(entry.fact, UserErased):
                fresh |= dict.fromkeys((entry.originator_id, *entry.fact.devices), entry.position)
        if fresh:
            target.run(_ALONE)
            target.run(_NOTE, list(fresh), list(fresh.values()))
        if not target.run(_ANY)[0][0]:
            return cls({}, fresh)
        subjects = {value.subject for entry in entries for value in _personal(entry)}
        return cls(dict(target.run(_LOOK, list(subjects))), fresh)

    def cover(self, subject: UUID, position: int) -> bool:
        """Whether what an event at ``position`` says of ``subject`` was erased since."""
        return self.positions.get(subject, 0) > position


def _personal(entry: Entry) -> Iterator[Personal]:
    for name in entry.fact.__struct_fields__:
        value = getattr(entry.fact, name)
        if isinstance(value, Personal) and not value.erased:
            yield value
