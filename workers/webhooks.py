"""Webhooks: events are told to those who asked for them, signed, at least once, until they are taken or too old.

What is to be told is noted first, by whoever reads the partition; then any worker makes the call. A crash between a
call and its note makes it once more, under the same ``webhook-id``.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tocsin.domain.entry import Entry
from tocsin.eventlog import webhook_calls
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.stream.port import EVENTS, Batch, Consumer, Stream
from tocsin.eventlog.watchdog import watched
from tocsin.eventlog.webhook_calls import Call, CallStatus
from tocsin.projections.apps import enabled_webhooks, enabled_webhooks_of
from tocsin.projections.apps_rows import Webhook
from tocsin.projections.registry import passed
from tocsin.projections.webhook_news import NATIVE, Renderer, calls_of, news
from tocsin.workers.cursors import Cursors, Superseded
from tocsin.workers.groups import WEBHOOKS
from tocsin.workers.runtime import DATABASE_AWAY, RETRY_EVERY, persist
from tocsin.workers.webhook_post import Answer, Policy, headers, post

log = logging.getLogger(__name__)

DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200))
"""After each failed try; a call that fails once more than these is given up, after about a day."""

TOO_OLD = timedelta(days=7)
"""Events nobody is told of any more, as when topics are read again from the beginning."""

KEPT_FOR = timedelta(days=30)
"""Settled calls are kept so long: longer than ``TOO_OLD``, or what was told would be told again."""

LEASE = timedelta(seconds=60)
AT_ONCE = 16
EACH = 4
"""Calls under way at a time, and to one webhook."""

IDLE = 0.2
PATIENCE = 0.5
STORE_EVERY = 1.0
SWEEP_EVERY = 3600.0


def run_webhooks(
    record: Record,
    stream: Stream,
    stop: threading.Event,
    *,
    policy: Policy | None = None,
    renderers: Mapping[str, Renderer] = NATIVE,
    lease: timedelta = LEASE,
) -> None:
    """Tell webhooks until ``stop`` is set. Any number of processes share the work.

    ``renderers``: by a webhook's ``format``. ``lease``: after which a call whose worker died is made again. Raises
    StaleEpoch where the record was restored.
    """
    follower = Follower(record, stream)
    caller = Caller(record, policy or Policy(), renderers, lease)
    follower.start()
    try:
        persist("calls to webhooks", stop, lambda: _turn(follower, caller))
    finally:
        follower.close()
        caller.close()


def _turn(follower: Follower, caller: Caller) -> float:
    if follower.fault is not None:
        raise follower.fault
    return 0.0 if caller.turn() else IDLE


class Follower:
    """Reads every event, on a thread of its own, and notes the calls it brings about."""

    def __init__(self, record: Record, stream: Stream) -> None:
        self.fault: Exception | None = None
        self._record = record
        self._stream = stream
        self._cursors = Cursors(record.sessions, WEBHOOKS, EVENTS)
        self._stored_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading and leave the group."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with watched("events for webhooks"):
                while not self._stopping.is_set():
                    self._join_and_follow()
        except Exception as fault:
            log.critical("webhooks: nothing more is read: %s", fault)
            self.fault = fault

    def _join_and_follow(self) -> None:
        try:
            with closing(self._stream.subscribe(EVENTS, WEBHOOKS, self._cursors.load)) as consumer:
                self._follow(consumer)
        except Superseded as superseded:
            log.info("webhooks: joining the group again: %s", superseded)
        except DATABASE_AWAY as away:
            log.warning("webhooks: joining the group again: %s", str(away).strip())
            self._stopping.wait(RETRY_EVERY)

    def _follow(self, consumer: Consumer) -> None:
        standing: dict[int, Batch] = {}
        while not self._stopping.is_set():
            batches = consumer.poll(PATIENCE)
            if batches and not self._note(batches):
                return
            standing.update({batch.partition: batch for batch in batches})
            standing = {partition: batch for partition, batch in standing.items() if partition in consumer.assigned}
            if standing and time.monotonic() - self._stored_at > STORE_EVERY:
                self._stored_at = time.monotonic()
                self._cursors.move({partition: batch.cursor for partition, batch in standing.items()})
                standing.clear()

    def _note(self, batches: Sequence[Batch]) -> bool:
        """Note the calls of these events; False where it was stopped before that could be known."""
        events = [event for batch in batches for event in batch.events]
        oldest = datetime.now(UTC) - TOO_OLD
        recent = [event for event in events if event.recorded_at > oldest]
        if not recent:
            return True
        webhooks = self._webhooks(max(event.position for event in recent))
        if webhooks is None:
            return False
        listening = (event for event in recent if event.app_id in webhooks)
        calls = [call for event in listening for call in calls_of(event, webhooks[event.app_id], self._decode)]
        if calls:
            with self._record.sessions.connection() as connection:
                webhook_calls.note(connection, calls)
        return True

    def _webhooks(self, position: int) -> Mapping[UUID, Sequence[Webhook]] | None:
        """The webhooks there are, once the read model knows of all that were made up to this position."""
        while not self._stopping.is_set():
            with self._record.sessions.connection() as connection:
                if passed(connection, ["apps"]) >= position:
                    return enabled_webhooks(connection)
            self._stopping.wait(0.02)
        return None

    def _decode(self, event: StoredEvent) -> Entry:
        return self._record.codec.decode([event])[0]


class Caller:
    """Makes the calls that are due."""

    def __init__(self, record: Record, policy: Policy, renderers: Mapping[str, Renderer], lease: timedelta) -> None:
        self._record = record
        self._policy = policy
        self._renderers = renderers
        self._lease = lease
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
        self._under_way: dict[Future[None], UUID] = {}
        self._sweep_at = 0.0

    def turn(self) -> bool:
        """Begin what is due, as far as there is room. True where something was. Raises what a call ended with."""
        self._sweep()
        for done in [future for future in self._under_way if future.done()]:
            del self._under_way[done]
            done.result()
        room = min(AT_ONCE - len(self._under_way), EACH)
        if room <= 0:
            return False
        # A receiver that does not answer takes only so many places.
        busy = [webhook_id for webhook_id, count in Counter(self._under_way.values()).items() if count >= EACH]
        with self._record.sessions.connection() as connection:
            due = webhook_calls.claim(connection, self._lease, room, busy)
            webhooks = enabled_webhooks_of(connection, {call.webhook_id for call in due})
        for call in due:
            self._under_way[self._threads.submit(self._make, call, webhooks.get(call.webhook_id))] = call.webhook_id
        return bool(due)

    def close(self) -> None:
        """Wait for the calls under way."""
        self._threads.shutdown()

    def _sweep(self) -> None:
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_EVERY
            with self._record.sessions.connection() as connection:
                webhook_calls.forget(connection, KEPT_FOR)

    def _make(self, call: Call, webhook: Webhook | None) -> None:
        if webhook is None:
            self._settle(call, CallStatus.DROPPED)
            return
        try:
            answer = self._tell(call, webhook)
        except DATABASE_AWAY:
            raise
        except Exception:
            # What cannot be said now may be by a later version; what it is about is never logged.
            log.exception("event %d cannot be told to webhook %s", call.position, call.webhook_id)
            answer = Answer(None, "the event cannot be told in this form", 0)
        if answer is None:
            self._settle(call, CallStatus.DROPPED)
        else:
            self._tried(call, answer)

    def _tell(self, call: Call, webhook: Webhook) -> Answer | None:
        """What the receiver answered to the last body it was sent, the first it did not take; None where there is
        nothing to tell."""
        bodies = self._renderers[webhook.format](news(self._record, call), webhook, self._record)
        try:
            secret = None if webhook.secret_id is None else self._record.vault.open(webhook.secret_id)
        except KeyError:
            # The read model is yet to hear of the new one, or that the webhook is gone.
            return Answer(None, "the webhook's secret was replaced a moment ago", 0)
        answer = None
        for number, body in enumerate(bodies):
            message_id = f"{call.message_id}_{number}" if number else call.message_id
            answer = post(webhook.url, headers(message_id, body, secret), body, self._policy)
            if not answer.is_taken:
                break
        return answer

    def _tried(self, call: Call, answer: Answer) -> None:
        status = CallStatus.PENDING
        if answer.is_taken:
            status = CallStatus.DELIVERED
        elif call.attempts > len(DELAYS):
            status = CallStatus.GIVEN_UP
            log.warning("webhook %s: event %d is given up", call.webhook_id, call.position)
        again_in = DELAYS[min(call.attempts, len(DELAYS)) - 1] * random.uniform(0.9, 1.1)  # noqa: S311
        self._settle(call, status, answer, again_in)

    def _settle(
        self, call: Call, status: CallStatus, answer: Answer | None = None, again_in: timedelta = timedelta()
    ) -> None:
        with self._record.sessions.connection() as connection:
            webhook_calls.settle(
                connection,
                call,
                status,
                again_in=again_in,
                http_status=answer.status if answer else None,
                error=answer.error if answer else None,
                milliseconds=answer.milliseconds if answer else None,
            )
