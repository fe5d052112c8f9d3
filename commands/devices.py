"""Commands on devices. Registering one and importing a thousand is the same code: a batch of one or of many."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from tocsin.commands.apps import load_enabled
from tocsin.commands.context import Context
from tocsin.commands.engine import Change, Decision, Done, Engine, Loaded
from tocsin.commands.registrar import DeviceResult, Registrar, Registration
from tocsin.domain import device
from tocsin.domain.device import ChangeBadge, Device
from tocsin.domain.errors import NotFound, TocsinError
from tocsin.domain.events.device import BadgeChanged

__all__ = [
    "DeviceResult",
    "LineResult",
    "Registration",
    "change_badge",
    "change_device",
    "change_devices",
    "load_device",
    "register_device",
    "register_devices",
    "update_device",
]


Turn = Callable[[Collection[UUID]], bool]
"""Asked between a decision and its append, with the streams it looked at: waits for whom it has to come after, and says
whether they may have touched these streams. What changes nothing appends nothing, and so meets no conflict."""


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
    engine: Engine,
    context: Context,
    app_id: UUID,
    registrations: Sequence[Registration | TocsinError],
    turn: Turn = lambda _: False,
) -> Done[list[LineResult]]:
    """Register many devices in one transaction. A refused line leaves nothing; the others are carried out.

    A line that could not even be read comes as its error and goes into the results as such.
    """

    def decided() -> tuple[Registrar, list[LineResult]]:
        load_enabled(engine, app_id)
        registrar = Registrar(engine, app_id, [line for line in registrations if isinstance(line, Registration)])
        return registrar, [_line(registrar, line) for line in registrations]

    def decide() -> Decision[list[LineResult]]:
        registrar, results = decided()
        if turn(registrar.streams):
            registrar, results = decided()
        return Decision(results, registrar.changes(), registrar.claims())

    return engine.carry_out(context, decide)


def _line(registrar: Registrar, line: Registration | TocsinError) -> LineResult:
    if isinstance(line, TocsinError):
        return LineResult(error=line)
    try:
        return LineResult(registrar.register(line))
    except TocsinError as error:
        return LineResult(error=error)


def change_device(
    engine: Engine, context: Context, app_id: UUID, device_id: UUID, *commands: Any
) -> Done[DeviceResult]:
    """Carry out commands on a device that are about no token: subscribe, opt out, retire, set a property; all of
    them or none. Raises NotFound, Conflict, Invalid."""

    def decide() -> Decision[DeviceResult]:
        loaded = load_device(engine, app_id, device_id)
        facts, state = loaded.decide_all(commands)
        assert state is not None
        result = DeviceResult(device_id, app_id, state, changed=bool(facts))
        return Decision(result, [loaded.change(app_id, facts)])

    return engine.carry_out(context, decide)


def change_badge(
    engine: Engine,
    context: Context,
    app_id: UUID,
    device_id: UUID,
    *,
    badge: int | None = None,
    change: int | None = None,
    shown: Callable[[], tuple[int, int]],
) -> Done[DeviceResult]:
    """Set the number on a device's icon, or change it.

    ``shown``: the position of the event that last set the number, as far as the read models know, and the number. What
    the device's own stream says since counts instead, so that changes that come at once add up. Raises NotFound,
    Conflict, Invalid.
    """

    def decide() -> Decision[DeviceResult]:
        loaded = load_device(engine, app_id, device_id)
        told = [(entry.position, entry.fact.badge) for entry in loaded.entries if isinstance(entry.fact, BadgeChanged)]
        _, current = max([shown(), *told])
        facts, state = loaded.decide(ChangeBadge(badge=badge, change=change, current=current))
        assert state is not None
        result = DeviceResult(device_id, app_id, state, changed=bool(facts))
        return Decision(result, [loaded.change(app_id, facts)])

    return engine.carry_out(context, decide)


def change_devices(
    engine: Engine, context: Context, app_id: UUID, device_ids: Sequence[UUID], command: Any
) -> Done[int]:
    """Carry out one command on many devices, all or none; how many it changed. Devices of other apps are left alone.

    For at most a thousand at a time, as the record is held until all is written. Raises Conflict, Invalid.
    """

    def decide() -> Decision[int]:
        changes: list[Change] = []
        for device_id, entries in engine.record.load_many(device_ids).items() if device_ids else ():
            loaded = Loaded(device_id, device, entries)
            if entries[0].app_id == app_id and (facts := loaded.decide(command)[0]):
                changes.append(loaded.change(app_id, facts))
        return Decision(len(changes), changes)

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
            token_scope=loaded.state.token_scope,
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
