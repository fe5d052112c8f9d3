"""Writes facts into a record, each stream's in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from uuid import UUID, uuid4

from tocsin.commands.people import user
from tocsin.domain.entry import Actor, Entry, Fact, system
from tocsin.domain.personal import Personal
from tocsin.eventlog.record import Record


def like_each_other(count: int) -> list[UUID]:
    """So many ids that begin alike, as those made at one moment may: all have one handle."""
    first = uuid4().int
    return [UUID(int=first ^ number) for number in range(count)]


class History:
    """``position``: of the last fact appended through it."""

    def __init__(self, record: Record, app_id: UUID | None = None) -> None:
        self.record = record
        self.app_id = app_id or uuid4()
        self.position = 0
        self._versions: Counter[UUID] = Counter()

    def user(self, name: str) -> Personal:
        """The user of this name, as commands name them."""
        return user(self.record.keyring.digest, self.app_id, name)

    def append(
        self,
        stream_id: UUID,
        *facts: Fact,
        root: UUID | None = None,
        app: UUID | None = None,
        actor: Actor | None = None,
    ) -> int:
        """Append the facts to a stream; the position of the last."""
        entries = [self.entry(stream_id, fact, root, app, actor) for fact in facts]
        self.position = self.record.append(entries).last
        return self.position

    def append_each(self, facts: Iterable[tuple[UUID, Fact]]) -> int:
        """Append facts of many streams in one transaction; the position of the last."""
        entries = [self.entry(stream_id, fact) for stream_id, fact in facts]
        self.position = self.record.append(entries).last
        return self.position

    def entry(
        self,
        stream_id: UUID,
        fact: Fact,
        root: UUID | None = None,
        app: UUID | None = None,
        actor: Actor | None = None,
    ) -> Entry:
        """The fact in an envelope, with the stream's next version."""
        self._versions[stream_id] += 1
        return Entry(
            originator_id=stream_id,
            originator_version=self._versions[stream_id],
            app_id=app or self.app_id,
            root_id=root or stream_id,
            fact=fact,
            actor=actor or system("test"),
            command_id=uuid4(),
            correlation_id=uuid4(),
        )
