"""What can be set about a sandbox, and who its one fake app is at every provider."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The names under which the one fake app is known. The defaults are what the examples in the manual use."""

    apns_key_id: str = "ABC1234567"
    apns_team_id: str = "TEAM123456"
    apns_topic: str = "com.example.app"
    certificate_password: str = "sandbox"
    fcm_project: str = "demo"
    fcm_client_email: str = "tocsin-sandbox@demo.iam.gserviceaccount.com"
    wns_client_id: str = "ms-app://s-1-15-2-1000000001-1000000002-1000000003"
    wns_client_secret: str = "secret"


@dataclass(slots=True)
class Settings:
    """How the sandbox behaves. ``latency_ms`` and ``access_token_seconds`` may be changed while it runs.

    ``latency_ms``: added to every answer to a push. ``access_token_seconds``: how long an FCM or WNS access token
    lives. ``keep``: how many of the latest requests are kept in full; the counters know all. ``max_streams``: HTTP/2
    streams a connection may have open. ``idle_seconds``: after which an idle connection is sent away.
    ``prefix_faults``: whether the first characters of a device token choose an answer.
    ``one_stream_until_authenticated``: as Apple does, allow one stream until a request's provider token was good.
    ``provider_token_interval_seconds``: as Apple does (with 20 minutes), refuse a new provider token sooner than this
    after the last one; 0 takes any.
    """

    latency_ms: float = 0
    access_token_seconds: float = 3600
    keep: int = 100_000
    max_streams: int = 1000
    idle_seconds: float = 3600
    prefix_faults: bool = True
    one_stream_until_authenticated: bool = False
    provider_token_interval_seconds: float = 0
