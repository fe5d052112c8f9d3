"""What may be told of a device's use: each report is a stream of its own, and said once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from tocsin.domain.entry import Fact
from tocsin.domain.errors import Invalid
from tocsin.domain.events.usage import UsageReported
from tocsin.domain.identity import usage_stream_id
from tocsin.domain.personal import Personal
from tocsin.domain.rules import Command, OutOfPlace, moment, optional_moment


class ReportUsage(Command, frozen=True, kw_only=True):
    """Members as in ``UsageReported``; ``now``: when it was reported."""

    device_id: UUID
    now: datetime
    registered: datetime | None = None
    opened: datetime | None = None
    closed: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None


def stream_id(command: ReportUsage) -> UUID:
    """Where the report stands: the same again is the same stream. A registration is told once a day."""
    days = command.registered.date().isoformat() if command.registered else ""
    times = [at.isoformat() if at else "" for at in (command.opened, command.closed)]
    place = command.now.isoformat() if command.latitude is not None else ""
    return usage_stream_id(command.device_id, "|".join([days, *times, place]))


def decide(state: UsageReported | None, command: ReportUsage) -> list[Fact]:
    """The report, or nothing where it was made before. Errors: Invalid with ``field``."""
    moment(command.now, "now")
    registered, opened, closed = (
        optional_moment(getattr(command, name), name) for name in ("registered", "opened", "closed")
    )
    place = _place(command)
    if place is None and not (command.registered or command.opened or command.closed):
        raise Invalid("a report says that the app was opened or closed, or where the device is", field="opened")
    reported = UsageReported(
        device_id=command.device_id,
        registered=registered,
        opened=opened,
        closed=closed,
        place=place,
    )
    return [reported] if state is None else []


def _place(command: ReportUsage) -> Personal | None:
    latitude, longitude = command.latitude, command.longitude
    if latitude is None and longitude is None:
        return None
    place = {
        "latitude": _degrees(latitude, "latitude", 90),
        "longitude": _degrees(longitude, "longitude", 180),
    }
    return Personal(command.device_id, place)


def _degrees(value: object, field: str, most: float) -> float:
    # So asked, it also refuses what is no number, and integers that no float can hold.
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= most:
        raise Invalid(f"{field} must be a number of degrees from -{most} to {most}", field=field)
    return float(value)


def fold(facts: Iterable[Fact], state: UsageReported | None = None) -> UsageReported | None:
    """The report among ``facts``, if any."""
    for fact in facts:
        state = evolve(state, fact)
    return state


def evolve(state: UsageReported | None, fact: Fact) -> UsageReported:
    """The report. Errors: OutOfPlace for a second one, or a fact of another stream."""
    if state is None and isinstance(fact, UsageReported):
        return fact
    raise OutOfPlace("usage", fact)
