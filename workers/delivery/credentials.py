"""The apps' ways to their providers: made from configuration and vault, kept until changed, paused when refused."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from tocsin.domain.app import App, evolve
from tocsin.domain.errors import Invalid
from tocsin.domain.events.app import ProviderConfigured
from tocsin.eventlog.record import Record
from tocsin.workers.following import Followed
from tocsin.workers.providers.port import Provider

log = logging.getLogger(__name__)

LOOK_AGAIN_AFTER = 1.0
"""Seconds for which an app's configuration is believed."""

PAUSE = 30.0
"""Seconds a refused credential is left alone, unless it is changed before."""

MakeProvider = Callable[[ProviderConfigured, bytes], Provider]
"""(configuration, secret) → the provider. Errors: Invalid."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why nothing can be sent this way now, in words for an operator."""

    reason: str


@dataclass(slots=True)
class Way:
    """One configuration of one app. ``provider``: None where it cannot be used, for ``reason``."""

    configured: ProviderConfigured
    provider: Provider | None
    reason: str = ""
    paused_until: float = 0.0

    @property
    def environment(self) -> str:
        """The APNs environment it is for; empty for other providers, and for a server of the user's own."""
        configuration = self.configured.configuration
        if self.configured.provider != "apns" or configuration.get("base_url"):
            return ""
        return str(configuration.get("environment", "production"))


class Credentials:
    """All ways of all apps. Not for several threads at once."""

    def __init__(self, record: Record, make: MakeProvider) -> None:
        self._record = record
        self._make = make
        self._apps: dict[UUID, tuple[Followed[App], float]] = {}
        self._ways: dict[UUID, dict[tuple[str, str], Way]] = {}

    def way(self, app_id: UUID, provider: str, profile: str) -> Way | Unusable:
        """How to reach ``provider`` for this app, or why not, which is never said of an app as it was a while ago."""
        found = self._way(app_id, provider, profile)
        if isinstance(found, Unusable) and self._is_changed(app_id):
            found = self._way(app_id, provider, profile)
        return found

    def _way(self, app_id: UUID, provider: str, profile: str) -> Way | Unusable:
        app = self._app(app_id)
        if app is None or app.disabled:
            return Unusable("the app is disabled")
        configured = app.providers.get((provider, profile))
        if configured is None:
            return Unusable(f"{provider} is not configured (profile {profile})")
        ways = self._ways.setdefault(app_id, {})
        way = ways.get((provider, profile))
        if way is None or way.configured != configured:
            way = ways[provider, profile] = self._open(configured)
        if way.provider is None or time.monotonic() < way.paused_until:
            return Unusable(way.reason)
        return way

    def way_for_environment(self, app_id: UUID, provider: str, environment: str) -> Way | None:
        """The app's configuration for another environment than its default profile's, where it can be used."""
        app = self._app(app_id)
        for known, profile in app.providers if app else ():
            if known == provider:
                way = self.way(app_id, provider, profile)
                if isinstance(way, Way) and way.environment == environment:
                    return way
        return None

    def pause(self, way: Way, reason: str) -> None:
        """The provider does not take this credential: leave it alone for a while."""
        if time.monotonic() >= way.paused_until:
            log.error("%s: paused, %s", way.configured.provider, reason)
        way.reason = reason
        way.paused_until = time.monotonic() + PAUSE

    def _app(self, app_id: UUID) -> App | None:
        stream, read_at = self._apps.get(app_id) or (Followed(self._record, app_id, evolve), float("-inf"))
        if time.monotonic() - read_at > LOOK_AGAIN_AFTER:
            self._refresh(app_id, stream)
        return stream.state

    def _is_changed(self, app_id: UUID) -> bool:
        """Whether something happened to the app since it was last looked at."""
        stream, _ = self._apps[app_id]
        return self._refresh(app_id, stream)

    def _refresh(self, app_id: UUID, stream: Followed[App]) -> bool:
        """Look at an app anew, and let go of what it reaches no longer; whether something happened to it."""
        changed = stream.refresh()
        self._apps[app_id] = stream, time.monotonic()
        if changed and stream.state is not None:
            for removed in self._ways.get(app_id, {}).keys() - stream.state.providers.keys():
                del self._ways[app_id][removed]
        return changed

    def _open(self, configured: ProviderConfigured) -> Way:
        try:
            secret = self._record.vault.open(configured.secret_id)
        except KeyError:
            return self._unusable(configured, "its secret is no longer in the vault: configure the provider again")
        try:
            return Way(configured, self._make(configured, secret))
        except Invalid as invalid:
            return self._unusable(configured, f"its configuration cannot be used: {invalid.message}")
        except Exception as fault:
            # One app's credential must not stop the worker of all; and what it says may be a part of the secret.
            return self._unusable(configured, f"its configuration cannot be used ({type(fault).__name__})")

    def _unusable(self, configured: ProviderConfigured, reason: str) -> Way:
        log.error("%s %s: %s", configured.provider, configured.profile, reason)
        return Way(configured, None, reason)
