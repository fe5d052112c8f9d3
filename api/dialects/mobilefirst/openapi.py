"""This API in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any


def document() -> dict[str, Any]:
    """The whole document."""
    return {"openapi": "3.1.0", "info": {"title": "IBM MobileFirst Push", "version": "1"}, "paths": {}}
