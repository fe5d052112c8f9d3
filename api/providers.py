"""Providers' keys are for an app's administrators to set; where the workers connect to, for the instance alone.

They stand inside a network: an address that an app could choose would let it call what is reached from there only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from tocsin.api.services import services
from tocsin.commands.apps import load_enabled
from tocsin.commands.context import Context
from tocsin.commands.engine import Done
from tocsin.commands.providers import ProviderResult, configure_provider
from tocsin.domain.credentials import fcm_service_account
from tocsin.domain.errors import Invalid

ADDRESSES = frozenset(("base_url", "token_url", "allowed_hosts", "ca_path"))
TOKEN_HOSTS = ("login.live.com", "login.microsoftonline.com")
TOKEN_URIS = ("https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token")
"""Where Microsoft and Google give out the tokens that go with their own keys."""


def addresses_in(provider: str, configuration: Mapping[str, Any], secret: bytes) -> set[str]:
    """The members that name addresses other than the provider's own. Raises Invalid for a key that is none."""
    named = ADDRESSES & configuration.keys()
    if urlsplit(str(configuration.get("token_url"))).hostname in TOKEN_HOSTS:
        named -= {"token_url"}
    if provider == "fcm" and fcm_service_account(secret)["token_uri"] not in TOKEN_URIS:
        named |= {"token_uri"}
    return set(named)


def set_key(
    context: Context,
    app_id: UUID,
    provider: str,
    configuration: Mapping[str, Any],
    secret: bytes,
    *,
    profile: str,
    password: str | None = None,
    from_parts: bool = False,
) -> Done[ProviderResult]:
    """Set a provider's key for an app; the addresses that the instance set for it stay.

    Arguments as of ``configure_provider``. Raises NotFound, Conflict, Invalid, also where the key itself names an
    address that is not the provider's.
    """
    if named := addresses_in(provider, configuration, secret):
        raise Invalid(f"a key must not set {', '.join(sorted(named))}", field="secret")
    engine = services().engine
    former = load_enabled(engine, app_id).providers.get((provider, profile))
    configured = {} if former is None else former.configuration
    whole = {**{name: configured[name] for name in ADDRESSES & configured.keys()}, **configuration}
    return configure_provider(
        engine, context, app_id, provider, whole, secret, profile=profile, password=password, from_parts=from_parts
    )
