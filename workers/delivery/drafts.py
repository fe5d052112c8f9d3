"""What the next append says of each chunk: the last answers, who falls out, and the next claim."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tocsin.commands.engine import Change
from tocsin.domain import indices
from tocsin.domain.chunk import (
    MAX_CLAIM,
    Chunk,
    ChunkCommand,
    CloseRemaining,
    HoldChunk,
    RecordAnswers,
    RetryGroup,
    StartAttempt,
    Suppress,
    claimable,
    decide_all,
)
from tocsin.domain.entry import Fact
from tocsin.domain.errors import TocsinError
from tocsin.domain.events.chunk import AttemptStarted, Retry
from tocsin.domain.events.send import Exclusion
from tocsin.eventlog.record import Record
from tocsin.workers.clock import DatabaseClock
from tocsin.workers.delivery.badges import Badges
from tocsin.workers.delivery.briefs import Brief, Briefs
from tocsin.workers.delivery.credentials import Credentials, Unusable, Way
from tocsin.workers.delivery.jobs import Claim, Job, Target
from tocsin.workers.delivery.letters import badge_told
from tocsin.workers.delivery.outcomes import answered
from tocsin.workers.delivery.recipients import Look, Recipient, recipients

log = logging.getLogger(__name__)

REFILL_BELOW = MAX_CLAIM // 2
"""Pushes under way in a chunk from which on the next claim is made, so that a few slow answers do not hold it up."""


ENVIRONMENTS = {"production": "production", "sandbox": "development"}
"""A device's word for its APNs environment, and the word of a provider's configuration."""


@dataclass(frozen=True, slots=True)
class Terms:
    """``worker``: this process, by a name no other ever has. ``chunks_at_once``: in each lane.

    ``lease``: seconds a claim is good for. Of these a push may take ``answer_within``, and ``slack`` is what recording
    its answer may take: with less than both left, nothing is sent.
    """

    worker: str
    chunks_at_once: int = 6
    lease: float = 60.0
    answer_within: float = 30.0
    slack: float = 5.0


@dataclass(slots=True)
class Draft:
    """One chunk's part of the next append. ``after``: the chunk as the facts leave it.

    ``told``: by attempt, how many of the claim's answers the facts record. ``candidates``: devices to be looked at for
    the next claim; ``claim``: what came of it.
    """

    job: Job
    brief: Brief
    now: datetime
    after: Chunk
    facts: list[Fact] = field(default_factory=list)
    told: dict[int, int] = field(default_factory=dict)
    candidates: Sequence[int] = ()
    way: Way | None = None
    claim: Claim | None = None
    recipients: dict[int, Recipient] = field(default_factory=dict)

    def do(self, *commands: ChunkCommand) -> None:
        """Decide commands on what those before leave."""
        facts, after = decide_all(self.after, commands)
        assert after is not None
        self.facts += facts
        self.after = after

    @property
    def change(self) -> Change:
        """The facts after the version they were decided on."""
        stream = self.job.stream
        return Change(stream.stream_id, self.job.app_id, stream.version, self.facts, self.after.send_id)

    @property
    def open_now(self) -> indices.Indices:
        """The devices that may be claimed."""
        return claimable(self.after, self.now)


class Drafter:
    """Drafts appends for the chunks at hand."""

    def __init__(
        self, record: Record, clock: DatabaseClock, briefs: Briefs, credentials: Credentials, terms: Terms
    ) -> None:
        self._record = record
        self._clock = clock
        self._briefs = briefs
        self._credentials = credentials
        self._terms = terms
        self._badges = Badges(record)

    def draft(self, jobs: Iterable[Job], room: int) -> list[Draft]:
        """A draft for each chunk, with claims on at most ``room`` devices in all.

        A chunk whose stream makes no sense gets none: it is logged, and left to whoever looks into it.
        """
        drafts = [draft for job in jobs if (draft := self._begin(job)) is not None]
        for draft in drafts:
            room -= self._choose(draft, room)
        candidates = [draft.after.devices[index] for draft in drafts for index in draft.candidates]
        if candidates:
            look = recipients(self._record, candidates)
            for draft in drafts:
                if draft.candidates:
                    self._claim(draft, look)
        return drafts

    def _begin(self, job: Job) -> Draft | None:
        try:
            draft = Draft(job, self._briefs.of(job.chunk.send_id), self._now(job), job.chunk)
            self._record_answers(draft)
            self._give_back(draft)
            kind = draft.brief.closes_as(draft.now)
            if kind is not None:
                draft.do(CloseRemaining(kind=kind))
        except TocsinError:
            log.exception("chunk %s cannot be delivered", job.stream.stream_id)
            return None
        return draft

    def _now(self, job: Job) -> datetime:
        """What was announced as due is due, even where the scheduler's clock is a trifle ahead of this one."""
        now = self._clock.now()
        return now if job.found_due_at is None else max(now, job.found_due_at)

    def _record_answers(self, draft: Draft) -> None:
        request = draft.brief.send.request
        for attempt, claim in draft.job.claims.items():
            if claim.answers:
                draft.told[attempt] = len(claim.answers)
                draft.do(
                    answered(
                        draft.after,
                        attempt,
                        claim.answers,
                        now=draft.now,
                        time_of=self._clock.time_of,
                        in_doubt=request.in_doubt,
                        max_attempts=request.max_attempts,
                    )
                )

    def _give_back(self, draft: Draft) -> None:
        """Claims of this worker whose append was answered by a lost connection: nothing was sent for them."""
        for number, attempt in draft.after.attempts.items():
            if attempt.worker == self._terms.worker and attempt.claimed and number not in draft.job.claims:
                unsent = tuple(Retry(index, "not-sent.unconfirmed") for index in indices.members(attempt.claimed))
                groups = (RetryGroup(devices=unsent, at=draft.now),)
                draft.do(RecordAnswers(attempt=number, retries=groups, max_attempts=20))

    def _choose(self, draft: Draft, room: int) -> int:
        """The devices for the next claim; how many there are."""
        under_way = draft.job.under_way
        open_now = draft.open_now
        if not open_now or not draft.brief.goes_on or room <= 0 or under_way > REFILL_BELOW:
            return 0
        if not self._badges.are_known(draft.brief):
            return 0
        chunk = draft.after
        way = self._credentials.way(draft.job.app_id, chunk.provider, chunk.profile)
        if isinstance(way, Unusable):
            draft.do(HoldChunk(reason=way.reason[:255]))
            return 0
        draft.way = way
        draft.candidates = indices.members(indices.lowest(open_now, min(MAX_CLAIM - under_way, room)))
        return len(draft.candidates)

    def _claim(self, draft: Draft, look: Look) -> None:
        chunk = draft.after
        suppressed = []
        for index in draft.candidates:
            recipient = look.found.get(chunk.devices[index])
            obstacle = Exclusion.RETIRED.value if recipient is None else recipient.obstacle
            if obstacle is not None:
                suppressed.append((index, obstacle))
            elif recipient is not None:
                draft.recipients[index] = recipient
        began = time.monotonic()
        lease = self._clock.now() + timedelta(seconds=self._terms.lease)
        if suppressed:
            draft.do(Suppress(devices=tuple(suppressed)))
        if draft.recipients:
            draft.do(
                StartAttempt(
                    worker=self._terms.worker,
                    now=draft.now,
                    lease_expires_at=lease,
                    among=tuple(draft.recipients),
                    as_of=look.as_of,
                    badges=self._new_badges(draft),
                )
            )
            draft.claim = self._claimed(draft, began + self._terms.lease)

    def _new_badges(self, draft: Draft) -> dict[int, int]:
        """What the devices of the claim show from now on, where their messages change or set that."""
        if not draft.brief.messages.tell_badges:
            return {}
        devices = {index: draft.after.devices[index] for index in draft.recipients}
        shown = self._badges.now(devices.values())
        return {
            index: badge_told(draft.brief, devices[index], recipient, shown.get(devices[index], 0))
            for index, recipient in draft.recipients.items()
        }

    def _claimed(self, draft: Draft, lease_ends: float) -> Claim:
        started = next(fact for fact in reversed(draft.facts) if isinstance(fact, AttemptStarted))
        targets = {index: self._target(draft, recipient) for index, recipient in draft.recipients.items()}
        return Claim(started.attempt, lease_ends, draft.brief.context(), targets, set(targets))

    def _target(self, draft: Draft, recipient: Recipient) -> Target:
        """A token of another APNs environment goes the way the app has for it, if it has one."""
        assert draft.way is not None
        assert recipient.token is not None
        way = draft.way
        environment = ENVIRONMENTS.get(recipient.environment or "", "")
        if way.environment and environment and way.environment != environment:
            way = self._credentials.way_for_environment(draft.job.app_id, draft.after.provider, environment) or way
        fits = not environment or not way.environment or way.environment == environment
        return Target(recipient.token, way, fits)
