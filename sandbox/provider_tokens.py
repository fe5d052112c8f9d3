"""Apple's provider authentication tokens: ES256, a key id, a team id, and an age of at most an hour."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt.types import Options

from tocsin.sandbox.exchange import Refused

MAX_AGE_SECONDS = 3600
CLOCK_SKEW_SECONDS = 60
REMEMBERED_TOKENS = 1000
# Only the signature is the library's to check: times are told by the sandbox's clock, with Apple's own reasons.
SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(slots=True)
class ProviderTokens:
    """Checks provider tokens, each signature once. ``interval_seconds``: how soon another token may follow; 0: any."""

    key: EllipticCurvePublicKey
    key_id: str
    team_id: str
    clock: Callable[[], float]
    interval_seconds: float = 0
    issued_at: dict[str, float] = field(default_factory=dict)
    last_update: float | None = None

    def check(self, token: str) -> None:
        """Raises Refused with InvalidProviderToken, ExpiredProviderToken or TooManyProviderTokenUpdates."""
        issued_at = self.issued_at.get(token)
        if issued_at is None:
            issued_at = self._verified(token)
            self._check_age(issued_at)
            self._count_update()
            self._remember(token, issued_at)
        else:
            self._check_age(issued_at)

    def _verified(self, token: str) -> float:
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, self.key, algorithms=["ES256"], options=SIGNATURE_ONLY)
        except (jwt.PyJWTError, ValueError) as error:
            raise Refused(403, "InvalidProviderToken") from error
        if header.get("kid") != self.key_id or claims.get("iss") != self.team_id:
            raise Refused(403, "InvalidProviderToken")
        return _issued_at(claims)

    def _check_age(self, issued_at: float) -> None:
        age = self.clock() - issued_at
        if age > MAX_AGE_SECONDS or age < -CLOCK_SKEW_SECONDS:
            raise Refused(403, "ExpiredProviderToken")

    def _count_update(self) -> None:
        now = self.clock()
        if self.last_update is not None and now - self.last_update < self.interval_seconds:
            raise Refused(429, "TooManyProviderTokenUpdates")
        self.last_update = now

    def _remember(self, token: str, issued_at: float) -> None:
        if len(self.issued_at) >= REMEMBERED_TOKENS:
            del self.issued_at[next(iter(self.issued_at))]
        self.issued_at[token] = issued_at


def _issued_at(claims: dict[str, Any]) -> float:
    issued_at = claims.get("iat")
    if not isinstance(issued_at, int | float) or isinstance(issued_at, bool):
        raise Refused(403, "InvalidProviderToken")
    return float(issued_at)
