"""Load, decide, append: the way of every command, with its conflicts retried and its answer kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from eventsourcing.persistence import OperationalError

from tocsin.commands.context import Context
from tocsin.domain.entry import Entry, Fact
from tocsin.domain.errors import Conflict, NotFound, TocsinError, Unavailable
from tocsin.domain.rules import OutOfPlace
from tocsin.eventlog import idempotency
from tocsin.eventlog.record import Record
from tocsin.eventlog.unit import Appended, Claim, ClaimRefused, CommandRecord, Repeated, Secret, VersionConflict

ATTEMPTS = 20
"""Tries before a stream that others keep changing is reported as contended."""

S = TypeVar("S")
R = TypeVar("R")


class Aggregate(Protocol[S]):
    """A stream's rules, as the modules of ``tocsin.domain`` offer them."""

    def decide(self, state: S | None, command: Any, /) -> Sequence[Fact]:
        """What happens."""

    def evolve(self, state: S | None, fact: Fact, /) -> S:
        """What is then."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one stream gains: its facts, to stand after ``version``."""

    stream_id: UUID
    app_id: UUID
    version: int
    facts: Sequence[Fact]
    root_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Decision(Generic[R]):
    """What a command comes to, before it is appended: changes that commit together, and the result to answer."""

    result: R
    changes: Sequence[Change] = ()
    claims: Sequence[Claim] = ()
    secrets: Sequence[Secret] = ()


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """A command carried out. ``position``: all that it appended stands at or before it; 0 where it changed nothing."""

    result: R
    position: int
    changed: bool


class AlreadyDone(Exception):
    """The idempotency key was used before, with the same request: here is what was answered."""

    def __init__(self, answer: bytes, position: int) -> None:
        super().__init__("the command was carried out before")
        self.answer = answer
        self.position = position


class KeyReused(Conflict):
    """The idempotency key was used before for another request."""

    code = "idempotency-key-reused"


class Loaded(Generic[S]):
    """A stream as it stands: its state and version; version 0 and state None where it does not exist.

    ``entries`` follow on ``state`` at ``version``, where those are given.
    """

    def __init__(
        self,
        stream_id: UUID,
        aggregate: Aggregate[S],
        entries: Sequence[Entry],
        state: S | None = None,
        version: int = 0,
    ) -> None:
        self.stream_id = stream_id
        self.entries = entries
        self._aggregate = aggregate
        self.version = entries[-1].originator_version if entries else version
        self.state = state
        try:
            for entry in entries:
                self.state = aggregate.evolve(self.state, entry.fact)
        except OutOfPlace as error:
            # The id is another kind of thing's: to a caller who asked for this kind, there is none.
            raise NotFound("there is no such thing", id=str(stream_id)) from error

    def decide(self, command: Any) -> tuple[Sequence[Fact], S | None]:
        """The facts of a command and the state after them."""
        return self.decide_all([command])

    def decide_all(self, commands: Iterable[Any]) -> tuple[Sequence[Fact], S | None]:
        """The facts of several commands, each decided on what those before it leave, and the state after them."""
        facts: list[Fact] = []
        state = self.state
        for command in commands:
            for fact in self._aggregate.decide(state, command):
                state = self._aggregate.evolve(state, fact)
                facts.append(fact)
        return facts, state

    def change(self, app_id: UUID, facts: Sequence[Fact], root_id: UUID | None = None) -> Change:
        """These facts as a change after what was loaded."""
        return Change(self.stream_id, app_id, self.version, facts, root_id)


class _Reliance(threading.local):
    """What the command at work in this thread took from memory: streams and the versions it takes them to stand at.

    None: it takes nothing from memory.
    """

    versions: dict[UUID, int] | None = None


class Engine:
    """Carries commands out against one record. ``clock`` gives the time (aware, UTC)."""

    def __init__(self, record: Record, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.record = record
        self.clock = clock
        self._kept: dict[UUID, tuple[Any, int]] = {}
        self._reliance = _Reliance()

    def load(self, stream_id: UUID, aggregate: Aggregate[S]) -> Loaded[S]:
        """A stream and its state."""
        return Loaded(stream_id, aggregate, self.record.load(stream_id))

    def load_kept(self, stream_id: UUID, aggregate: Aggregate[S]) -> Loaded[S]:
        """A stream that nearly every command reads, such as its app: kept, with only what is new read from the record.

        A command that is carried out reads not even that at first, but appends only where the stream still stands as it
        was kept. ``entries`` are the new ones alone.
        """
        state, version = self._kept.get(stream_id, (None, 0))
        relied = self._reliance.versions
        if version and relied is not None:
            relied[stream_id] = version
            return Loaded(stream_id, aggregate, (), state, version)
        entries = self.record.load(stream_id, after=version)
        loaded = Loaded(stream_id, aggregate, entries, state, version)
        if entries:
            self._kept[stream_id] = loaded.state, loaded.version
        return loaded

    def digest(self, purpose: str, value: str) -> bytes:
        """A keyed digest of something that must not stand in a table as it is."""
        return self.record.keyring.digest(purpose, value)

    def carry_out(self, context: Context, decide: Callable[[], Decision[R]]) -> Done[R]:
        """Decide and append; decide anew where somebody else was quicker.

        ``decide`` loads what it needs each time it is called. Raises what it raises, AlreadyDone and KeyReused for a
        used idempotency key, Conflict where the streams are contended, Unavailable where the database is away.
        """
        self._refuse_repetition(context)
        for attempt in range(ATTEMPTS):
            relied: dict[UUID, int] = {}
            try:
                with self._relying(relied if attempt == 0 else None):
                    decision = decide()
            except TocsinError:
                if self._have_moved(relied):
                    continue
                # What stands in the way may be what the same request did that arrived a moment before.
                self._refuse_repetition(context)
                raise
            entries = [entry for change in decision.changes for entry in envelopes(context, change)]
            if not (entries or decision.claims or context.once):
                if self._have_moved(relied):
                    continue
                return Done(decision.result, 0, changed=False)
            try:
                return self._append(context, decision, entries, relied)
            except (VersionConflict, ClaimRefused):
                continue
            except Repeated:
                self._refuse_repetition(context)
        raise Conflict("others keep changing the same thing: try again", reason="contended")

    @contextmanager
    def _relying(self, relied: dict[UUID, int] | None) -> Iterator[None]:
        """Streams that are kept are taken as they were kept, and noted in ``relied``; None: they are not."""
        before, self._reliance.versions = self._reliance.versions, relied
        try:
            yield
        finally:
            self._reliance.versions = before

    def _have_moved(self, relied: Mapping[UUID, int]) -> bool:
        """Whether a stream that a command relied on has gone on: then it was decided on what is so no more."""
        return any(self.record.load(stream_id, after=version) for stream_id, version in relied.items())

    def _append(
        self, context: Context, decision: Decision[R], entries: Sequence[Entry], relied: Mapping[UUID, int]
    ) -> Done[R]:
        command = self._command(context, decision.result)
        changed = {entry.originator_id for entry in entries}
        untouched = {stream_id: version for stream_id, version in relied.items() if stream_id not in changed}
        try:
            appended = self.record.append(
                entries, claims=decision.claims, secrets=decision.secrets, command=command, unchanged=untouched
            )
        except OperationalError as error:
            raise Unavailable(
                "the record is not to be reached: try again with the same Idempotency-Key", retry_after=1
            ) from error
        return Done(decision.result, _last(appended, entries), changed=bool(entries))

    def _refuse_repetition(self, context: Context) -> None:
        once = context.once
        if once is None:
            return
        before = self.record.answered(once.scope, once.key_digest)
        if before is None:
            return
        if before.request_digest != once.request:
            raise KeyReused("this Idempotency-Key was used for another request: use a new key for a new request")
        answer = idempotency.opened(self.record.keyring, once.key, once.request, before.answer)
        raise AlreadyDone(answer, before.position)

    def _command(self, context: Context, result: Any) -> CommandRecord | None:
        once = context.once
        if once is None:
            return None
        answer = idempotency.sealed(self.record.keyring, once.key, once.request, once.answer(result))
        return CommandRecord(once.scope, once.key_digest, once.request, answer)


def envelopes(context: Context, change: Change) -> list[Entry]:
    """A change's facts in their envelopes, versions following on."""
    return [
        Entry(
            originator_id=change.stream_id,
            originator_version=change.version + number,
            app_id=change.app_id,
            root_id=change.root_id or change.stream_id,
            fact=fact,
            actor=context.actor,
            command_id=context.command_id,
            correlation_id=context.correlation_id,
            causation_id=context.causation_id,
        )
        for number, fact in enumerate(change.facts, start=1)
    ]


def _last(appended: Appended, entries: Sequence[Entry]) -> int:
    return appended.last if entries else 0
