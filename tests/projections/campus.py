"""A small university at work: devices come and go, alerts are sent, phones report. Everything the read models fold."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

from history import History
from lives import planned, requested

from tocsin.domain.audience import Criteria
from tocsin.domain.events.app import (
    AppCreated,
    AppUpdated,
    CredentialIssued,
    CredentialRevoked,
    ProviderConfigured,
    SegmentSaved,
    TagCreated,
    TagUpdated,
    TemplateSaved,
    WebhookCreated,
)
from tocsin.domain.events.chunk import (
    AttemptAbandoned,
    AttemptStarted,
    ChunkPlanned,
    Outcome,
    OutcomeArrivedLate,
    OutcomeKind,
    OutcomesRecorded,
    Retry,
    RetrySet,
)
from tocsin.domain.events.device import (
    BadgeChanged,
    DeviceRegistered,
    DeviceRestored,
    DeviceRetired,
    DeviceUpdated,
    OptedIn,
    OptedOut,
    Retirement,
    Subscribed,
    TokenChanged,
    Unsubscribed,
)
from tocsin.domain.events.group import GroupJoined
from tocsin.domain.events.notification import FollowupAdded, NotificationAmended, NotificationCreated
from tocsin.domain.events.operation import OperationFinished, OperationKind, OperationStarted
from tocsin.domain.events.receipt import ReceiptOpened, ReceiptReceived, ReceiptRemoved
from tocsin.domain.events.send import (
    AudienceFrozen,
    DevicesExcluded,
    Exclusion,
    InDoubt,
    SendCancelled,
    SendScheduled,
    SendStarted,
    SendWithdrawn,
)
from tocsin.domain.events.token import TokenIssued, TokenRevoked
from tocsin.domain.events.usage import UsageReported
from tocsin.domain.events.user import SessionExtended, SessionOpened, UserCreated, UserCredentialChanged
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal

PEOPLE = UUID(int=0x9E09)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TAGS = ("staff", "students", "floor:3", "on-leave")


class Campus:
    """Writes plausible history at random, from a seed."""

    def __init__(self, history: History, seed: int) -> None:
        self._history = history
        self._dice = random.Random(seed)
        self._devices: list[UUID] = []
        self._chunks: list[tuple[UUID, UUID, ChunkPlanned, int]] = []
        self._found()

    def live(self, steps: int) -> None:
        """So many things happen."""
        choices: list[tuple[int, Callable[[], None]]] = [
            (6, self._register),
            (8, self._change_device),
            (2, self._send),
            (6, self._deliver),
            (2, self._report),
            (1, self._notify),
            (1, self._administer),
            (1, self._sign_up),
            (2, self._use),
        ]
        weights, happenings = zip(*choices, strict=True)
        for happening in self._dice.choices(happenings, weights, k=steps):
            happening()

    def _found(self) -> None:
        app = self._history.app_id
        provider = ProviderConfigured(provider="apns", configuration={}, secret_id=uuid4(), fingerprint="f")
        self._history.append(app, AppCreated(name="University", hosts=(f"{app}.example",)), provider)
        for tag in TAGS:
            self._history.append(app, TagCreated(tag=tag))

    def _person(self) -> Personal:
        name = f"user-{self._dice.randrange(20)}"
        return Personal(uuid5(PEOPLE, f"{self._history.app_id}{name}"), name)

    def _register(self) -> None:
        device = uuid4()
        fact = DeviceRegistered(
            platform=self._dice.choice(["ios", "android", "huawei"]),
            token=Personal(device, f"{self._dice.getrandbits(256):064x}"),
            user=self._person(),
            alias=Personal(device, f"alias-{self._dice.randrange(20)}"),
            properties=Personal(device, {"floor": self._dice.randrange(5)}),
            attributes={"model": "m"},
        )
        tags = self._dice.sample(TAGS, self._dice.randrange(4))
        self._history.append(device, fact, *(Subscribed(tag=tag) for tag in tags))
        self._devices.append(device)

    def _change_device(self) -> None:
        if not self._devices:
            return
        device = self._dice.choice(self._devices)
        fact = self._dice.choice(
            [
                Subscribed(tag=self._dice.choice(TAGS)),
                Unsubscribed(tag=self._dice.choice(TAGS)),
                OptedOut(),
                OptedIn(),
                TokenChanged(token=Personal(device, f"{self._dice.getrandbits(256):064x}")),
                DeviceUpdated(user=self._person(), attributes={"model": None, "os": "1"}),
                DeviceUpdated(properties=Personal(device, {"floor": self._dice.randrange(5), "likes": ["tea"]})),
                DeviceUpdated(properties=None, property_types=None),
                BadgeChanged(badge=self._dice.randrange(9)),
                DeviceRetired(reason=Retirement.UNREGISTERED),
                DeviceRestored(),
            ]
        )
        self._history.append(device, fact)

    def _send(self) -> None:
        send = uuid4()
        request = requested(expires_at=NOW + timedelta(days=1), labels=("fire",), inbox=True, pace=1000)
        self._history.append(send, request, SendScheduled(at=NOW), SendStarted())
        plan = planned(send, 0, size=self._dice.randrange(1, 300))
        chunk = uuid4()
        self._history.append(chunk, plan, root=send)
        left_out = DevicesExcluded(send_id=send, ordinal=0, devices=((uuid4(), Exclusion.OPTED_OUT),))
        self._history.append(uuid4(), left_out, root=send)
        self._history.append(send, AudienceFrozen(as_of=1, audience=len(plan.devices), chunks=1))
        if self._dice.random() < 0.2:
            self._history.append(send, SendCancelled(reason="false alarm"), SendWithdrawn())
        self._chunks.append((send, chunk, plan, 0))

    def _deliver(self) -> None:
        if not self._chunks:
            return
        number = self._dice.randrange(len(self._chunks))
        send, chunk, plan, attempt = self._chunks[number]
        size = len(plan.devices)
        start = self._dice.randrange(size)
        stop = min(size, start + 100)
        badges = tuple(self._dice.randrange(9) for _ in range(start, stop)) if self._dice.random() < 0.5 else ()
        claim = AttemptStarted(
            attempt=attempt + 1, devices=((start, stop),), worker="w", lease_expires_at=NOW, badges=badges
        )
        kind = self._dice.choice(list(OutcomeKind))
        outcomes = tuple(Outcome(index, kind, f"id-{index}", answered_at=NOW) for index in range(start, stop, 2))
        retries = tuple(Retry(index, "busy") for index in range(start + 1, stop, 2))
        then = self._dice.choice(
            [
                RetrySet(attempt=attempt + 1, devices=retries, at=NOW + timedelta(minutes=attempt)),
                AttemptAbandoned(attempt=attempt + 1, devices=((start, stop),), resolution=InDoubt.UNKNOWN),
                AttemptAbandoned(attempt=attempt + 1, devices=((start, stop),), resolution=InDoubt.RESEND),
            ]
        )
        late = OutcomeArrivedLate(attempt=attempt + 1, outcomes=(Outcome(start, OutcomeKind.DELIVERED, "late"),))
        self._history.append(chunk, claim, OutcomesRecorded(attempt=attempt + 1, outcomes=outcomes), then, root=send)
        self._history.append(chunk, late, root=send)
        self._chunks[number] = (send, chunk, plan, attempt + 1)

    def _report(self) -> None:
        if not self._chunks:
            return
        send, _, plan, _ = self._dice.choice(self._chunks)
        device = self._dice.choice(plan.devices)
        kind = self._dice.choice([ReceiptReceived, ReceiptOpened, ReceiptRemoved])
        self._history.append(uuid4(), kind(send_id=send, device_id=device), root=send)

    def _notify(self) -> None:
        notification = uuid4()
        self._history.append(
            notification,
            NotificationCreated(body="Threat at building 4", starts_at=NOW),
            FollowupAdded(followup_id=1, body="Security services have arrived on scene", at=NOW),
            NotificationAmended(label="alert"),
        )

    def _administer(self) -> None:
        app, credential, operation = self._history.app_id, uuid4(), uuid4()
        issued = CredentialIssued(
            credential_id=credential, kind="bearer", dialect="native", name="n", secret_id=uuid4()
        )
        self._history.append(
            app, AppUpdated(name=f"University {credential}"), issued, TagUpdated(tag="staff", description="d")
        )
        self._history.append(app, CredentialRevoked(credential_id=credential))
        token = uuid4()
        self._history.append(token, TokenIssued(credential_id=credential, expires_at=NOW), TokenRevoked())
        self._history.append(app, SegmentSaved(name=f"s{self._dice.randrange(3)}", criteria=Criteria(tags=("staff",))))
        self._history.append(app, WebhookCreated(webhook_id=uuid4(), name="w", url="https://w.example", events=()))
        self._history.append(app, TemplateSaved(template_id=uuid4(), name="t", message=Message(body="b")))
        self._history.append(
            operation, OperationStarted(kind=OperationKind.EXPORT), OperationFinished(outcome="succeeded")
        )

    def _sign_up(self) -> None:
        user, session = uuid4(), uuid4()
        self._history.append(
            user,
            UserCreated(name=Personal(user, f"name-{user}")),
            UserCredentialChanged(secret_id=uuid4()),
            SessionOpened(session_id=session, secret_id=uuid4(), expires_at=NOW),
            SessionExtended(session_id=session, expires_at=NOW + timedelta(minutes=1)),
        )
        self._history.append(uuid4(), GroupJoined(user_id=user, name="phones", device_id=uuid4()))

    def _use(self) -> None:
        if not self._devices:
            return
        device = self._dice.choice(self._devices)
        at = NOW + timedelta(minutes=self._dice.randrange(60))
        place = Personal(device, {"latitude": self._dice.random(), "longitude": self._dice.random()})
        told = self._dice.choice(
            [{"registered": at}, {"opened": at}, {"closed": at, "place": place}, {"opened": at, "place": place}]
        )
        self._history.append(uuid4(), UsageReported(device_id=device, **told), root=device)
