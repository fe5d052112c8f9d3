"""Group commit: units of callers that wait at the same time share one transaction, and so one flush to disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from eventsourcing.persistence import OperationalError

from tocsin.eventlog.recorder import Outcome, Recorder, Unacceptable
from tocsin.eventlog.unit import Refused, Unit

UNITS = 256
EVENTS = 4096


class _Member:
    """One caller's unit, and what became of it."""

    __slots__ = ("_woken", "result", "unit")

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.result: Outcome | Exception | None = None
        self._woken = threading.Semaphore(0)

    def wait(self) -> None:
        """Until there is a result, or it is this caller's turn to lead."""
        self._woken.acquire()

    def wake(self) -> None:
        self._woken.release()


class GroupCommit:
    """Appends for many threads. Nobody waits for company: whoever finds the record free takes all that queue.

    One transaction of this process is under way at a time; what arrives meanwhile makes the next group, led by its
    first caller.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._waiting: deque[_Member] = deque()
        self._leader: _Member | None = None
        self._lock = threading.Lock()

    def append(self, unit: Unit) -> Outcome:
        """Append one unit, alone or in company; returns once it is durable or refused.

        Raises OperationalError and Unacceptable as ``Recorder.append`` does.
        """
        member = _Member(unit)
        self._join(member)
        if member.result is None:
            self._lead()
        if isinstance(member.result, Exception) and not isinstance(member.result, Refused):
            raise member.result
        assert member.result is not None
        return member.result

    def _join(self, member: _Member) -> None:
        """Queue, and wait until there is a result or this caller has to lead."""
        with self._lock:
            self._waiting.append(member)
            if self._leader is None:
                self._appoint()
        try:
            member.wait()
        except BaseException:
            self._withdraw(member)
            raise

    def _withdraw(self, member: _Member) -> None:
        with self._lock:
            if member in self._waiting:
                self._waiting.remove(member)
            if self._leader is member:
                self._appoint()

    def _appoint(self) -> None:
        """Make the first who waits the leader."""
        self._leader = self._waiting[0] if self._waiting else None
        if self._leader is not None:
            self._leader.wake()

    def _lead(self) -> None:
        group = self._next_group()
        try:
            self._commit(group)
        finally:
            with self._lock:
                self._appoint()
            _settle(group)

    def _next_group(self) -> list[_Member]:
        group: list[_Member] = []
        events = 0
        while self._waiting and len(group) < UNITS and events < EVENTS:
            group.append(self._waiting.popleft())
            events += len(group[-1].unit.events)
        return group

    def _commit(self, group: Sequence[_Member]) -> None:
        try:
            outcomes = self._recorder.append([member.unit for member in group])
        except Unacceptable as error:
            self._commit_apart(group, error)
        except Exception as error:
            for member in group:
                member.result = error
        else:
            for member, outcome in zip(group, outcomes, strict=True):
                member.result = outcome

    def _commit_apart(self, group: Sequence[_Member], error: Unacceptable) -> None:
        """A group fails whole, and its members must not fail for a neighbour's fault, nor be appended twice.

        Nothing was kept, so each of them can be tried alone. Where a session was lost that is left open, and where the
        database is away or slow it is nobody's fault: then all of them are told.
        """
        if len(group) == 1:
            group[0].result = error
            return
        for member in group:
            self._commit([member])


def _settle(group: Sequence[_Member]) -> None:
    for member in group:
        if member.result is None:
            member.result = OperationalError("the append was interrupted: whether it was kept, the record tells")
        member.wake()
