"""Measurements for Prometheus, added up over the processes of one server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http import HTTPMethod
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from psycopg import Connection

from tocsin.api.problems import AWAY
from tocsin.api.services import Services
from tocsin.eventlog import webhook_calls
from tocsin.projections import cursors
from tocsin.projections.agenda import SCHEMA, unplanned

SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of one server keep their numbers. Read by the library when it is first imported."""

METHODS = frozenset(HTTPMethod)
"""Of RFC 9110 and RFC 5789."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""

_OPEN = "select count(*) from sends_v1.send where status in ('scheduled', 'requested', 'started', 'sending')"


class Metrics:
    """What one process counts, and what all of them see in the database."""

    def __init__(self, services: Services) -> None:
        self._own = CollectorRegistry()
        self._instance = CollectorRegistry()
        self._instance.register(Instance(services))
        labels = ("method", "route", "status")
        self._requests = Counter("tocsin_http_requests", "Requests answered.", labels, registry=self._own)
        self._seconds = Histogram(
            "tocsin_http_request_seconds",
            "Seconds until the answer began.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self._own,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request, by its route: never by its path, which holds ids. A method nobody knows has no name either.

        Each name is a series that stays: whoever may name them could make any number.
        """
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._counted()) + generate_latest(self._instance)

    def _counted(self) -> CollectorRegistry:
        if SHARED_DIRECTORY not in os.environ:
            return self._own
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry


class Instance(Collector):
    """What the database says: the same in every process."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Any]:
        """What there is to see. A database that is away is told of, and takes nothing else from what is measured."""
        try:
            seen = list(self._seen())
        except AWAY:
            seen = []
        yield GaugeMetricFamily("tocsin_database_up", "1: the database answers.", float(bool(seen)))
        yield from seen

    def _seen(self) -> Iterator[Any]:
        yield GaugeMetricFamily(
            "tocsin_record_position", "The record's newest position.", self._services.record.head().position
        )
        with self._services.readers.connection() as connection:
            yield from _lags(connection)
            yield GaugeMetricFamily("tocsin_sends_open", "Sends that have not ended.", _open_sends(connection))
            yield GaugeMetricFamily(
                "tocsin_sends_unplanned", "Sends started over a minute ago and not planned.", _unplanned(connection)
            )
            yield from _webhook_backlog(connection)


def _lags(connection: Connection[Any]) -> Iterator[Any]:
    lag = GaugeMetricFamily("tocsin_projection_lag", "Positions a read model is behind.", labels=["projection"])
    stopped = GaugeMetricFamily("tocsin_projection_stopped", "1: it stopped at an event.", labels=["projection"])
    for status in cursors.statuses(connection):
        lag.add_metric([status.projection], status.lag)
        stopped.add_metric([status.projection], float(status.status == cursors.STOPPED))
    yield lag
    yield stopped


def _webhook_backlog(connection: Connection[Any]) -> Iterator[Any]:
    pending, oldest = webhook_calls.backlog(connection)
    yield GaugeMetricFamily("tocsin_webhook_calls_pending", "Calls to webhooks that no receiver took yet.", pending)
    yield GaugeMetricFamily("tocsin_webhook_oldest_seconds", "How long the oldest of them waits.", oldest)


def _unplanned(connection: Connection[Any]) -> int:
    return len(unplanned(connection)) if cursors.exists(connection, SCHEMA) else 0


def _open_sends(connection: Connection[Any]) -> int:
    if not cursors.exists(connection, "sends_v1"):
        return 0
    row = connection.execute(_OPEN.encode()).fetchone()
    return int(row[0]) if row else 0
