"""One app with its devices at the sandbox, a record to watch, and Tocsin's own processes to run and to kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from patience import PATIENCE, eventually
from psycopg import sql

from tocsin.commands.context import Context
from tocsin.commands.engine import Change, envelopes
from tocsin.domain import chunk, indices, send
from tocsin.domain.audience import Audience
from tocsin.domain.chunk import Chunk
from tocsin.domain.entry import Entry, Fact, system
from tocsin.domain.events.app import AppCreated, ProviderConfigured
from tocsin.domain.events.chunk import OutcomeKind
from tocsin.domain.events.device import DeviceRegistered, DeviceRetired, Retirement
from tocsin.domain.message import Message
from tocsin.domain.personal import Personal
from tocsin.domain.send import RequestSend, Send
from tocsin.eventlog.record import Record
from tocsin.eventlog.stored import StoredEvent
from tocsin.eventlog.unit import Unit
from tocsin.sandbox.handle import SandboxHandle

CONTEXT = Context(actor=system("test"))
PLATFORMS = {"apns": "ios", "fcm": "android", "wns": "windows"}

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True)
class Scene:
    """An app that is configured for all three providers of one sandbox."""

    record: Record
    database_url: str
    key_file: Path
    sandbox: SandboxHandle
    app_id: UUID

    @classmethod
    def create(cls, record: Record, database_url: str, key_file: Path, sandbox: SandboxHandle) -> Scene:
        scene = cls(record, database_url, key_file, sandbox, uuid4())
        scene.write(scene.app_id, AppCreated(name="University"))
        for provider in PLATFORMS:
            scene.configure(provider)
        return scene

    def write(self, stream_id: UUID, *facts: Fact, **more: Any) -> None:
        """Append facts at the end of a stream."""
        version = len(self.record.load(stream_id))
        self.record.append(envelopes(CONTEXT, Change(stream_id, self.app_id, version, facts)), **more)

    def configure(self, provider: str, profile: str = "default", **changes: Any) -> None:
        """Configure a provider as the sandbox says, but for ``changes``."""
        configuration, secret = _credential(self.sandbox.providers, provider)
        configuration |= changes
        secret_id = uuid4()
        configured = ProviderConfigured(
            provider=provider,
            profile=profile,
            configuration=configuration,
            secret_id=secret_id,
            fingerprint=str(secret_id),
        )
        sealed = self.record.vault.seal(secret_id, self.app_id, provider, secret)
        self.write(self.app_id, configured, secrets=[sealed])

    def register(self, provider: str, tokens: Iterable[str], alias: str | None = None, **members: Any) -> list[UUID]:
        """Register a device for each token."""
        devices, units = [], []
        for token in tokens:
            device_id = uuid4()
            fact = DeviceRegistered(
                platform=PLATFORMS[provider],
                token=None if token is None else Personal(device_id, token),
                environment=None,
                alias=None if alias is None else Personal(device_id, alias),
                **members,
            )
            devices.append(device_id)
            units.append((envelopes(CONTEXT, Change(device_id, self.app_id, 0, [fact])), ()))
        self.record.append_many(units)
        return devices

    def phones(self, count: int, start: str = "", provider: str = "apns", alias: str | None = None) -> list[UUID]:
        """Register ``count`` devices whose tokens begin with ``start``, which may ask the sandbox for a fault."""
        return self.register(provider, (self.token(provider, start) for _ in range(count)), alias)

    def erase(self, devices: Sequence[UUID]) -> None:
        """Destroy the personal data of devices, and retire them."""
        with psycopg.connect(self.database_url) as connection:
            self.record.keyring.destroy(connection, devices)
        for device_id in devices:
            self.write(device_id, DeviceRetired(reason=Retirement.ERASED))

    def make_unreadable(self, stream_id: UUID) -> None:
        """Give a stream an event of a kind that only a later version of Tocsin knows."""
        (last,) = self.record.recorder.select_events(stream_id, desc=True, limit=1)
        later = StoredEvent(
            originator_id=stream_id,
            originator_version=last.originator_version + 1,
            topic="of.tomorrow",
            state=last.state,
            id=0,
            schema_version=1,
            app_id=last.app_id,
            root_id=last.root_id,
            recorded_at=last.recorded_at,
        )
        self.record.recorder.append([Unit([later])])

    @contextmanager
    def refused(self, stream_id: UUID) -> Iterator[None]:
        """Meanwhile the database takes no event of a stream, whoever says it."""
        name = sql.Identifier(f"not_{stream_id.hex}")
        with psycopg.connect(self.database_url, autocommit=True) as owner:
            unequal = sql.SQL("stream_id <> {}").format(sql.Literal(str(stream_id)))
            owner.execute(
                sql.SQL("alter table record.events add constraint {} check ({}) not valid").format(name, unequal)
            )
            yield
            owner.execute(sql.SQL("alter table record.events drop constraint {}").format(name))

    def count(self, kind: str) -> int:
        """How many events of a type there are."""
        with self.record.sessions.connection() as connection:
            row = connection.execute("select count(*) from record.events where type = %s", (kind,)).fetchone()
        assert row is not None
        return int(row[0])

    @contextmanager
    def appends_held_up(self, kind: str, least: int) -> Iterator[None]:
        """While nobody can append, at a moment when there are ``least`` events of a type or more."""
        with psycopg.connect(self.database_url) as connection:

            def reached() -> bool:
                connection.execute("select from record.head for update")
                if self.count(kind) >= least:
                    return True
                connection.rollback()
                return False

            # Without a pause: whoever appends waits for us as often as we for them, and gets no further in between.
            eventually(reached, lambda: f"{least} {kind}, and not {self.count(kind)}", every=0.0)
            yield
            connection.rollback()

    def token(self, provider: str, start: str = "") -> str:
        """A new token in the provider's form."""
        # No fault of the sandbox begins with a 1.
        start = start or "1"
        token = start + (uuid4().hex + uuid4().hex)[len(start) :]
        return self.sandbox.providers["wns"]["channel_url"] + token if provider == "wns" else token

    def request(self, devices: Sequence[UUID] = (), **members: Any) -> UUID:
        """Request a send to these devices (none: to everyone)."""
        send_id = uuid4()
        named = Audience(devices=tuple(devices)) if devices else Audience(everyone=True)
        audience = members.pop("audience", named)
        message = members.pop("message", Message(title="Threat", body="Stay away"))
        command = RequestSend(message=message, audience=audience, now=datetime.now(UTC), **members)
        self.write(send_id, *send.decide(None, command))
        return send_id

    def send(self, send_id: UUID) -> Send:
        """A send as it stands."""
        state = send.fold(entry.fact for entry in self.record.load(send_id))
        assert state is not None
        return state

    def entries(self, send_id: UUID) -> list[Entry]:
        """All events of a send and of its chunks, in order."""
        with self.record.sessions.connection() as connection:
            rows = connection.execute(
                "select stream_id from record.events where root_id = %s group by 1", (send_id,)
            ).fetchall()
        entries = [entry for found in self.record.load_many([row[0] for row in rows]).values() for entry in found]
        return sorted(entries, key=lambda entry: entry.position)

    def chunks(self, send_id: UUID) -> list[Chunk]:
        """A send's chunks as they stand, in their order."""
        states: dict[UUID, Chunk | None] = {}
        for entry in self.entries(send_id):
            if type(entry.fact).__module__.endswith(".chunk"):
                stream = entry.originator_id
                states[stream] = chunk.evolve(states.get(stream), entry.fact)
        return sorted((state for state in states.values() if state), key=lambda state: state.ordinal)

    def outcomes(self, send_id: UUID) -> dict[UUID, OutcomeKind | None]:
        """The final outcome of every device of a send."""
        return {
            device: state.outcome_of(index)
            for state in self.chunks(send_id)
            for index, device in enumerate(state.devices)
        }

    def facts(self, send_id: UUID, kind: type[F]) -> list[F]:
        """The facts of one kind, of a send and its chunks, in order."""
        return [entry.fact for entry in self.entries(send_id) if isinstance(entry.fact, kind)]

    def in_doubt(self, send_id: UUID) -> set[UUID]:
        """Every device that some attempt may have reached without anybody knowing."""
        return {
            device
            for state in self.chunks(send_id)
            for index, device in enumerate(state.devices)
            if indices.has(state.in_doubt, index)
        }

    def token_of(self, device_id: UUID) -> str:
        """What a device was registered with."""
        fact = self.record.load(device_id)[0].fact
        assert isinstance(fact, DeviceRegistered)
        assert fact.token is not None
        return str(fact.token.value)

    def tally(self, send_id: UUID) -> dict[str, int]:
        """How many devices of a send have which outcome."""
        return dict(Counter(str(kind) for kind in self.outcomes(send_id).values()))

    def wait_until_ended(self, send_id: UUID, patience: float = PATIENCE) -> None:
        """Wait until the send has ended, and with it every device has an outcome."""
        eventually(lambda: self.send(send_id).ended, lambda: f"send {send_id} ends; {self.how_far(send_id)}", patience)

    def how_far(self, send_id: UUID) -> str:
        """How far a send has come, for a test that waits in vain."""
        kinds = Counter(type(entry.fact).__name__ for entry in self.entries(send_id))
        return f"its devices: {self.tally(send_id)}, its events: {dict(kinds)}, {self.sandbox.stats()}"


def _credential(providers: dict[str, Any], provider: str) -> tuple[dict[str, Any], bytes]:
    known, ca_path = providers[provider], providers["ca_path"]
    if provider == "apns":
        names = ("base_url", "topic", "key_id", "team_id")
        return {"ca_path": ca_path, **{name: known[name] for name in names}}, known["key"].encode()
    if provider == "fcm":
        account = Path(known["service_account_path"]).read_bytes()
        return {"ca_path": ca_path, "base_url": known["base_url"]}, account
    host = known["base_url"].removeprefix("https://")
    configuration = {"client_id": known["client_id"], "token_url": known["token_url"], "allowed_hosts": [host]}
    return {"ca_path": ca_path, **configuration}, known["client_secret"].encode()
