"""Java, Maven and the broker's jars: found, or installed where that is allowed, or asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import system_packages
from fetching import fetched_once
from system_packages import CannotInstall

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

ADVICE = f"""\
the tests need a Kafka broker, and {{missing}}.
Install Java {OLDEST_JAVA} or later and Maven, for example
  Debian, Ubuntu:  apt-get install openjdk-{OLDEST_JAVA}-jre-headless maven
  Fedora:          dnf install java-latest-openjdk-headless maven
  macOS:           brew install openjdk maven
or name a running broker: TOCSIN_TEST_KAFKA=host:port"""


class NoBroker(Exception):
    """There is no way to a broker from here; the message says what to do."""


def jars() -> str:
    """The class path of the broker, which is fetched when it is not in the repository's cache."""
    _require_java()
    return f"{fetched_once('kafka', POM.read_bytes(), _fetch)}/*"


def _fetch(folder: Path) -> None:
    if shutil.which("mvn") is None:
        _install("maven", "Maven (mvn) is missing")
    command = ["mvn", "-B", "-q", "-f", str(POM), COPY, f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoBroker(f"Maven could not fetch the broker's jars:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _require_java() -> None:
    missing = f"there is no Java {OLDEST_JAVA} or later on the path"
    if _java_version() < OLDEST_JAVA:
        _install(_java_package(), missing)
    if _java_version() < OLDEST_JAVA:
        raise NoBroker(ADVICE.format(missing=missing))


def _java_package() -> str:
    """The one of the package manager's that is new enough; where it has no such, its own choice."""
    wanted = ("openjdk-21-jre-headless", "openjdk-17-jre-headless")
    return next(filter(system_packages.is_offered, wanted), "default-jre-headless")


def _java_version() -> int:
    """The major version on the path; 0 without any."""
    if shutil.which("java") is None:
        return 0
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', shown)
    return int(found[1]) if found else 0


def _install(package: str, missing: str) -> None:
    try:
        system_packages.install(package)
    except CannotInstall as refusal:
        raise NoBroker(ADVICE.format(missing=f"{missing} ({refusal})")) from refusal
