"""Commands on devices. Registering one and importing a thousand is the same code: a batch of one or of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from msgspec import UNSET, UnsetType

from tocsin.commands.apps import load_enabled
from tocsin.commands.context import Context
from tocsin.commands.engine import Change, Decision, Done, Engine, Loaded
from tocsin.commands.people import EXTERNAL_ID, TOKEN, token_digest, user
from tocsin.domain import device
from tocsin.domain.device import ChangeToken, Device, RegisterDevice, RetireDevice, Subscribe, UpdateDevice
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, NotFound, TocsinError
from tocsin.domain.events.device import Retirement
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import provider_for
from tocsin.domain.rules import Command
from tocsin.eventlog.unit import Claim


class Registration(Command, frozen=True, kw_only=True):
    """What a client says of a device, in clear. UNSET leaves as it was, None removes; ``tags`` are added.

    Which device is meant: the one of ``device_id``, or of ``external_id``, or the one that has ``token``, else a new
    one. A token that another device had moves here, and that device is retired.
    """

    platform: str
    device_id: UUID | None = None
    external_id: str | None = None
    token: str | UnsetType | None = UNSET
    user: str | UnsetType | None = UNSET
    alias: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    properties: dict[str, Any] | UnsetType | None = UNSET
    environment: str | UnsetType | None = UNSET
    attributes: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    token_shape: bool = True


@dataclass(frozen=True, slots=True)
class DeviceResult:
    """A device as it stands after the command. ``created``: it did not exist before; ``changed``: something is new."""

    device_id: UUID
    app_id: UUID
    device: Device
    created: bool = False
    changed: bool = True


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of one registration of a batch: the device, or why it was refused."""

    device: DeviceResult | None = None
    error: TocsinError | None = None


def register_device(engine: Engine, context: Context, app_id: UUID, registration: Registration) -> Done[DeviceResult]:
    """Register a device, or report it again. Raises NotFound, Conflict, Invalid; nothing is half done."""

    def decide() -> Decision[DeviceResult]:
        load_enabled(engine, app_id)
        registrar = Registrar(engine, app_id, [registration])
        result = registrar.register(registration)
        return Decision(result, registrar.changes(), registrar.claims())

    return engine.carry_out(context, decide)


def register_devices(
    engine: Engine, context: Context, app_id: UUID, registrations: Sequence[Registration | TocsinError]
) -> Done[list[LineResult]]:
    """Register many devices in one transaction. A refused line leaves nothing; the others are carried out.

    A line that could not even be read comes as its error and goes into the results as such.
    """

    def decide() -> Decision[list[LineResult]]:
        load_enabled(engine, app_id)
        readable = [line for line in registrations if isinstance(line, Registration)]
        registrar = Registrar(engine, app_id, readable)
        results = [_line(registrar, line) for line in registrations]
        return Decision(results, registrar.changes(), registrar.claims())

    return engine.carry_out(context, decide)


def _line(registrar: Registrar, line: Registration | TocsinError) -> LineResult:
    if isinstance(line, TocsinError):
        return LineResult(error=line)
    try:
        return LineResult(registrar.register(line))
    except TocsinError as error:
        return LineResult(error=error)


def change_device(engine: Engine, context: Context, app_id: UUID, device_id: UUID, command: Any) -> Done[DeviceResult]:
    """Carry out a subscribe, unsubscribe, opt-in, opt-out or retire command. Raises NotFound, Conflict, Invalid."""

    def decide() -> Decision[DeviceResult]:
        loaded = load_device(engine, app_id, device_id)
        facts, state = loaded.decide(command)
        assert state is not None
        result = DeviceResult(device_id, app_id, state, changed=bool(facts))
        return Decision(result, [loaded.change(app_id, facts)])

    return engine.carry_out(context, decide)


def update_device(
    engine: Engine,
    context: Context,
    app_id: UUID,
    device_id: UUID,
    *,
    token: str | UnsetType | None = UNSET,
    source: str = "registration",
    token_shape: bool = True,
    user: str | UnsetType | None = UNSET,
    alias: str | UnsetType | None = UNSET,
    phone: str | UnsetType | None = UNSET,
    properties: dict[str, Any] | UnsetType | None = UNSET,
    environment: str | UnsetType | None = UNSET,
    attributes: dict[str, Any] | None = None,
) -> Done[DeviceResult]:
    """Change what is set of a device that exists. Raises NotFound, Conflict for a retired one, Invalid."""

    def decide() -> Decision[DeviceResult]:
        loaded = load_device(engine, app_id, device_id)
        assert loaded.state is not None
        changed = Registration(
            platform=loaded.state.platform,
            device_id=device_id,
            token=token,
            user=user,
            alias=alias,
            phone=phone,
            properties=properties,
            environment=environment,
            attributes=attributes or {},
            token_shape=token_shape,
        )
        registrar = Registrar(engine, app_id, [changed])
        result = registrar.update(changed, source)
        return Decision(result, registrar.changes(), registrar.claims())

    return engine.carry_out(context, decide)


def load_device(engine: Engine, app_id: UUID, device_id: UUID) -> Loaded[Device]:
    """A device of this app. Raises NotFound."""
    loaded = engine.load(device_id, device)
    if loaded.state is None or loaded.entries[0].app_id != app_id:
        raise NotFound("there is no such device", device=str(device_id))
    return loaded


@dataclass(slots=True)
class _Open:
    """A device while a batch works on it: where it started, what it gained, how it stands."""

    loaded: Loaded[Device]
    facts: list[Fact]
    state: Device | None


class Registrar:
    """Decides a batch of registrations against one look at the record, each seeing what those before it did."""

    def __init__(self, engine: Engine, app_id: UUID, batch: Sequence[Registration]) -> None:
        self._engine = engine
        self._app_id = app_id
        self._held = self._look_up(batch)
        self._holds = dict(self._held)
        named = [line.device_id for line in batch if line.device_id]
        self._open: dict[UUID, _Open] = {}
        self._load({*named, *self._held.values()})

    def register(self, registration: Registration) -> DeviceResult:
        """Decide one registration; on an error nothing of it remains."""
        device_id = self._meant(registration)
        opened = self._opened(device_id)
        created = opened.state is None
        commands: list[Any] = [self._command(device_id, registration)]
        commands += [Subscribe(tag=tag) for tag in registration.tags]
        return self._carry_out(device_id, registration, commands, created)

    def update(self, registration: Registration, source: str) -> DeviceResult:
        """Decide a change to a device that exists."""
        assert registration.device_id is not None
        device_id = registration.device_id
        command = self._command(device_id, registration)
        commands: list[Any] = [
            UpdateDevice(
                user=command.user,
                alias=command.alias,
                phone=command.phone,
                properties=command.properties,
                environment=command.environment,
                attributes=command.attributes,
            )
        ]
        if command.token is not UNSET:
            shape = registration.token_shape
            commands.append(ChangeToken(token=command.token, source=source, token_shape=shape))
        return self._carry_out(device_id, registration, commands, created=False)

    def changes(self) -> list[Change]:
        """What every device of the batch gained."""
        return [opened.loaded.change(self._app_id, opened.facts) for opened in self._open.values() if opened.facts]

    def claims(self) -> list[Claim]:
        """The claims that changed hands, each from its first holder to its last."""
        return [
            Claim(self._app_id, kind, digest, holder, self._held.get((kind, digest)))
            for (kind, digest), holder in self._holds.items()
            if holder != self._held.get((kind, digest))
        ] + [
            Claim(self._app_id, kind, digest, None, holder)
            for (kind, digest), holder in self._held.items()
            if (kind, digest) not in self._holds
        ]

    def _carry_out(
        self, device_id: UUID, registration: Registration, commands: Sequence[Any], created: bool
    ) -> DeviceResult:
        opened = self._opened(device_id)
        facts: list[Fact] = []
        state = opened.state
        for command in commands:
            for fact in device.decide(state, command):
                state = device.evolve(state, fact)
                facts.append(fact)
        assert state is not None
        self._settle_token(device_id, opened.state, state)
        if registration.external_id is not None:
            self._holds[EXTERNAL_ID, self._engine.digest(EXTERNAL_ID, registration.external_id)] = device_id
        opened.facts += facts
        opened.state = state
        return DeviceResult(device_id, self._app_id, state, created, bool(facts))

    def _settle_token(self, device_id: UUID, before: Device | None, after: Device) -> None:
        """A token has one device: it leaves the one that had it, which is then retired."""
        old, new = self._token_claim(before), self._token_claim(after)
        if old is not None and old != new and self._holds.get(old) == device_id:
            del self._holds[old]
        if new is None:
            return
        loser = self._holds.get(new)
        if loser is not None and loser != device_id:
            opened = self._opened(loser)
            retire = RetireDevice(reason=Retirement.TOKEN_MOVED, moved_to=device_id)
            for fact in device.decide(opened.state, retire) if opened.state else ():
                opened.state = device.evolve(opened.state, fact)
                opened.facts.append(fact)
        self._holds[new] = device_id

    def _token_claim(self, state: Device | None) -> tuple[str, bytes] | None:
        if state is None or state.token is None or state.token.erased:
            return None
        return TOKEN, token_digest(self._engine.digest, state.provider or state.platform, state.token.value)

    def _meant(self, registration: Registration) -> UUID:
        if registration.device_id is not None:
            self._refuse_other_app(registration.device_id)
            return registration.device_id
        if registration.external_id is not None:
            key = EXTERNAL_ID, self._engine.digest(EXTERNAL_ID, registration.external_id)
            return self._holds.get(key) or uuid4()
        if (claim := self._claim_of(registration)) is not None:
            return self._holds.get(claim) or uuid4()
        return uuid4()

    def _refuse_other_app(self, device_id: UUID) -> None:
        entries = self._opened(device_id).loaded.entries
        if entries and entries[0].app_id != self._app_id:
            raise Conflict("this device id is taken: choose another", field="device_id")

    def _command(self, device_id: UUID, registration: Registration) -> RegisterDevice:
        def personal(value: Any) -> Any:
            return value if value is UNSET or value is None else Personal(device_id, value)

        name = registration.user
        return RegisterDevice(
            platform=registration.platform,
            token=personal(registration.token),
            user=user(self._engine.digest, self._app_id, name) if isinstance(name, str) else name,
            alias=personal(registration.alias),
            phone=personal(registration.phone),
            properties=personal(registration.properties),
            external_id=registration.external_id,
            environment=registration.environment,
            attributes=registration.attributes,
            token_shape=registration.token_shape,
        )

    def _claim_of(self, registration: Registration) -> tuple[str, bytes] | None:
        if not isinstance(registration.token, str):
            return None
        provider = provider_for(registration.platform) or registration.platform
        return TOKEN, token_digest(self._engine.digest, provider, registration.token)

    def _look_up(self, batch: Sequence[Registration]) -> dict[tuple[str, bytes], UUID]:
        wanted: dict[str, set[bytes]] = {TOKEN: set(), EXTERNAL_ID: set()}
        for line in batch:
            if (claim := self._claim_of(line)) is not None:
                wanted[TOKEN].add(claim[1])
            if line.external_id is not None:
                wanted[EXTERNAL_ID].add(self._engine.digest(EXTERNAL_ID, line.external_id))
        held: dict[tuple[str, bytes], UUID] = {}
        for kind, digests in wanted.items():
            if digests:
                owners = self._engine.record.owners(self._app_id, kind, digests)
                held.update({(kind, digest): owner for digest, owner in owners.items()})
        return held

    def _load(self, device_ids: set[UUID]) -> None:
        if not device_ids:
            return
        found = self._engine.record.load_many(device_ids)
        for device_id in device_ids:
            loaded = Loaded(device_id, device, found.get(device_id, []))
            self._open[device_id] = _Open(loaded, [], loaded.state)
        self._look_up_held()

    def _look_up_held(self) -> None:
        """What the devices hold now is claimed by them, and may have to be let go."""
        claims = {claim for opened in self._open.values() if (claim := self._token_claim(opened.state))}
        missing = [digest for kind, digest in claims if (kind, digest) not in self._held]
        if missing:
            for digest, owner in self._engine.record.owners(self._app_id, TOKEN, missing).items():
                self._held[TOKEN, digest] = self._holds[TOKEN, digest] = owner

    def _opened(self, device_id: UUID) -> _Open:
        opened = self._open.get(device_id)
        if opened is None:
            loaded: Loaded[Device] = Loaded(device_id, device, [])
            opened = self._open[device_id] = _Open(loaded, [], None)
        return opened
