"""How a Kafka cluster is reached: to be read, compared and passed on without loading a client library."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class KafkaSettings:
    """How to reach the cluster. Files are paths of PEM files; passwords stay out of the representation."""

    bootstrap: str
    topic_prefix: str = "tocsin."
    replication_factor: int = -1
    security_protocol: str = "PLAINTEXT"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def topic(self, topic: str) -> str:
        """The broker's name of a topic of the stream."""
        return self.topic_prefix + topic
