"""What installed apps tell of their being used. No device is loaded, and each report is told once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.domain import usage
from tocsin.domain.errors import NotFound
from tocsin.domain.usage import ReportUsage


def report_usage(
    engine: Engine,
    context: Context,
    app_id: UUID,
    device_id: UUID,
    *,
    opened: datetime | None = None,
    closed: datetime | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
) -> Done[UUID]:
    """Record that the app was opened or closed, or where the device is (degrees, WGS 84); the device's id.

    The same report again is no event. Raises NotFound for a device that is not this app's, Invalid.
    """
    report = ReportUsage(
        device_id=device_id,
        now=engine.clock(),
        opened=opened,
        closed=closed,
        latitude=latitude,
        longitude=longitude,
    )

    def decide() -> Decision[UUID]:
        if engine.record.apps_of([device_id], "device").get(device_id) != app_id:
            raise NotFound("there is no such device", device=str(device_id))
        loaded = engine.load(usage.stream_id(report), usage)
        return Decision(device_id, [loaded.change(app_id, usage.decide(loaded.state, report), root_id=device_id)])

    return engine.carry_out(context, decide)
