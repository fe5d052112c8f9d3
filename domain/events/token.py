"""The Token streams, one an access token: that it was issued, for what, and that it was revoked before its time."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tocsin.domain.entry import Fact


class TokenIssued(Fact, frozen=True, kw_only=True):
    """``scope``: what it is good for. The token itself is nowhere: it is signed, and checked by its signature."""

    credential_id: UUID
    scope: tuple[str, ...] = ()
    expires_at: datetime


class TokenRevoked(Fact, frozen=True, kw_only=True):
    reason: str | None = None
