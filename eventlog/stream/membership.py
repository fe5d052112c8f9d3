"""How the members of a group share partitions through PostgreSQL alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence

from psycopg import sql

from tocsin.eventlog.stream.session import Session

logger = logging.getLogger(__name__)

RECORD_CHANNEL = "tocsin_record"
"""Notified by every append, in its own transaction, and told where the record ends now (``tail.heard``)."""

LOOK_EVERY = 0.5

# Slot 0 of a group is held in share mode by every member: those who hold it are the group. Slot p + 1 is held
# exclusively by the owner of partition p. A lock ends with its session, so there is no row to outlive a member.
_LOOK = """
    select objid::bigint, pid, pid = pg_backend_pid() from pg_locks
    where locktype = 'advisory' and objsubid = 2 and granted and classid = %s
    and database = (select oid from pg_database where datname = current_database())"""


class Membership:
    """One member's place in a group: which partitions it owns now, and a wait for news.

    The split is fair to within one partition and moves as few as possible: whoever has more than its share gives the
    surplus away, whoever has less takes what is free.
    """

    def __init__(
        self, database_url: str, name: str, group_id: int, partitions: int, wake: str, is_alive: Callable[[], bool]
    ) -> None:
        """Join the group. ``wake`` names a channel that ends a ``wait``, or is empty.

        ``is_alive`` is asked before each sign of life; false for some seconds means losing the partitions.
        """
        self._group_id = group_id
        self._partitions = partitions
        self._channel = f"tocsin_group_{group_id}"
        self._session = Session(database_url, name, is_alive)
        self._run = self._session.connection.execute
        self._held: frozenset[int] = frozenset()
        self._look_at = 0.0
        self._listen_and_join(wake)

    def _listen_and_join(self, wake: str) -> None:
        for channel in filter(None, (wake, self._channel)):
            self._run(sql.SQL("listen {}").format(sql.Identifier(channel)))
        self._run("select pg_advisory_lock_shared(%s, 0)", (self._group_id,))
        self._tell_others()

    @property
    def held(self) -> frozenset[int]:
        """The partitions this member owns, as of the last ``settle``."""
        return self._held

    def settle(self) -> frozenset[int]:
        """Give away a surplus, take what is missing; answers what is held now. Cheap when nothing changed.

        Raises one of ``CONNECTION_LOST`` when the session has ended and everything is lost with it.
        """
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY
            self._balance()
        return self._held

    def _balance(self) -> None:
        slots = self._run(_LOOK, (self._group_id,)).fetchall()
        mine = {slot - 1 for slot, _, me in slots if me and slot}
        share = self._fair_share([(pid, me) for slot, pid, me in slots if slot == 0])
        free = set(range(self._partitions)) - {slot - 1 for slot, _, _ in slots if slot}
        surplus = sorted(mine)[share:]
        self._give(surplus)
        taken = self._take(sorted(free), share - len(mine))
        self._held = frozenset(mine - set(surplus) | taken)

    def _fair_share(self, members: Collection[tuple[int, bool]]) -> int:
        """The partitions due to this member; those who connected first, by process id, get the odd ones."""
        rank = [me for _, me in sorted(members)].index(True)
        each, odd = divmod(self._partitions, len(members))
        return each + (rank < odd)

    def _give(self, surplus: Collection[int]) -> None:
        for partition in surplus:
            self._run("select pg_advisory_unlock(%s, %s)", (self._group_id, partition + 1))
        if surplus:
            logger.info("%s gives partitions %s away", self._channel, list(surplus))
            self._tell_others()

    def _take(self, free: Collection[int], missing: int) -> set[int]:
        taken: set[int] = set()
        for partition in free:
            if len(taken) >= missing:
                break
            if self._try(partition):
                taken.add(partition)
        return taken

    def _try(self, partition: int) -> bool:
        row = self._run("select pg_try_advisory_lock(%s, %s)", (self._group_id, partition + 1)).fetchone()
        return row is not None and bool(row[0])

    def _tell_others(self) -> None:
        self._run("select pg_notify(%s, '')", (self._channel,))

    def wait(self, timeout: float) -> Sequence[str]:
        """Return when there is news on a channel, at the latest after ``timeout`` seconds; what ``wake`` told."""
        told = []
        for notify in self._session.connection.notifies(timeout=timeout, stop_after=1):
            if notify.channel == self._channel:
                self._look_at = 0.0
            else:
                told.append(notify.payload)
        return told

    def close(self) -> None:
        """Leave: everything held is free at once, and the others are told."""
        self._session.close(farewell=self._channel)
