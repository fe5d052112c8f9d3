"""Fixtures that give tests a real Kafka broker."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from broker.server import Broker


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """A broker of the tests' own, which they may kill and start again."""
    broker = Broker()
    try:
        yield broker.start()
    finally:
        broker.destroy()


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """``host:port`` of a broker: the one named by TOCSIN_TEST_KAFKA, or the tests' own. Use topics of your own."""
    named = os.environ.get("TOCSIN_TEST_KAFKA")
    if named:
        return named
    broker: Broker = request.getfixturevalue("kafka_broker")
    return broker.bootstrap
