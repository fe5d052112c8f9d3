"""What providers say of tokens, told to the devices: a dead one retires its device, a new one takes its place."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from uuid import UUID

from tocsin.commands.context import Context
from tocsin.commands.devices import update_device
from tocsin.commands.engine import Change, Engine
from tocsin.domain.device import RetireDevice, decide
from tocsin.domain.errors import TocsinError, Unavailable
from tocsin.domain.events.device import Retirement
from tocsin.eventlog.record import Record
from tocsin.eventlog.recorder import Unacceptable
from tocsin.workers.delivery.recipients import Loaded, load
from tocsin.workers.providers.port import Answer

log = logging.getLogger(__name__)

TRIES = 5
AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer about the token a push was sent to. ``context``: of the send it was part of."""

    app_id: UUID
    device_id: UUID
    send_id: UUID
    provider: str
    token: str
    answer: Answer
    context: Context
    tries: int = 0


class Findings:
    """Dead and replaced tokens that wait until the devices are told."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._engine = Engine(record)
        self._dead: deque[Finding] = deque()
        self._replaced: deque[Finding] = deque()

    def __len__(self) -> int:
        return len(self._dead) + len(self._replaced)

    def add(self, finding: Finding) -> None:
        """Note what an answer says of its token, if anything."""
        if finding.answer.replacement_token is not None:
            self._replaced.append(finding)
        elif finding.answer.retire_token:
            self._dead.append(finding)

    def carry_out_replacements(self) -> None:
        """Give devices the tokens that providers named in place of theirs."""
        while self._replaced:
            self._replace(self._replaced[0])
            self._replaced.popleft()

    def take(self) -> list[tuple[Finding, Change]]:
        """The retirements to append now. A token that was renewed since is left alone."""
        taken = {finding.device_id: finding for finding in islice(self._dead, AT_ONCE)}
        found = load(self._record, taken)
        for _ in range(min(len(self._dead), AT_ONCE)):
            self._dead.popleft()
        changes = [
            (finding, _retirement(found[device_id], finding))
            for device_id, finding in taken.items()
            if device_id in found and _is_dead(found[device_id], finding)
        ]
        return [(finding, change) for finding, change in changes if change.facts]

    def put_back(self, findings: Sequence[Finding]) -> None:
        """Somebody else changed the device meanwhile, or nothing could be appended: look at it again."""
        self._dead.extend(replace(finding, tries=finding.tries + 1) for finding in findings if finding.tries < TRIES)

    def _replace(self, finding: Finding) -> None:
        found = load(self._record, [finding.device_id]).get(finding.device_id)
        if found is None or found.token != finding.token or found.device.retired is not None:
            return
        try:
            update_device(
                self._engine,
                finding.context,
                finding.app_id,
                finding.device_id,
                token=finding.answer.replacement_token,
                source="provider",
                token_shape=False,
            )
        except Unavailable:
            # It stays the first that waits.
            raise
        except (TocsinError, Unacceptable) as error:
            log.warning("device %s keeps its token: %s", finding.device_id, error)


def _is_dead(recipient: Loaded, finding: Finding) -> bool:
    """Whether it is still the token that failed, and the provider's word is not older than the registration."""
    if recipient.token != finding.token or recipient.token_since is None:
        return False
    since = finding.answer.unregistered_at
    return since is None or since > recipient.token_since.timestamp()


def _retirement(recipient: Loaded, finding: Finding) -> Change:
    retire = RetireDevice(
        reason=Retirement.UNREGISTERED,
        provider=finding.provider,
        code=finding.answer.code or None,
        send_id=finding.send_id,
    )
    facts = decide(recipient.device, retire)
    return Change(finding.device_id, recipient.app_id, recipient.version, facts)
