"""Chapters of the manual: a blueprint each, which refuses what it could not answer in a form the client reads."""

from __future__ import annotations

from flask import Blueprint, request

from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.api.requests import JSON, accepts

BASE = "/imfpush/v1"
IN_APPLICATION = f"{BASE}/apps/<application_id>"


def chapter(title: str, prefix: str) -> Blueprint:
    """A blueprint of this API whose answers are JSON."""
    blueprint = Blueprint(f"{NAME}-{title}", __name__, url_prefix=prefix)
    blueprint.before_request(_negotiate)
    return blueprint


def _negotiate() -> None:
    """Before anything is done."""
    if request.method != "OPTIONS":
        accepts(*JSON)
