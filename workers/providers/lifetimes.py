"""How long a provider may keep trying."""

from __future__ import annotations

from tocsin.workers.providers.port import Push


def seconds_left(push: Push, now: float) -> float | None:
    """Seconds from ``now`` (unix) to the push's expiry, at most its message's ttl; None where neither is set."""
    limits = [limit for limit in (push.message.ttl, _until(push.expires_at, now)) if limit is not None]
    return min(limits) if limits else None


def _until(expires_at: float | None, now: float) -> float | None:
    return None if expires_at is None else max(0.0, expires_at - now)
