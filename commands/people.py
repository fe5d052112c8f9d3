"""Data subjects: whose key a personal value is sealed under, and the digests by which it can be found again."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from tocsin.domain.identity import token_key, user_stream_id
from tocsin.domain.personal import Personal

Digest = Callable[[str, str], bytes]
"""(purpose, value) → keyed digest."""

USER = "user"
ALIAS = "alias"
TOKEN = "token"  # noqa: S105
EXTERNAL_ID = "external-id"


def user_id(digest: Digest, app_id: UUID, name: str) -> UUID:
    """The data subject that ``name`` is in this app, which is also the id of the user's stream."""
    return user_stream_id(app_id, digest(USER, name))


def user(digest: Digest, app_id: UUID, name: str) -> Personal:
    """A user's name, sealed under that user's own key wherever it stands."""
    return Personal(user_id(digest, app_id, name), name)


def alias(digest: Digest, app_id: UUID, name: str) -> Personal:
    """An alias that is named apart from its devices: the person it means is a data subject of its own."""
    return Personal(user_stream_id(app_id, digest(ALIAS, name)), name)


def token_digest(digest: Digest, provider: str, token: str, scope: str | None = None) -> bytes:
    """Finds the device a token belongs to."""
    return digest(TOKEN, token_key(provider, token, scope))
