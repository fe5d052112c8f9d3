"""The roles: what each kind of process does until it is told to stop. ``tocsin up`` runs all of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from tocsin.api import server
from tocsin.bootstrap import (
    WEBHOOK_FORMATS,
    api_app,
    await_migrated,
    open_stream,
    opened_record,
    settle_interpreter,
    webhook_policy,
)
from tocsin.database import postgres_directory
from tocsin.domain.lanes import LANES
from tocsin.domain.platforms import PROVIDERS
from tocsin.eventlog import embedded_service, watchdog
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.record import Record
from tocsin.eventlog.stopping import stop_on_signals
from tocsin.eventlog.stream.port import Stream, work_topic
from tocsin.logs import configure_logging
from tocsin.projections import runner
from tocsin.settings import Settings, SettingsError
from tocsin.workers import relay
from tocsin.workers.delivery.process import run_delivery
from tocsin.workers.planner_process import run_planner
from tocsin.workers.scheduler import run_scheduler
from tocsin.workers.webhooks import run_webhooks

logger = logging.getLogger(__name__)

Work = Callable[[Record, Stream, threading.Event], None]


def project(settings: Settings, names: Sequence[str]) -> None:
    """Keep read models up to date."""
    _run(settings, "project", lambda record, stream, stop: runner.run(stream, record, names, stop))


def plan(settings: Settings) -> None:
    """Freeze audiences and plan chunks."""
    _run(settings, "plan", run_planner)


def deliver(settings: Settings, providers: Sequence[str], lanes: Sequence[str]) -> None:
    """Deliver due chunks to providers."""

    def work(record: Record, stream: Stream, stop: threading.Event) -> None:
        run_delivery(record, stream, stop, providers=providers, lanes=lanes)

    _run(settings, f"deliver-{'-'.join(providers)}" if len(providers) < len(PROVIDERS) else "deliver", work)


def webhooks(settings: Settings) -> None:
    """Tell webhooks of events. Raises SettingsError."""
    policy = webhook_policy(settings)
    _run(settings, "webhooks", partial(run_webhooks, policy=policy, renderers=WEBHOOK_FORMATS))


def postgres(settings: Settings) -> None:
    """Keep the embedded PostgreSQL of a data directory up."""
    stop = _begin(settings, "postgres")
    # Not with its parent: where a supervisor is killed, its guard ends the workers first, while they can still record
    # what they have under way.
    embedded_service.serve(
        EmbeddedPostgres(postgres_directory(settings)), stop, lambda _: watchdog.give_sign(watchdog.READY)
    )


def serve_api(settings: Settings, host: str, port: int, workers: int, threads: int) -> None:
    """Serve the APIs."""
    configure_logging("api", level=logging.getLevelName(settings.log_level))
    with watchdog.meanwhile():
        await_migrated(settings)
    # From now on the first process, which starts the others, gives signs of life itself: it must have no other thread.
    server.serve(lambda: api_app(settings), host, port, workers, threads, alive=watchdog.give_sign)


def schedule(settings: Settings) -> None:
    """Start what was scheduled, retry, expire, and complete."""
    stop = _begin(settings, "schedule")
    url = await_migrated(settings, stop)
    with opened_record(settings) as record:
        run_scheduler(record, url, stop)


def relay_to_kafka(settings: Settings) -> None:
    """Publish the record to Kafka. Raises SettingsError where no Kafka is named."""
    if settings.kafka is None:
        raise SettingsError("the relay needs a Kafka: set TOCSIN_KAFKA to its bootstrap servers, or run no relay")
    stop = _begin(settings, "relay")
    url = await_migrated(settings, stop)
    topics = [work_topic(provider, lane) for provider in PROVIDERS for lane in LANES]
    open_stream(settings, url).close()
    relay.run(url, settings.kafka, stop, topics)


def _begin(settings: Settings, role: str) -> threading.Event:
    configure_logging(role, level=logging.getLevelName(settings.log_level))
    watchdog.start()
    return stop_on_signals()


def _run(settings: Settings, role: str, work: Work) -> None:
    stop = _begin(settings, role)
    url = await_migrated(settings, stop)
    with opened_record(settings) as record, closing(open_stream(settings, url)) as stream:
        settle_interpreter()
        logger.info("started")
        work(record, stream, stop)
    logger.info("stopped")
