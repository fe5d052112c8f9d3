"""``docker-compose.yml`` as Compose reads it: merge keys resolved, variables replaced."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"

OURS = "tocsin"
"""The image of every service that runs a role."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def load(file: Path = FILE, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The whole file."""

    def value(found: re.Match[str]) -> str:
        return environment.get(found[1]) or found[2] or ""

    document: dict[str, Any] = YAML(typ="safe").load(_VARIABLE.sub(value, file.read_text(encoding="utf-8")))
    return document


def services() -> dict[str, dict[str, Any]]:
    """Every service, by name."""
    found: dict[str, dict[str, Any]] = load()["services"]
    return found


def roles() -> dict[str, dict[str, Any]]:
    """The services that run from our image until they are stopped."""
    return {name: service for name, service in services().items() if service["image"] == OURS and name != "migrate"}


def secret_names(service: Mapping[str, Any]) -> list[str]:
    """What secrets a service is given, in either of the two forms."""
    return [given if isinstance(given, str) else given["source"] for given in service.get("secrets", ())]
