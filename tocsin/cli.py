"""The command line: ``tocsin --help``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console

from tocsin.domain.app import ROLES
from tocsin.domain.errors import TocsinError
from tocsin.domain.lanes import LANES
from tocsin.domain.platforms import PROVIDERS
from tocsin.redaction import masked_text, show_the_end
from tocsin.settings import Settings, SettingsError, load

console = Console(highlight=False)

PORT = click.IntRange(0, 65535)

HEALTH_CHECKED = ("api", "relay", "project", "plan", "schedule", "deliver", "webhooks")


class _Command(click.Command):
    """A command whose foreseeable failures are a sentence and exit status 1, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except _failures() as error:
            raise click.ClickException(masked_text(str(error))) from error


def _failures() -> tuple[type[Exception], ...]:
    from tocsin.database import NotReady
    from tocsin.eventlog.embedded_errors import EmbeddedPostgresError
    from tocsin.eventlog.keys import KeyFileError
    from tocsin.eventlog.migrate import MigrationError
    from tocsin.projections.registry import UnknownProjection
    from tocsin.supervisor import NeverReady

    return (
        NeverReady,
        NotReady,
        SettingsError,
        KeyFileError,
        MigrationError,
        EmbeddedPostgresError,
        UnknownProjection,
        TocsinError,
    )


class _ReadModelsCommand(_Command):
    """A command on read models, whose help names them."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from tocsin.projections.registry import NAMES

        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(f"Read models: {', '.join(NAMES)}.")
        super().format_epilog(ctx, formatter)


class _Group(click.Group):
    command_class = _Command
    group_class = type


_data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The data directory (or TOCSIN_DATA). TOCSIN_DATABASE_URL names a real server instead.",
)


def _settings_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command ``--data`` and hands it the Settings that follow."""

    @_data_option
    @wraps(command)
    def with_settings(data: Path | None, **options: Any) -> Any:
        return command(load(data), **options)

    return with_settings


def _example(*lines: str) -> str:
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    cls=_Group,
    context_settings={"max_content_width": 100},
    epilog=_example("tocsin demo", "tocsin up --data ./data --sandbox", "tocsin up --help"),
)
@click.version_option(package_name="tocsin")
def main() -> None:
    """Tocsin, a push engine whose history can be proven.

    `tocsin up` runs all of it on this machine; every role also runs alone.
    """
    # For the processes started from here: a folder of Tocsin's name where the user stands, such as a clone, is not it.
    os.environ["PYTHONSAFEPATH"] = "1"
    sys.excepthook = show_the_end


@main.command(epilog=_example("tocsin up --data ./data --sandbox", "tocsin up --data /var/lib/tocsin --port 8080"))
@_settings_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the API listens on.")
@click.option("--port", default=8080, show_default=True, type=PORT, help="Port of the API; 0 takes a free one.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes of the API.")
@click.option("--sandbox", is_flag=True, help="Also run stand-in providers, with an app that is ready to use.")
def up(settings: Settings, host: str, port: int, workers: int, sandbox: bool) -> None:
    """Run everything on this machine, supervised, until Ctrl-C."""
    from tocsin.up import Plan, run

    sys.exit(run(Plan(settings, host, port, workers, sandbox), console))


@main.command(epilog=_example("tocsin migrate --data ./data", "TOCSIN_DATABASE_URL=postgresql://… tocsin migrate"))
@_settings_option
def migrate(settings: Settings) -> None:
    """Bring the database to this version's schema. Once, before the roles start.

    TOCSIN_ADMIN_DATABASE_URL may name the role that owns the record, so that the others need not be able to.
    """
    from tocsin.bootstrap import prepare

    prepare(settings)
    console.print("The record is ready.")


@main.command(epilog=_example("tocsin api --data ./data --port 8080 --workers 2"))
@_settings_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=PORT, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--threads", default=16, show_default=True, type=click.IntRange(1), help="Threads of each process.")
def api(settings: Settings, host: str, port: int, workers: int, threads: int) -> None:
    """Serve the APIs."""
    from tocsin import roles

    roles.serve_api(settings, host, port, workers, threads)


@main.command(epilog=_example("tocsin postgres --data ./data"))
@_settings_option
def postgres(settings: Settings) -> None:
    """Keep the embedded PostgreSQL of a data directory up."""
    from tocsin import roles

    roles.postgres(settings)


@main.command(epilog=_example("TOCSIN_KAFKA=kafka:9092 tocsin relay --data ./data"))
@_settings_option
def relay(settings: Settings) -> None:
    """Publish the record to Kafka. Any number may run; one leads."""
    from tocsin import roles

    roles.relay_to_kafka(settings)


@main.command(
    cls=_ReadModelsCommand,
    epilog=_example("tocsin project --data ./data", "tocsin project --data ./data devices audience"),
)
@_settings_option
@click.argument("names", nargs=-1)
def project(settings: Settings, names: tuple[str, ...]) -> None:
    """Keep read models up to date: those named, or all. Any number may run and share the work."""
    from tocsin import roles
    from tocsin.projections.registry import NAMES

    roles.project(settings, names or NAMES)


@main.command(epilog=_example("tocsin plan --data ./data"))
@_settings_option
def plan(settings: Settings) -> None:
    """Freeze the audiences of sends that start, and plan their chunks."""
    from tocsin import roles

    roles.plan(settings)


@main.command(epilog=_example("tocsin schedule --data ./data"))
@_settings_option
def schedule(settings: Settings) -> None:
    """Own time: start what was scheduled, retry, expire, complete. Any number may run; one leads."""
    from tocsin import roles

    roles.schedule(settings)


@main.command(epilog=_example("tocsin deliver --data ./data --provider apns", "tocsin deliver --lane urgent"))
@_settings_option
@click.option("--provider", "providers", multiple=True, type=click.Choice(PROVIDERS), help="Whom to call (all).")
@click.option("--lane", "lanes", multiple=True, type=click.Choice(LANES), help="Which queues to serve (all).")
def deliver(settings: Settings, providers: tuple[str, ...], lanes: tuple[str, ...]) -> None:
    """Deliver due chunks to providers. Any number may run and share the work."""
    from tocsin import roles

    roles.deliver(settings, providers or PROVIDERS, lanes or LANES)


@main.command(epilog=_example("tocsin webhooks --data ./data", "TOCSIN_WEBHOOK_NETWORKS=10.1.0.0/16 tocsin webhooks"))
@_settings_option
def webhooks(settings: Settings) -> None:
    """Tell webhooks of events, until they take them. Any number may run and share the work.

    Only public addresses are called, by https; TOCSIN_WEBHOOK_NETWORKS names private networks to be called as well.
    """
    from tocsin import roles

    roles.webhooks(settings)


@main.command(epilog=_example("tocsin healthy deliver --provider apns", "tocsin healthy api --port 8080"))
@_data_option
@click.argument("role", type=click.Choice(HEALTH_CHECKED))
@click.option("--provider", "providers", multiple=True, type=click.Choice(PROVIDERS), help="Of deliver (all).")
@click.option("--port", default=8080, show_default=True, type=PORT, help="Of api.")
def healthy(data: Path | None, role: str, providers: tuple[str, ...], port: int) -> None:
    """Exit with 0 if the ROLE that runs on this machine does its work: for health checks of containers."""
    from tocsin import health

    try:
        if role == health.Role.API:
            health.check_api(port)
        else:
            health.check(load(data), health.Role(role), providers or PROVIDERS)
    except health.Unhealthy as unhealthy:
        raise click.ClickException(masked_text(str(unhealthy))) from unhealthy


@main.command(
    cls=_ReadModelsCommand,
    epilog=_example("tocsin rebuild --data ./data devices", "tocsin rebuild --data ./data --all"),
)
@_settings_option
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every read model.")
def rebuild(settings: Settings, names: tuple[str, ...], everything: bool) -> None:
    """Build read models anew from the record, beside those that serve, and swap them in at the end."""
    from tocsin.rebuilding import rebuild_with_progress

    if bool(names) == everything:
        raise click.UsageError("name the read models to rebuild, or say --all")
    for built in rebuild_with_progress(settings, names, console):
        console.print(f"{built.name}: {built.events} events, as of position {built.position}")


@main.group(cls=_Group, epilog=_example("tocsin keys new ./data/master.key", "tocsin keys rotate --data ./data"))
def keys() -> None:
    """The master key file, without which nothing personal or secret can be read."""


@keys.command("new", epilog=_example("tocsin keys new /etc/tocsin/master.key"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def keys_new(file: Path) -> None:
    """Write a master key file, or add a newer key to one. Keep a copy apart from the database's backups."""
    from tocsin.eventlog.keys import MasterKeys

    number = MasterKeys.create(file).current
    console.print(f"{file} holds master key {number}. `tocsin keys rotate` wraps everything under it.")


@keys.command("rotate", epilog=_example("tocsin keys new ./data/master.key", "tocsin keys rotate --data ./data"))
@_settings_option
def keys_rotate(settings: Settings) -> None:
    """Wrap every data key and secret under the newest master key. It may be cut off and run again."""
    from tocsin.rebuilding import rotate_with_progress

    count = rotate_with_progress(settings, console)
    console.print(f"{count} keys and secrets are wrapped under the newest master key.")


@main.command("claims", epilog=_example("tocsin claims --data ./data", "tocsin claims --data ./data --repair"))
@_settings_option
@click.option("--repair", is_flag=True, help="Make the table say what the record says.")
def claims(settings: Settings, repair: bool) -> None:
    """Check what must be unique (tokens, names, hosts) against the record it follows from.

    Exits with 1 where they differ and nothing was repaired.
    """
    from tocsin.rebuilding import check_claims

    sys.exit(0 if check_claims(settings, console, repair=repair) else 1)


@main.group(cls=_Group, epilog=_example('tocsin app create "Campus alerts" --data ./data'))
def app() -> None:
    """Apps."""


@app.command(
    "create",
    epilog=_example('tocsin app create "Campus alerts" --data ./data', 'tocsin app create "Campus" --dialect moxie'),
)
@_settings_option
@click.argument("name")
@click.option(
    "--dialect",
    "dialects",
    multiple=True,
    metavar="NAME",
    help="An API it is to speak: baasbox, mobilefirst, moxie, thinkbit or twinpush.",
)
@click.option("--hosts", multiple=True, metavar="HOST", help="Host names by which calls without a credential find it.")
def app_create(settings: Settings, name: str, dialects: tuple[str, ...], hosts: tuple[str, ...]) -> None:
    """Create an app, and a token that may do everything in it; with what clients of its dialects need."""
    from tocsin.administration import issue_token, new_app, provisioned
    from tocsin.dialects import PROVISIONS

    unknown = [name for name in dialects if name not in PROVISIONS]
    if unknown:
        raise click.UsageError(f"there is no API {unknown[0]!r}: there are {', '.join(sorted(PROVISIONS))}")

    app_id = new_app(settings, name, hosts)
    issued = issue_token(settings, f"{name}: first admin", ("admin",), app_id)
    shown = {"app": str(app_id), "token": issued.secret}
    for dialect in dialects:
        shown.update(provisioned(settings, app_id, dialect))
    width = max(map(len, shown))
    for label, value in shown.items():
        console.print(f"{label:<{width}}  {value}", soft_wrap=True)
    console.print("\nTokens and secrets are shown this once.")


@main.group(cls=_Group, epilog=_example("tocsin credential issue console --role auditor --data ./data"))
def credential() -> None:
    """Credentials of the native API."""


@credential.command(
    "issue",
    epilog=_example(
        "tocsin credential issue console --role auditor --data ./data",
        "tocsin credential issue gateway --role sender --app APP_ID --data ./data",
    ),
)
@_settings_option
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES), help="What it may do.")
@click.option("--app", "app_id", type=click.UUID, help="For one app; without it, for the whole instance.")
def credential_issue(settings: Settings, name: str, roles: tuple[str, ...], app_id: UUID | None) -> None:
    """Issue a token and show it, this once."""
    from tocsin.administration import issue_token

    issued = issue_token(settings, name, roles, app_id)
    console.print(f"credential  {issued.credential.credential_id}\ntoken       {issued.secret}", soft_wrap=True)


@main.command(epilog=_example("tocsin demo", "tocsin demo --keep"))
@click.option("--keep", is_flag=True, help="Stay up afterwards and print the addresses.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Default: a new one.")
def demo(keep: bool, data: Path | None) -> None:
    """An alert from start to end, on this machine, with stand-in providers; then its whole history, proven."""
    from tocsin.demo import play

    sys.exit(play(console, data, keep=keep))
