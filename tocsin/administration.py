"""What an operator does from the command line: apps, credentials, providers, and the keys to the instance."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from tocsin.bootstrap import opened_record
from tocsin.commands.apps import INSTANCE, create_app
from tocsin.commands.context import Context
from tocsin.commands.credentials import CredentialResult, issue_credential
from tocsin.commands.engine import Engine
from tocsin.commands.providers import configure_provider
from tocsin.dialects import PROVISIONS
from tocsin.domain.entry import Actor
from tocsin.settings import Settings

ADMIN_TOKEN = "admin.token"  # noqa: S105 - the name of a file
SANDBOX_ENV = "sandbox.env"


@contextmanager
def administering(settings: Settings) -> Iterator[tuple[Engine, Context]]:
    """An engine for commands of whoever is logged in on this machine."""
    operator = Actor(principal=f"operator:{_login()}", dialect="command-line")
    with opened_record(settings) as record:
        yield Engine(record), Context(operator)


def _login() -> str:
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid-{os.getuid()}"


def issue_token(settings: Settings, name: str, roles: Sequence[str], app_id: UUID | None = None) -> CredentialResult:
    """A bearer token of the native API; without an app it is good for the whole instance."""
    with administering(settings) as (engine, context):
        done = issue_credential(
            engine, context, app_id or INSTANCE, kind="bearer", dialect="native", name=name, roles=roles
        )
        return done.result


def ensure_admin_token(settings: Settings) -> str:
    """The instance's first admin token, made at the first start and kept in the data directory (mode 0600)."""
    file = settings.directory / ADMIN_TOKEN
    if not file.exists():
        write_private(file, issue_token(settings, "first admin", ("admin",)).secret + "\n")
    return file.read_text(encoding="ascii").strip()


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    unfinished = file.with_name(file.name + ".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)


def new_app(settings: Settings, name: str, hosts: Sequence[str] = ()) -> UUID:
    """Create an app and return its id."""
    with administering(settings) as (engine, context):
        return create_app(engine, context, name, hosts=hosts).result.app_id


def sandbox_apps(settings: Settings, providers: Mapping[str, Any], former: Mapping[str, str]) -> dict[str, str]:
    """The sandbox's apps, one for the native API and one for each dialect, by the names scripts know them by.

    Those of a former start, in ``former``, are kept; their providers point at where the sandbox is now. ``providers``
    is what its ``providers.json`` says.
    """
    found: dict[str, str] = {}
    for name, variable in {"": "TOCSIN_APP", **{name: f"{name.upper()}_APP_UUID" for name in PROVISIONS}}.items():
        app_id = UUID(former[variable]) if variable in former else new_app(settings, f"Sandbox {name}".strip())
        _configure_sandbox_providers(settings, app_id, providers)
        if name and variable not in former:
            found.update(provisioned(settings, app_id, name, sandbox=True))
        found[variable] = str(app_id)
    return found


def provisioned(settings: Settings, app_id: UUID, dialect: str, *, sandbox: bool = False) -> dict[str, str]:
    """What a dialect's client needs to begin in an app, issued now. Its secrets are shown this once."""
    with administering(settings) as (engine, context):
        return PROVISIONS[dialect](engine, context, app_id, sandbox=sandbox)


def _configure_sandbox_providers(settings: Settings, app_id: UUID, providers: Mapping[str, Any]) -> None:
    with administering(settings) as (engine, context):
        for provider, configuration, secret in sandbox_configurations(providers):
            configure_provider(engine, Context(context.actor), app_id, provider, configuration, secret)


def sandbox_configurations(providers: Mapping[str, Any]) -> list[tuple[str, dict[str, Any], bytes]]:
    """Provider, configuration and secret for each of the sandbox's three providers."""
    apns, fcm, wns = providers["apns"], providers["fcm"], providers["wns"]
    trusted = {"ca_path": providers["ca_path"]}
    return [
        (
            "apns",
            {
                "topic": apns["topic"],
                "key_id": apns["key_id"],
                "team_id": apns["team_id"],
                "base_url": apns["base_url"],
                **trusted,
            },
            apns["key"].encode(),
        ),
        (
            "fcm",
            {"project_id": fcm["project_id"], "base_url": fcm["base_url"], **trusted},
            json.dumps(fcm["service_account"]).encode(),
        ),
        (
            "wns",
            {
                "client_id": wns["client_id"],
                "token_url": wns["token_url"],
                "allowed_hosts": [_host(wns["channel_url"])],
                **trusted,
            },
            wns["client_secret"].encode(),
        ),
    ]


def _host(url: str) -> str:
    return urlsplit(url).netloc
