"""Where everything is: the data directory, the database, the keys, the stream. From options and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from tocsin.eventlog.stream.kafka_settings import KafkaSettings

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """A setting is missing or cannot be. The message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One instance. ``database_url`` None: the embedded server of ``data``.

    ``partitions``: of the event stream, fixed when it is first used; None takes what it has. ``webhook_networks``:
    private ones in which webhooks may be; ``webhook_ca_file``: authorities that they are checked against.
    """

    data: Path | None = None
    database_url: str | None = None
    admin_database_url: str | None = None
    master_key_file: Path | None = None
    kafka: KafkaSettings | None = None
    partitions: int | None = None
    public_url: str | None = None
    trusted_proxies: int = 0
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    webhook_ca_file: Path | None = None
    log_level: str = "INFO"

    @property
    def key_file(self) -> Path:
        """The master key file. Raises SettingsError where neither it nor a data directory is given."""
        if self.master_key_file is not None:
            return self.master_key_file
        return self.directory / "master.key"

    @property
    def directory(self) -> Path:
        """The data directory. Raises SettingsError where none is given."""
        if self.data is None:
            raise SettingsError("say where the data are: --data DIR, or TOCSIN_DATA")
        return self.data

    @property
    def status_file(self) -> Path | None:
        """Where ``tocsin up`` says how its processes stand; None where there is no data directory."""
        return self.data / "processes.json" if self.data else None


_KAFKA = {
    "TOCSIN_KAFKA_SECURITY_PROTOCOL": "security_protocol",
    "TOCSIN_KAFKA_CA_FILE": "ca_file",
    "TOCSIN_KAFKA_CERTIFICATE_FILE": "certificate_file",
    "TOCSIN_KAFKA_KEY_FILE": "key_file",
    "TOCSIN_KAFKA_KEY_PASSWORD": "key_password",
    "TOCSIN_KAFKA_SASL_MECHANISM": "sasl_mechanism",
    "TOCSIN_KAFKA_USERNAME": "username",
    "TOCSIN_KAFKA_PASSWORD": "password",
    "TOCSIN_KAFKA_TOPIC_PREFIX": "topic_prefix",
}


def load(data: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment, ``data`` (an option) going before ``TOCSIN_DATA``. Raises SettingsError."""
    directory = data or (Path(environment["TOCSIN_DATA"]) if environment.get("TOCSIN_DATA") else None)
    settings = Settings(
        data=directory.absolute() if directory else None,
        database_url=_database_url(environment, "TOCSIN_DATABASE_URL"),
        admin_database_url=_database_url(environment, "TOCSIN_ADMIN_DATABASE_URL"),
        master_key_file=_path(environment, "TOCSIN_MASTER_KEY_FILE"),
        kafka=_kafka(environment),
        partitions=_number(environment, "TOCSIN_PARTITIONS", 0) or None,
        public_url=environment.get("TOCSIN_PUBLIC_URL") or None,
        trusted_proxies=_number(environment, "TOCSIN_TRUSTED_PROXIES", 0),
        webhook_networks=_networks(environment, "TOCSIN_WEBHOOK_NETWORKS"),
        webhook_ca_file=_path(environment, "TOCSIN_WEBHOOK_CA_FILE"),
        log_level=_log_level(environment),
    )
    if settings.data is None and settings.database_url is None:
        raise SettingsError("say where the record is: --data DIR for the embedded server, or TOCSIN_DATABASE_URL")
    return settings


def _database_url(environment: Mapping[str, str], name: str) -> str | None:
    url = _secret(environment, name)
    if url is None:
        return None
    # A client of a database is loaded where there is one, and not by every command.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        # What libpq says repeats what it could not read, and that may be a password.
        raise SettingsError(
            f"{name} is no connection string of libpq's, such as postgresql://user:password@host:5432/database"
        ) from None
    return url


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    """A setting that may come from a file instead (``NAME_FILE``), as container secrets do."""
    file = environment.get(f"{name}_FILE")
    if not file:
        return environment.get(name) or None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE names {file}, which cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}_FILE names {file}, which is not text") from error


def _kafka(environment: Mapping[str, str]) -> KafkaSettings | None:
    bootstrap = environment.get("TOCSIN_KAFKA")
    if not bootstrap:
        return None
    given = {option: value for name, option in _KAFKA.items() if (value := _secret(environment, name))}
    replication = _number(environment, "TOCSIN_KAFKA_REPLICATION", -1)
    return KafkaSettings(bootstrap, replication_factor=replication, **given)


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    return Path(environment[name]) if environment.get(name) else None


def _networks(environment: Mapping[str, str], name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(network.strip()) for network in environment.get(name, "").split(",") if network.strip())
    except ValueError as error:
        raise SettingsError(f"{name} must be networks such as 10.1.0.0/16,fd12::/16: {error}") from error


def _log_level(environment: Mapping[str, str]) -> str:
    level = environment.get("TOCSIN_LOG_LEVEL") or "INFO"
    if level not in LOG_LEVELS:
        raise SettingsError(f"TOCSIN_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
    return level


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit():
        raise SettingsError(f"{name} must be a whole number, not {value!r}")
    return int(value)
