"""The User stream, where a dialect has accounts. The stream id is also the data subject."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tocsin.domain.entry import Fact
from tocsin.domain.personal import Personal


class UserCreated(Fact, frozen=True, kw_only=True):
    """``name``: what the user signs in with. ``profile``: further JSON about the person. ``roles``: what the APIs that
    have accounts know of (``admin``, …)."""

    name: Personal
    profile: Personal | None = None
    roles: tuple[str, ...] = ()


class UserCredentialChanged(Fact, frozen=True, kw_only=True):
    """``secret_id`` points at the argon2 hash in the vault; None where the user can no longer sign in."""

    secret_id: UUID | None


class SessionOpened(Fact, frozen=True, kw_only=True):
    """``secret_id``: a keyed digest of its token, by which the session is found; the token is kept nowhere."""

    session_id: UUID
    secret_id: UUID
    expires_at: datetime | None = None


class SessionExtended(Fact, frozen=True, kw_only=True):
    """It was used, and therefore lasts longer."""

    session_id: UUID
    expires_at: datetime


class SessionClosed(Fact, frozen=True, kw_only=True):
    session_id: UUID
    reason: str


class UserDisabled(Fact, frozen=True, kw_only=True):
    reason: str | None = None


class UserEnabled(Fact, frozen=True, kw_only=True):
    pass


class UserErased(Fact, frozen=True, kw_only=True):
    """The keys of the user and of ``devices`` were destroyed: their personal data can no longer be read by anyone."""

    devices: tuple[UUID, ...] = ()
    reason: str | None = None
