"""The thread that owns the record's side of delivery: it claims devices, collects answers, records outcomes.

Every turn makes one append for all chunks that are ready: the outcomes of their last claim, and their next claim. What
is not in the record is not sent: pushes go out only after the append that claims their devices is durable.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from uuid import UUID

from tocsin.commands.engine import Change, envelopes
from tocsin.domain.lanes import LANES
from tocsin.eventlog.record import Record
from tocsin.eventlog.recorder import Unacceptable
from tocsin.eventlog.unit import Appended, Refused
from tocsin.workers.appending import Outcome, append_each
from tocsin.workers.clock import DatabaseClock
from tocsin.workers.delivery.briefs import Briefs
from tocsin.workers.delivery.credentials import Credentials, Way
from tocsin.workers.delivery.drafts import Draft, Drafter, Terms
from tocsin.workers.delivery.findings import Finding, Findings
from tocsin.workers.delivery.inbox import Inbox
from tocsin.workers.delivery.jobs import Claim, Job
from tocsin.workers.delivery.letters import letter
from tocsin.workers.delivery.recipients import Recipient
from tocsin.workers.following import refresh_all
from tocsin.workers.providers.gateway import Gateway
from tocsin.workers.providers.port import Answer, Push, Verdict
from tocsin.workers.runtime import DATABASE_AWAY

log = logging.getLogger(__name__)

IDLE = 0.25
GLANCE = 0.02
"""Seconds between two looks at the inbox while answers are awaited."""

CROWDED = 0.05
"""Seconds until a chunk asks again for room in the gateway."""

_STRIDE = 1024
"""A push is numbered by its claim and its device's index in the chunk, which is below this."""


class Desk:
    """Delivers what arrives in ``inbox``. All methods are for one thread."""

    def __init__(self, record: Record, gateway: Gateway, inbox: Inbox, credentials: Credentials, terms: Terms) -> None:
        self._record = record
        self._gateway = gateway
        self._inbox = inbox
        self._terms = terms
        self._credentials = credentials
        self._findings = Findings(record)
        self._clock = DatabaseClock(record.sessions)
        self._drafter = Drafter(record, self._clock, Briefs(record), credentials, terms)
        self._jobs: dict[UUID, Job] = {}
        self._claims: dict[int, tuple[Job, Claim]] = {}
        self._last_claim = 0

    @property
    def is_busy(self) -> bool:
        """Whether pushes are under way, or answers wait to be recorded."""
        return bool(self._findings) or any(job.under_way or job.has_unrecorded for job in self._jobs.values())

    def turn(self, accepting: bool = True) -> None:
        """Collect what was answered, take what is due, record and claim. ``accepting`` false: claim nothing more.

        Raises one of ``DATABASE_AWAY``, after which the next turn goes on where this one stopped.
        """
        self._collect(self._patience())
        if accepting:
            self._admit()
        self._advance(accepting)

    def _patience(self) -> float:
        looks = [job.look_at for job in self._jobs.values() if job.look_at is not None]
        return max(0.0, min([*looks, time.monotonic() + IDLE]) - time.monotonic())

    def _collect(self, patience: float) -> None:
        if self._gateway.in_flight:
            for answer in self._gateway.answers(min(patience, GLANCE)):
                self._take(answer)
        else:
            self._inbox.wait(patience)

    def _take(self, answer: Answer) -> None:
        number, index = divmod(answer.index, _STRIDE)
        job, claim = self._claims[number]
        job.take(claim, index, answer)
        if not claim.open:
            del self._claims[number]
        way = claim.targets[index].way
        if answer.pause_credential:
            self._credentials.pause(way, f"{job.chunk.provider} refuses the credential: {answer.code}")
        if answer.retire_token or answer.replacement_token is not None:
            self._note_finding(job, claim, index, answer)

    def _note_finding(self, job: Job, claim: Claim, index: int, answer: Answer) -> None:
        chunk, target = job.chunk, claim.targets[index]
        if target.fits:
            device_id, send_id = chunk.devices[index], chunk.send_id
            self._findings.add(
                Finding(job.app_id, device_id, send_id, chunk.provider, target.token, answer, claim.context)
            )

    def _admit(self) -> None:
        """Each lane has places of its own, so that an alarm never waits for a newsletter to end."""
        for lane in LANES:
            taken = sum(job.lane == lane for job in self._jobs.values())
            while taken < self._terms.chunks_at_once and (task := self._inbox.take(lane)) is not None:
                known = self._jobs.get(task.event.originator_id)
                if known is not None:
                    known.add(task)
                else:
                    self._jobs[task.event.originator_id] = Job(self._record, lane, task)
                    taken += 1

    def _advance(self, accepting: bool) -> None:
        now = time.monotonic()
        ready = [job for job in self._jobs.values() if job.look_at is not None and job.look_at <= now]
        if not ready and not self._findings:
            return
        # What room there is goes to the urgent first.
        ready.sort(key=lambda job: LANES.index(job.lane))
        self._read(ready)
        drafts = self._drafter.draft(ready, self._gateway.room if accepting else 0)
        left = self._append(drafts)
        drafted = {draft.job.stream.stream_id: draft for draft in left}
        for job in ready:
            self._go_on(job, drafted.get(job.stream.stream_id), accepting)

    def _read(self, ready: Sequence[Job]) -> None:
        stale = [job for job in ready if job.stale]
        refresh_all(self._record, [job.stream for job in stale])
        for job in stale:
            job.stale = False

    def _append(self, drafts: Sequence[Draft]) -> list[Draft]:
        """One transaction; a chunk or device that somebody else changed meanwhile is left out and looked at again.

        Returns the drafts without those that the database cannot take. These are logged; what they claimed is not sent,
        and what they had to say of a former claim is in doubt once its lease is over.
        """
        speaking = [draft for draft in drafts if draft.facts]
        for draft in drafts:
            if not draft.facts:
                # Settled by others meanwhile: waiting to be recorded, it would hold the chunk's place for ever.
                draft.job.drop_recorded(draft.told)
        self._findings.carry_out_replacements()
        retirements = self._findings.take()
        units = [envelopes(draft.brief.context(), draft.change) for draft in speaking]
        units += [envelopes(finding.context, change) for finding, change in retirements]
        if not units:
            return list(drafts)
        try:
            outcomes = append_each(self._record, units)
        except DATABASE_AWAY:
            # Appended or not, nobody knows: every chunk is read again before anything is decided on it.
            for draft in speaking:
                draft.job.stale = True
            self._findings.put_back([finding for finding, _ in retirements])
            raise
        unacceptable = set()
        for draft, outcome in zip(speaking, outcomes, strict=False):
            if isinstance(outcome, Appended):
                self._clock.hear(outcome.recorded_at)
                self._apply(draft)
            elif isinstance(outcome, Unacceptable):
                log.error("chunk %s cannot be delivered: %s", draft.job.stream.stream_id, outcome)
                unacceptable.add(id(draft))
            else:
                draft.job.stale = True
        self._put_back(retirements, outcomes[len(speaking) :])
        return [draft for draft in drafts if id(draft) not in unacceptable]

    def _put_back(self, retirements: Sequence[tuple[Finding, Change]], outcomes: Sequence[Outcome]) -> None:
        refused = []
        for (finding, _), outcome in zip(retirements, outcomes, strict=True):
            if isinstance(outcome, Unacceptable):
                log.error("device %s keeps its token, which is dead: %s", finding.device_id, outcome)
            elif isinstance(outcome, Refused):
                refused.append(finding)
        self._findings.put_back(refused)

    def _apply(self, draft: Draft) -> None:
        job = draft.job
        job.stream.state = draft.after
        job.stream.version += len(draft.facts)
        job.drop_recorded(draft.told)
        if draft.claim is not None:
            self._send(draft, draft.claim)

    def _send(self, draft: Draft, claim: Claim) -> None:
        draft.job.claims[claim.attempt] = claim
        self._last_claim += 1
        self._claims[self._last_claim] = draft.job, claim
        pushes: dict[int, tuple[Way, list[Push]]] = {}
        for index, recipient in draft.recipients.items():
            way = claim.targets[index].way
            pushes.setdefault(id(way), (way, []))[1].append(self._push(draft, index, recipient))
        if time.monotonic() > claim.lease_ends - self._terms.answer_within - self._terms.slack:
            # Held up so long that the lease may end before the provider answers: somebody else may claim them then.
            for _, group in pushes.values():
                for push in group:
                    self._take(_not_sent(push))
            return
        for way, group in pushes.values():
            assert way.provider is not None
            self._gateway.send(way.provider, group)

    def _push(self, draft: Draft, index: int, recipient: Recipient) -> Push:
        chunk = draft.after
        device_id = chunk.devices[index]
        expires_at = draft.brief.send.request.expires_at
        assert draft.claim is not None
        push_id, message = letter(draft.brief, device_id, recipient, chunk.badges.get(index))
        return Push(
            index=self._last_claim * _STRIDE + index,
            push_id=push_id,
            token=draft.claim.targets[index].token,
            message=message,
            expires_at=None if expires_at is None else expires_at.timestamp(),
            lane=chunk.lane,
        )

    def _go_on(self, job: Job, draft: Draft | None, accepting: bool) -> None:
        """When to look at the chunk again, or never: it is completed, waits for its time, or is somebody else's."""
        if draft is None:
            self._close(job)
        elif job.stale or job.has_unrecorded:
            job.look_at = time.monotonic()
        elif job.under_way:
            job.look_at = None
        elif not (draft.brief.goes_on and draft.open_now):
            self._close(job)
        elif accepting:
            job.look_at = time.monotonic() + (0.0 if draft.facts else CROWDED)
        else:
            # Left to the next worker: its work record stays unfinished.
            del self._jobs[job.stream.stream_id]

    def _close(self, job: Job) -> None:
        del self._jobs[job.stream.stream_id]
        job.finish()


def _not_sent(push: Push) -> Answer:
    return Answer(index=push.index, push_id=push.push_id, verdict=Verdict.RETRY, code="not-sent.late")
