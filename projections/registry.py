"""Every read model there is, by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection

from tocsin.projections.agenda import AgendaProjection
from tocsin.projections.apps import AppsProjection
from tocsin.projections.audience import AudienceProjection
from tocsin.projections.cursors import exists, passed_schemas
from tocsin.projections.deliveries import DeliveriesProjection
from tocsin.projections.devices import DevicesProjection
from tocsin.projections.notifications import NotificationsProjection
from tocsin.projections.operations import OperationsProjection
from tocsin.projections.projection import Projection
from tocsin.projections.sends import SendsProjection
from tocsin.projections.usage import UsageProjection
from tocsin.projections.users import UsersProjection

PROJECTIONS: dict[str, Projection] = {
    projection.name: projection
    for projection in (
        AppsProjection(),
        UsersProjection(),
        DevicesProjection(),
        AudienceProjection(),
        UsageProjection(),
        NotificationsProjection(),
        OperationsProjection(),
        SendsProjection(),
        AgendaProjection(),
        DeliveriesProjection(),
    )
}

NAMES = tuple(PROJECTIONS)


class UnknownProjection(Exception):
    """There is no read model of this name; the message lists those there are."""


def chosen(names: Iterable[str]) -> list[Projection]:
    """The read models of these names. Raises UnknownProjection."""
    wanted = list(names)
    for name in wanted:
        if name not in PROJECTIONS:
            raise UnknownProjection(f"there is no read model {name!r}: there are {', '.join(NAMES)}")
    return [PROJECTIONS[name] for name in wanted]


def schemas(names: Iterable[str]) -> list[str]:
    """The live schemas of these read models. Raises UnknownProjection."""
    return [projection.schema for projection in chosen(names)]


def passed(connection: Connection[Any], names: Sequence[str]) -> int:
    """The lowest position that every partition of these read models has passed; 0 while one has no cursor."""
    return passed_schemas(connection, schemas(names)) if exists(connection, "projections") else 0
