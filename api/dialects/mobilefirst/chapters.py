"""Chapters of the manual: a blueprint each, which refuses what it could not answer in a form the client reads."""

from __future__ import annotations

from flask import Blueprint, request

from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.api.requests import JSON, accepts

BASE = "/imfpush/v1"
IN_APPLICATION = f"{BASE}/apps/<application_id>"


def chapter(title: str, prefix: str, *, negotiates: bool = True) -> Blueprint:
    """A blueprint of this API whose answers are JSON; not all of them, where its routes negotiate themselves."""
    blueprint = Blueprint(f"{NAME}-{title}", __name__, url_prefix=prefix)
    if negotiates:
        blueprint.before_request(negotiate)
    return blueprint


def negotiate() -> None:
    """Refuse, before anything is done, who could not read JSON. Raises NotAcceptable."""
    if request.method != "OPTIONS":
        accepts(*JSON)
