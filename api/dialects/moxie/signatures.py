"""Who signed a request: HMAC-SHA1 over its method, its URL, its date and its nonce. The body is not signed.

The message, without a line break at its end::

    POST
    http://api.m.ox.ac.uk/notifications
    date:Fri, 10 Jan 2014 11:49:55 GMT
    x-hmac-nonce:12642

``Authorization`` is the digest in lower-case hexadecimal, ``X-Moxie-Key`` names the secret. Neither the date nor the
nonce is looked at, as clients send whatever they like in them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from flask import request

from tocsin.api.dialects.apps import app_of_call, app_of_credential
from tocsin.api.requests import actor
from tocsin.api.services import services
from tocsin.domain.entry import Actor
from tocsin.domain.errors import NotFound, Unauthenticated
from tocsin.projections.apps_rows import Credential

NAME = "moxie"
KIND = "hmac"

HEADERS = {
    "Date": "HTTP_DATE",
    "X-HMAC-Nonce": "HTTP_X_HMAC_NONCE",
    "Authorization": "HTTP_AUTHORIZATION",
}
"""What a signed request carries besides its key, and what each is called where it is missing."""

_KEPT_IN_PATH = frozenset(b"%/;?")
_KEPT_IN_QUERY = frozenset(b"%;/?:@&=+,$#")
"""Escaped characters that a decoded address keeps escaped, as they would mean something else."""

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Caller:
    """A credential whose signature was right."""

    credential: Credential

    @property
    def app_id(self) -> UUID:
        """The app it is good for."""
        return self.credential.app_id

    @property
    def credential_id(self) -> UUID:
        """Its own id."""
        return self.credential.credential_id

    @property
    def actor(self) -> Actor:
        """The caller as the events name it."""
        return actor(f"credential:{self.credential_id}", NAME, str(self.credential_id))


def authenticated() -> Caller:
    """The caller who signed this request. Raises Unauthenticated with the ``reason``."""
    if "X-Moxie-Key" not in request.headers:
        raise _refused("missing header: HTTP_X_MOXIE_KEY")
    credential = _keyed()
    if credential is None:
        raise _refused("unknown key")
    for header, name in HEADERS.items():
        if header not in request.headers:
            raise _refused(f"missing header: {name}")
    secret = services().checks.stored(credential.secret_id)
    if secret is None or not _is_signed(secret):
        raise _refused("unauthorized")
    return Caller(credential)


def app_named() -> UUID | None:
    """The app this request is about, signed or not: its key's, else the one that answers here; None: neither is."""
    credential = _keyed()
    if credential is not None:
        return credential.app_id
    try:
        return app_of_call(NAME).app_id
    except NotFound:
        return None


def signature(secret: bytes, method: str, url: bytes, date: str, nonce: str) -> str:
    """The signature of a request. ``date`` and ``nonce`` are the headers as sent."""
    # Headers are bytes, which WSGI hands over as Latin-1 (PEP 3333).
    headers = f"date:{date}\nx-hmac-nonce:{nonce}".encode("latin-1", "replace")
    return hmac.new(secret, b"\n".join((method.upper().encode(), url, headers)), hashlib.sha1).hexdigest()


def _keyed() -> Credential | None:
    key = request.headers.get("X-Moxie-Key")
    return app_of_credential(NAME, KIND, key) if key else None


def _is_signed(secret: bytes) -> bool:
    """Whether any of the addresses the client may have meant was signed. All are compared, whichever was."""
    given = request.headers["Authorization"].encode("latin-1", "replace")
    date, nonce = request.headers["Date"], request.headers["X-HMAC-Nonce"]
    signed = [signature(secret, request.method, url, date, nonce).encode() for url in _addresses()]
    return sum(hmac.compare_digest(one, given) for one in signed) > 0


def _addresses() -> Iterator[bytes]:
    """The absolute URLs this request may have been signed for: behind a proxy we know neither scheme nor host."""
    host = request.headers.get("Host") or request.host
    roots = [f"{scheme}://{host}" for scheme in ("http", "https")]
    if services().public_url is not None:
        roots.append((services().public_url or "").rstrip("/"))
    for target in dict.fromkeys(_targets()):
        for root in dict.fromkeys(roots):
            yield root.encode("latin-1", "replace") + target


def _targets() -> Iterator[bytes]:
    """Path and query as they were sent, and with what is escaped in them decoded, as the original signs them."""
    path, question, query = _sent().partition(b"?")
    yield path + question + query
    for decoded in (query, _decoded(query, _KEPT_IN_QUERY)):
        shown = b"?" + decoded if decoded else b""
        yield path + shown
        yield _decoded(path, _KEPT_IN_PATH) + shown


def _sent() -> bytes:
    """The target of the request line, without the scheme and the host of its absolute form (RFC 9112, 3.2.2)."""
    environ = request.environ
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or request.full_path.rstrip("?")
    sent = str(target).encode("latin-1", "replace")
    return re.sub(rb"^https?://[^/?]*", b"", sent, flags=re.IGNORECASE) or b"/"


def _decoded(text: bytes, kept: frozenset[int]) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        byte = int(found[1], 16)
        return found[0] if byte in kept else bytes((byte,))

    return _ESCAPED.sub(one, text)


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated("Unauthorized", reason=reason)
