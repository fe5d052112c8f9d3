"""Group commit: units of callers that wait at the same time share one transaction, and so one flush to disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from eventsourcing.persistence import OperationalError

from tocsin.eventlog.recorder import Outcome, Recorder
from tocsin.eventlog.unit import Unit

UNITS = 256
EVENTS = 4096


class GroupCommit:
    """Appends for many threads. Nobody waits for company: whoever finds the record free takes all that queue.

    One transaction of this process is under way at a time; what arrives meanwhile makes the next group.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._waiting: deque[tuple[Unit, Future[Outcome]]] = deque()
        self._turn = threading.Lock()

    def append(self, unit: Unit) -> Outcome:
        """Append one unit, alone or in company; returns once it is durable or refused.

        Raises OperationalError as ``Recorder.append`` does.
        """
        future: Future[Outcome] = Future()
        self._waiting.append((unit, future))
        while not future.done():
            with self._turn:
                if not future.done():
                    self._commit(self._next_group())
        return future.result()

    def _next_group(self) -> list[tuple[Unit, Future[Outcome]]]:
        group: list[tuple[Unit, Future[Outcome]]] = []
        events = 0
        while self._waiting and len(group) < UNITS and events < EVENTS:
            group.append(self._waiting.popleft())
            events += len(group[-1][0].events)
        return group

    def _commit(self, group: Sequence[tuple[Unit, Future[Outcome]]]) -> None:
        try:
            outcomes = self._recorder.append([unit for unit, _ in group])
        except OperationalError as error:
            self._settle_apart(group, error)
        except BaseException as error:
            for _, future in group:
                future.set_exception(error)
            raise
        else:
            for (_, future), outcome in zip(group, outcomes, strict=True):
                future.set_result(outcome)

    def _settle_apart(self, group: Sequence[tuple[Unit, Future[Outcome]]], error: OperationalError) -> None:
        """A group fails whole. Its members must not fail for a neighbour's fault, nor be appended twice.

        Only where the database refused the transaction is it certain that nothing was kept; a session that was lost
        during the commit leaves it open, and each member has to be told so.
        """
        if len(group) == 1 or not self._recorder.certainly_rolled_back(error):
            for _, future in group:
                future.set_exception(error)
            return
        for member in group:
            self._commit([member])
