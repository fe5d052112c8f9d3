"""Writing: carry a command out once, answer, and let the writer read what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from flask import Response, request

from tocsin.api.requests import JSON, accepts, context
from tocsin.api.services import services
from tocsin.commands.context import Context
from tocsin.commands.engine import AlreadyDone, Done
from tocsin.domain.entry import Actor

R = TypeVar("R")

WAIT = 2.0
"""Seconds a write waits for the read models that serve its resource."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write answers. ``body`` None: nothing (204)."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class _Kept(msgspec.Struct, frozen=True):
    """An answer as it is kept for the same request sent again."""

    status: int
    body: bytes
    headers: dict[str, str]


_decoder = msgspec.json.Decoder(_Kept)


def write(
    who: Actor,
    scope: UUID,
    command: Callable[[Context], Done[R]],
    answer: Callable[[R], Answer],
    serves: Sequence[str],
    kept: Callable[[R], Answer] | None = None,
    produced: Sequence[str] = JSON,
) -> Response:
    """Carry ``command`` out and answer.

    ``serves``: the read models its resource is read from, which the writer waits for. ``kept``: what the same request
    is answered later, where that differs because ``answer`` shows a secret. Answers are made of the result alone, so
    that the same request sent again is answered byte for byte the same. ``produced``: what the client may ask for;
    the answer is JSON either way.
    """
    accepts(*produced)
    render = kept or answer
    try:
        done = command(context(who, scope, lambda result: msgspec.json.encode(_keep(render(result)))))
    except AlreadyDone as before:
        response = _response(_decoder.decode(before.answer))
        response.headers["Idempotency-Replayed"] = "true"
        return readable(response, before.position, serves)
    return readable(_response(_keep(answer(done.result))), done.position, serves)


def readable(response: Response, position: int, serves: Sequence[str]) -> Response:
    """Let the answer wait until the read models have passed ``position``, and say which position that is.

    ``Prefer: respond-async`` (RFC 7240) skips the wait, and so does a read model that is far behind.
    """
    if not position:
        return response
    response.headers["Tocsin-Position"] = str(position)
    if respond_async():
        response.headers["Preference-Applied"] = "respond-async"
    elif not services().waiter.wait_for(position, serves, WAIT):
        response.headers["Tocsin-Lag"] = f"not readable yet; read with ?min_position={position}"
    return response


def respond_async() -> bool:
    """Whether the client wants its answer at once (``Prefer: respond-async``, RFC 7240, section 4.1)."""
    preferences = (part.partition(";")[0].strip().lower() for part in request.headers.get("Prefer", "").split(","))
    return "respond-async" in preferences


def _keep(answer: Answer) -> _Kept:
    body = b"" if answer.body is None else msgspec.json.encode(answer.body)
    return _Kept(answer.status, body, dict(answer.headers))


def _response(kept: _Kept) -> Response:
    response = Response(kept.body, status=kept.status, headers=kept.headers)
    if kept.body:
        response.content_type = "application/json"
    else:
        del response.headers["Content-Type"]
    return response
