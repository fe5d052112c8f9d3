"""Where the record's database is: the one that is named, or the embedded one of the data directory."""

from __future__ import annotations

from pathlib import Path

from tocsin.eventlog.embedded import ConnectionInfo, EmbeddedPostgres
from tocsin.settings import Settings


class NotReady(Exception):
    """The database is not there, or not migrated. Says what to do."""


class NotMigrated(NotReady):
    """The database is there, and ``tocsin migrate`` has not been run on it by this version."""


def postgres_directory(settings: Settings) -> Path:
    """Where the embedded server of a data directory is."""
    return settings.directory / "postgres"


def database_url(settings: Settings) -> str:
    """The record's database, for all that Tocsin does but ``prepare``: the one named, or the embedded one, if it runs.

    Raises NotReady, SettingsError.
    """
    if settings.database_url is not None:
        return settings.database_url
    service_url = embedded(settings).service_url
    if service_url is None:
        raise NotReady(f"the embedded PostgreSQL of {settings.directory} was not migrated yet")
    return service_url


def embedded(settings: Settings) -> ConnectionInfo:
    """How the embedded server is reached as its superuser. Raises NotReady where it does not run."""
    info = EmbeddedPostgres(postgres_directory(settings)).connection()
    if info is None:
        raise NotReady(f"the embedded PostgreSQL of {settings.directory} does not run: start it with `tocsin up`")
    return info
