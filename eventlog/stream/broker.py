"""All that is said to a Kafka broker, in terms of kafka-python; another client library replaces this file alone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, cast

import kafka  # type: ignore[import-untyped]
from kafka import errors

from tocsin.eventlog.stream.kafka_settings import KafkaSettings
from tocsin.eventlog.stream.messages import Header

logger = logging.getLogger(__name__)

BrokerError = errors.KafkaError
"""What any call to the broker may raise."""

LARGEST_BODY = 900_000
"""Bytes; with its headers such an event still fits what a broker takes by default (``message.max.bytes``)."""

# After that long a batch counts as lost and the relay begins again from its cursor, which is safe at any time.
_DELIVERY_MS = 15_000


def _client(settings: KafkaSettings, name: str) -> dict[str, Any]:
    """What every client of the library is told."""
    return {
        "client_id": name,
        "bootstrap_servers": settings.bootstrap.split(","),
        "reconnect_backoff_max_ms": 1000,
        "security_protocol": settings.security_protocol,
        "ssl_cafile": settings.ca_file,
        "ssl_certfile": settings.certificate_file,
        "ssl_keyfile": settings.key_file,
        "ssl_password": settings.key_password,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.username,
        "sasl_plain_password": settings.password,
    }


class TopicMismatch(Exception):
    """A topic has another number of partitions than the stream was set up with.

    What to do: delete the topic, it is made again, and what it held is in the record; or use another topic prefix.
    """


class Record(Protocol):
    """One message as it came from the broker."""

    offset: int
    headers: Sequence[Header]
    value: bytes


def ensure_topics(settings: KafkaSettings, topics: Collection[str], partitions: int) -> None:
    """Create what is missing. Raises ``TopicMismatch``."""
    wanted = {settings.topic(topic) for topic in topics}
    with kafka.KafkaAdminClient(**_client(settings, "tocsin set-up")) as admin:
        missing = wanted - set(admin.list_topics())
        if missing:
            _create(admin, missing, partitions, settings.replication_factor)
        for found in admin.describe_topics(sorted(wanted)):
            if len(found["partitions"]) != partitions:
                raise TopicMismatch(
                    f"{found['name']} has {len(found['partitions'])} partitions instead of {partitions}"
                )


def _create(admin: Any, names: Collection[str], partitions: int, replication_factor: int) -> None:
    shape = {"num_partitions": partitions, "replication_factor": replication_factor}
    try:
        admin.create_topics(dict.fromkeys(names, shape), wait_for_metadata=True)
    except errors.TopicAlreadyExistsError:
        admin.wait_for_topics(list(names))


class Producer:
    """Writes in order: idempotent, acknowledged by all replicas that are in sync."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._pending: list[Any] = []
        self._producer = kafka.KafkaProducer(
            **_client(settings, "tocsin relay"),
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=20,
            batch_size=128 * 1024,
            delivery_timeout_ms=_DELIVERY_MS,
            request_timeout_ms=_DELIVERY_MS // 2,
            max_block_ms=_DELIVERY_MS,
            allow_auto_create_topics=False,
        )

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes, headers: list[Header]) -> None:
        """Queue one message."""
        name = self._settings.topic(topic)
        self._pending.append(self._producer.send(name, value, key=key, headers=headers, partition=partition))

    def flush(self) -> None:
        """Wait until everything is acknowledged; raises ``BrokerError`` when something was not."""
        pending, self._pending = self._pending, []
        self._producer.flush(timeout=_DELIVERY_MS / 1000 + 5)
        for sent in pending:
            if sent.failed():
                raise cast(Exception, sent.exception)

    def close(self) -> None:
        """Disconnect; what was not flushed may or may not arrive."""
        self._producer.close(timeout=0)


class Fetcher:
    """Reads partitions of one topic, chosen by the caller."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._topic = settings.topic(topic)
        self._consumer = kafka.KafkaConsumer(
            **_client(settings, "tocsin consumer"),
            enable_auto_commit=False,
            # A bookmark may point outside the log, for retention or another cluster; positions find the place again.
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
        )

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions and no others, each from its offset."""
        self._consumer.assign([kafka.TopicPartition(self._topic, partition) for partition in offsets])
        for partition, offset in offsets.items():
            self.seek(partition, offset)

    def seek(self, partition: int, offset: int) -> None:
        """Read on from another offset."""
        self._consumer.seek(kafka.TopicPartition(self._topic, partition), offset)

    def poll(self, timeout: float, limit: int) -> Mapping[int, Sequence[Record]]:
        """At most ``limit`` messages by partition; empty when none came within ``timeout`` seconds."""
        try:
            found = self._consumer.poll(timeout_ms=int(timeout * 1000), max_records=limit)
        except errors.RetriableError as passing:
            logger.warning("the broker does not answer for now: %r", passing)
            return {}
        return {partition.partition: records for partition, records in found.items()}

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(autocommit=False, timeout_ms=1000)
