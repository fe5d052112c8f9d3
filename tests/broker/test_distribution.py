"""Whoever lacks Java or Maven is told what to install; the tests never pass without a broker."""

from __future__ import annotations

import os
from pathlib import Path

import fetching
import pytest

from broker.distribution import NoBroker, jars


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing on the path, nobody to install it, and nothing fetched before; the folder that is the path."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(fetching, "CACHE", tmp_path / "cache")
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def java(folder: Path, version: str) -> None:
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)


def test_a_machine_without_java_is_told_how_to_get_it(bare_machine: Path) -> None:
    with pytest.raises(NoBroker, match=r"no Java 17 or later(?s:.)*apt-get install openjdk-17-jre-headless maven"):
        jars()


def test_a_java_that_is_too_old_counts_as_none(bare_machine: Path) -> None:
    java(bare_machine, "11.0.2")
    with pytest.raises(NoBroker, match="no Java 17 or later"):
        jars()


def test_a_machine_without_maven_is_told_how_to_get_it(bare_machine: Path) -> None:
    java(bare_machine, "21.0.1")
    with pytest.raises(NoBroker, match=r"Maven \(mvn\) is missing(?s:.)*TOCSIN_TEST_KAFKA=host:port"):
        jars()
