"""The one place that wires things: from settings to a record, a stream, an engine, an API."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from eventsourcing.persistence import OperationalError
from flask import Flask
from psycopg.errors import InsufficientPrivilege, UndefinedTable

from tocsin.api import dialects
from tocsin.api.app import create_app
from tocsin.api.services import Services
from tocsin.commands.apps import ensure_instance
from tocsin.commands.context import Context
from tocsin.commands.engine import Engine
from tocsin.commands.secrets import SecretChecks
from tocsin.database import NotMigrated, NotReady, database_url, embedded, postgres_directory
from tocsin.domain.entry import system
from tocsin.eventlog.database import CONNECT_SECONDS
from tocsin.eventlog.embedded import EmbeddedPostgres
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.migrate import migrate, missing
from tocsin.eventlog.record import Record
from tocsin.eventlog.rotation import check_key_file
from tocsin.eventlog.stream.kafka import KafkaStream
from tocsin.eventlog.stream.port import Stream
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections.waiting import Waiter
from tocsin.projections.webhook_news import NATIVE, Renderer
from tocsin.readiness import readiness
from tocsin.settings import Settings, SettingsError
from tocsin.workers.webhook_post import Policy

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds a role waits for a database that is not there or not migrated yet, before it gives up and is restarted."""


def prepare(settings: Settings) -> None:
    """Migrate the database and make sure of the instance's own app. Harmless where that was done. Raises NotReady.

    The embedded server's superuser does it, and nothing else; its processes have a login of their own.
    """
    try:
        migrate(settings.admin_database_url or settings.database_url or embedded(settings).url)
    except psycopg.OperationalError as error:
        raise NotReady(f"the database cannot be reached: {error}") from error
    except InsufficientPrivilege as error:
        raise NotReady(
            f"{_first_line(error)}: TOCSIN_ADMIN_DATABASE_URL must name a role that owns the database and, unless"
            " tocsin_app exists already, may create roles"
        ) from error
    if settings.database_url is None:
        EmbeddedPostgres(postgres_directory(settings)).make_login()
    with opened_record(settings) as record:
        ensure_instance(Engine(record), Context(system("bootstrap")))


def ensure_master_key(settings: Settings) -> None:
    """Make the master key of a data directory at its first start; one that was named elsewhere must exist.

    Raises KeyFileError where it cannot be read, SettingsError where it cannot be made.
    """
    if settings.master_key_file is not None or settings.key_file.exists():
        MasterKeys.load(settings.key_file)
        return
    try:
        settings.directory.mkdir(parents=True, exist_ok=True)
        MasterKeys.create(settings.key_file)
    except OSError as error:
        raise SettingsError(f"no master key can be made at {settings.key_file}: {error.strerror}") from error
    logger.warning("made a master key at %s: keep a copy apart, nothing is readable without it", settings.key_file)


@contextmanager
def opened_record(settings: Settings, *, readers: int = 8) -> Iterator[Record]:
    """The record, closed again at the end. Raises NotReady, KeyFileError."""
    record = _opened(settings, readers)
    try:
        yield record
    finally:
        record.close()


def _opened(settings: Settings, readers: int) -> Record:
    url = database_url(settings)
    try:
        # A pool keeps to itself why it has no session to give.
        psycopg.connect(url, connect_timeout=CONNECT_SECONDS).close()
        record = Record.open(url, settings.key_file, readers=readers)
        try:
            check_key_file(record)
        except BaseException:
            record.close()
            raise
    except (UndefinedTable, InsufficientPrivilege) as error:
        raise NotReady(f"the record is not ready: {_first_line(error)}. Run `tocsin migrate` first.") from error
    except (OperationalError, psycopg.OperationalError) as error:
        raise NotReady(
            f"the database cannot be reached: {_first_line(error)}. See that the server runs, and what"
            " TOCSIN_DATABASE_URL or --data names."
        ) from error
    return record


def _first_line(error: Exception) -> str:
    """What PostgreSQL says, without the statement in which it said so."""
    return str(error).partition("\n")[0]


def require_migrated(url: str) -> None:
    """Raises NotMigrated where the database lacks a part of this version's schema, psycopg.OperationalError where it
    is away.
    """
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
            lacking = missing(connection)
    except InsufficientPrivilege as error:
        raise NotMigrated(
            f"the record is not ready: {_first_line(error)}. Run `tocsin migrate` first; TOCSIN_DATABASE_URL must name"
            " a member of tocsin_app."
        ) from error
    if lacking:
        raise NotMigrated(
            f"the record is not ready: the database was not migrated to this version ({lacking[-1]} is missing)."
            " Run `tocsin migrate` first."
        )


def check_named_database(settings: Settings) -> None:
    """See that a database which is named and answers can be worked with; one that is away may come back.

    Raises NotMigrated, or KeyFileError where the master key does not open what the database holds.
    """
    if settings.database_url is None:
        return
    try:
        require_migrated(settings.database_url)
        with opened_record(settings, readers=1):
            pass
    except NotMigrated:
        raise
    except (NotReady, psycopg.OperationalError) as away:
        logger.warning("the database cannot be reached, and everything waits for it: %s", _first_line(away))


def await_migrated(settings: Settings, stop: threading.Event | None = None) -> str:
    """The URL of the database once it is there and migrated. Raises NotReady after a minute, or when asked to stop."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            url = database_url(settings)
            require_migrated(url)
            return url
        except (NotReady, psycopg.Error) as error:
            if time.monotonic() > deadline or (stop is not None and stop.wait(0.25)):
                raise NotReady(_first_line(error)) from error
            time.sleep(0.25)


def api_app(settings: Settings) -> Flask:
    """The APIs, for one process: called after the fork, as sessions cannot be shared across one."""
    record = _opened(settings, readers=24)
    engine = Engine(record)
    app = create_app(
        Services(
            engine=engine,
            checks=SecretChecks(engine),
            waiter=Waiter(record.sessions),
            readiness=lambda: readiness(settings, record),
            public_url=settings.public_url,
            trusted_proxies=settings.trusted_proxies,
        )
    )
    settle_interpreter()
    return app


def settle_interpreter() -> None:
    """Set Python for a process that lives long, makes many objects, and waits in some threads while others compute.

    It searches for cycles after 250,000 new objects, not 700, and not among those that stay: requests and batches make
    next to no cycles, and the search took a sixth of an import's time. A thread that comes back from the database has
    the interpreter after half a millisecond, not five: the one that appends a batch comes back a dozen times, beside
    the one that decides the next.
    """
    gc.freeze()
    gc.set_threshold(250_000, 20, 20)
    sys.setswitchinterval(0.0005)


def webhook_policy(settings: Settings) -> Policy:
    """Where webhooks may be called. Raises SettingsError where the authorities' file is not there."""
    authorities = settings.webhook_ca_file
    if authorities is not None and not authorities.is_file():
        raise SettingsError(f"TOCSIN_WEBHOOK_CA_FILE names {authorities}, where there is no file")
    return Policy(settings.webhook_networks, str(authorities) if authorities else None)


WEBHOOK_FORMATS: Mapping[str, Renderer] = {**NATIVE, **dialects.WEBHOOK_FORMATS}
"""How webhooks are told of events: as the native API does, or as the dialect through which they were created."""


def open_stream(settings: Settings, url: str) -> Stream:
    """The stream: Kafka where it is named, otherwise the record itself."""
    if settings.kafka is not None:
        return KafkaStream(settings.kafka, url, settings.partitions)
    return PostgresStream(url, settings.partitions)
