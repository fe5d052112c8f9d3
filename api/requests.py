"""What every request has, whichever API it speaks: an id, a caller's address, an idempotency key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from flask import g, request, url_for
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable

from tocsin.api.services import services
from tocsin.commands.context import Context, Once
from tocsin.commands.ids import new_id
from tocsin.domain.entry import Actor
from tocsin.domain.errors import Invalid

LONGEST_KEY = 255
JSON = ("application/json",)


def begin() -> None:
    """Give the request its id: the client's own, where it sent a UUID."""
    try:
        g.correlation_id = UUID(request.headers.get("X-Request-ID", ""))
    except ValueError:
        g.correlation_id = new_id()


def actor(principal: str, dialect: str, credential: str | None = None) -> Actor:
    """Who calls, from where, and through which of the proxies we trust (``X-Forwarded-For``, RFC 7239's forerunner).

    What lies before the trusted proxies is the client's own word and is not believed.
    """
    trusted = services().trusted_proxies
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    chain = [*hops, request.remote_addr or ""][-(trusted + 1) :]
    return Actor(
        principal=principal,
        dialect=dialect,
        credential=credential,
        address=chain[0] or None,
        proxies=tuple(chain[1:]),
    )


def context(who: Actor, scope: UUID, answer: Callable[[Any], bytes] | None = None) -> Context:
    """The context of a command: its actor, the request's id, and its idempotency key where there is one.

    Raises Invalid for a key that cannot be one.
    """
    key = idempotency_key()
    once = None if key is None or answer is None else Once(scope, key, _digest(), answer)
    return Context(who, correlation_id=g.correlation_id, once=once)


def idempotency_key() -> str | None:
    """The request's ``Idempotency-Key``. Raises Invalid for one that cannot be one."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise Invalid(f"an Idempotency-Key has 1 to {LONGEST_KEY} printable characters", field="Idempotency-Key")
    return key


def accepts(*produced: str) -> str:
    """The one of ``produced`` the client likes best, the first where it does not say. Raises NotAcceptable.

    Parameters of a type, such as ``charset``, are not looked at: JSON has but one form (RFC 8259, section 11).
    """
    asked = MIMEAccept([(kind.partition(";")[0].strip(), quality) for kind, quality in request.accept_mimetypes])
    chosen = asked.best_match(produced) if asked else produced[0]
    if chosen is None:
        raise NotAcceptable(f"this is answered as {' or '.join(produced)}")
    return chosen


def address_of(endpoint: str, **values: Any) -> str:
    """The URL of one of our resources, as clients reach it."""
    return (services().public_url or "").rstrip("/") + url_for(endpoint, **values)


def _digest() -> bytes:
    """Which request this is: method, path, query, body. A form is its parts, as its boundary is new each time."""
    parts = (request.method, request.path, request.query_string.decode("latin-1"), request.mimetype)
    head = hashlib.sha256("\n".join(parts).encode())
    for part in _form_parts() if request.mimetype == "multipart/form-data" else (request.get_data(cache=True),):
        head.update(hashlib.sha256(part).digest())
    return head.digest()


def _form_parts() -> Iterable[bytes]:
    for name, value in sorted(request.form.items(multi=True)):
        yield f"{name}={value}".encode()
    for name, file in sorted(request.files.items(multi=True), key=lambda item: item[0]):
        yield name.encode()
        yield file.stream.read()
        file.stream.seek(0)
