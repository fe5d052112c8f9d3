"""Tocsin's persistence module for the eventsourcing package: our recorder and mapper at its documented seams.

``PERSISTENCE_MODULE`` names this module; ``APPLICATION_RECORDER_TOPIC`` and ``MAPPER_TOPIC`` may name subclasses of the
classes here. ``TOCSIN_DATABASE_URL`` and ``TOCSIN_MASTER_KEY_FILE`` say where the record and its keys are;
``TOCSIN_READERS`` and ``TOCSIN_WRITE_TIMEOUT`` (seconds) may change the defaults of ``Record.open``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import InfrastructureFactory, JSONTranscoder, Mapper, StoredEvent, TrackingRecorder
from eventsourcing.utils import Environment, EnvType, resolve_topic

from tocsin.domain.entry import Entry
from tocsin.eventlog import database
from tocsin.eventlog.codec import Codec
from tocsin.eventlog.keyring import KeyRing
from tocsin.eventlog.keys import MasterKeys
from tocsin.eventlog.recorder import Recorder
from tocsin.eventlog.stored import StoredEvent as RecordedEvent


class EntryMapper(Mapper[UUID]):
    """Turns one Entry into its stored form and back. ``Codec`` does many at once, which is how the record is used."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(JSONTranscoder())
        self.codec = codec

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """The stored form of an entry whose data subjects have keys already."""
        assert isinstance(domain_event, Entry)
        events, keys = self.codec.encode([domain_event])
        if keys.made:
            raise TypeError("new data keys must commit with their event: append through Record")
        return events[0]

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """The entry of a stored event."""
        assert isinstance(stored_event, RecordedEvent)
        return self.codec.decode([stored_event])[0]


class Factory(InfrastructureFactory[TrackingRecorder]):
    """Makes the record's parts from an environment."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        url = self._require("TOCSIN_DATABASE_URL")
        write_timeout = float(self.env.get("TOCSIN_WRITE_TIMEOUT", str(database.WRITE_TIMEOUT)))
        self.writers = database.pool(url, size=2, write_timeout=write_timeout, name="tocsin-append")
        self.readers = database.pool(url, size=int(self.env.get("TOCSIN_READERS", "8")), name="tocsin-read")
        self.keyring = KeyRing(self.readers, MasterKeys.load(Path(self._require("TOCSIN_MASTER_KEY_FILE"))))

    def application_recorder(self) -> Recorder:
        """The recorder, of ``APPLICATION_RECORDER_TOPIC``'s class where it is set."""
        topic = self.env.get(self.APPLICATION_RECORDER_TOPIC)
        recorder_class: type[Recorder] = resolve_topic(topic) if topic else Recorder
        return recorder_class(self.writers, self.readers)

    def mapper(self, transcoder: Any = None, mapper_class: Any = None) -> EntryMapper:  # type: ignore[override]  # noqa: ARG002
        """The mapper, of ``MAPPER_TOPIC``'s class where it is set."""
        topic = self.env.get(self.MAPPER_TOPIC)
        chosen: type[EntryMapper] = mapper_class or (resolve_topic(topic) if topic else EntryMapper)
        return chosen(Codec(self.keyring))

    def aggregate_recorder(self, purpose: str = "events") -> Recorder:  # noqa: ARG002
        """The same recorder: snapshots are not kept beside the record."""
        return self.application_recorder()

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> NoReturn:  # noqa: ARG002
        """Not offered: a projection keeps its cursor with its own rows."""
        raise TypeError("cursors belong to tocsin.projections")

    def process_recorder(self) -> NoReturn:
        """Not offered, for the same reason."""
        raise TypeError("cursors belong to tocsin.projections")

    def close(self) -> None:
        """Close the sessions."""
        self.writers.close()
        self.readers.close()

    def _require(self, name: str) -> str:
        value = self.env.get(name)
        if not value:
            raise ValueError(f"{name} is not set: it is needed to open the record")
        return value
