"""OAuth access tokens: Google's JWT-bearer grant (RFC 7523) and Microsoft's client credentials (RFC 6749, 4.4)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tocsin.sandbox.exchange import Answer, Refused, Request, json_answer
from tocsin.sandbox.provider_tokens import CLOCK_SKEW_SECONDS, SIGNATURE_ONLY
from tocsin.sandbox.settings import Identity, Settings

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
GOOGLE_SCOPES = frozenset(
    {"https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"}
)
WNS_SCOPES = frozenset({"notify.windows.com", "s.notify.live.net"})
MAX_ASSERTION_SECONDS = 3600
MAX_TOKENS = 100_000


@dataclass(slots=True)
class AccessTokens:
    """The access tokens given out, and until when they are good."""

    clock: Callable[[], float]
    settings: Settings
    expiry: dict[tuple[str, str], float] = field(default_factory=dict)

    def issue(self, provider: str, prefix: str) -> Answer:
        token = prefix + secrets.token_urlsafe(32)
        if len(self.expiry) >= MAX_TOKENS:
            del self.expiry[next(iter(self.expiry))]
        lifetime = self.settings.access_token_seconds
        self.expiry[provider, token] = self.clock() + lifetime
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime)}
        return json_answer(200, answer, ("cache-control", "no-store"))

    def good(self, provider: str, token: str | None) -> bool:
        """Whether this provider gave out the token and it has not expired."""
        return token is not None and self.clock() < self.expiry.get((provider, token), 0)


@dataclass(slots=True)
class GoogleTokenEndpoint:
    """``POST /token``: a service account's signed assertion for an access token."""

    key: RSAPublicKey
    client_email: str
    tokens: AccessTokens
    clock: Callable[[], float]

    def answer(self, request: Request) -> Answer:
        form = _form(request)
        if form.get("grant_type") != JWT_BEARER:
            raise Refused(400, "unsupported_grant_type", f"grant_type must be {JWT_BEARER}")
        claims = self._verified(form.get("assertion", ""))
        self._check_claims(claims, request)
        return self.tokens.issue("fcm", "ya29.")

    def _verified(self, assertion: str) -> dict[str, Any]:
        try:
            return jwt.decode(assertion, self.key, algorithms=["RS256"], options=SIGNATURE_ONLY)
        except (jwt.PyJWTError, ValueError) as error:
            raise Refused(400, "invalid_grant", "Invalid JWT Signature.") from error

    def _check_claims(self, claims: dict[str, Any], request: Request) -> None:
        if claims.get("iss") != self.client_email:
            raise Refused(400, "invalid_grant", "Invalid grant: account not found")
        # Google's own client always names Google's address as the audience, wherever it sends the assertion.
        if claims.get("aud") not in (GOOGLE_AUDIENCE, f"https://{request.headers.get('host', '')}/token"):
            raise Refused(400, "invalid_grant", "Invalid JWT: aud is not this token endpoint")
        self._check_times(claims.get("iat"), claims.get("exp"))
        if not GOOGLE_SCOPES & set(str(claims.get("scope", "")).split()):
            raise Refused(400, "invalid_scope", "scope must name firebase.messaging or cloud-platform")

    def _check_times(self, issued: Any, expires: Any) -> None:
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            raise Refused(400, "invalid_grant", "Invalid JWT: iat and exp must be numbers")
        now = self.clock()
        in_time = issued - CLOCK_SKEW_SECONDS <= now < expires
        if not in_time or expires - issued > MAX_ASSERTION_SECONDS:
            raise Refused(400, "invalid_grant", "Invalid JWT: expired, from the future, or valid for over 60 minutes")


@dataclass(slots=True)
class WnsTokenEndpoint:
    """``POST /accesstoken.srf``: an app's id and secret for an access token."""

    identity: Identity
    tokens: AccessTokens

    def answer(self, request: Request) -> Answer:
        form = _form(request)
        if form.get("grant_type") != "client_credentials":
            raise Refused(400, "unsupported_grant_type", "grant_type must be client_credentials")
        if form.get("client_id") != self.identity.wns_client_id or not self._secret_is_right(form):
            raise Refused(400, "invalid_client", "client_id and client_secret name no app")
        if form.get("scope") not in WNS_SCOPES:
            raise Refused(400, "invalid_scope", "scope must be notify.windows.com")
        return self.tokens.issue("wns", "EgAbAQMA")

    def _secret_is_right(self, form: dict[str, str]) -> bool:
        given = form.get("client_secret", "")
        return secrets.compare_digest(given.encode(), self.identity.wns_client_secret.encode())


def refuse_token(refused: Refused) -> Answer:
    """An OAuth error body (RFC 6749, section 5.2)."""
    answer = json_answer(refused.status, {"error": refused.reason, "error_description": refused.detail})
    if refused.retry_after is not None:
        answer.headers.append(("retry-after", str(refused.retry_after)))
    return answer


def _form(request: Request) -> dict[str, str]:
    if request.method != "POST":
        raise Refused(405, "invalid_request", "the token endpoint takes POST")
    pairs = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in pairs.items()}
