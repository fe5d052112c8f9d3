"""Commands on an app's providers: how it reaches each of them, with a secret that comes whole or in parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from tocsin.commands.apps import AppResult, decision, load_app
from tocsin.commands.context import Context
from tocsin.commands.engine import Decision, Done, Engine
from tocsin.commands.ids import new_id
from tocsin.domain.app import ConfigureProvider, KeepProviderPart
from tocsin.domain.credentials import check_provider
from tocsin.domain.events.app import ProviderConfigured


@dataclass(frozen=True, slots=True)
class ProviderResult:
    """A provider's configuration, without its secret."""

    app_id: UUID
    configured: ProviderConfigured


def configure_provider(
    engine: Engine,
    context: Context,
    app_id: UUID,
    provider: str,
    configuration: Mapping[str, Any],
    secret: bytes,
    *,
    profile: str = "default",
    password: str | None = None,
    from_parts: bool = False,
) -> Done[ProviderResult]:
    """Set how an app reaches a provider; the secret is sealed and never shown again.

    ``secret`` and ``password`` as in ``tocsin.domain.credentials.check_provider``. ``from_parts``: the secret is made
    of the parts that were kept, which stay; else they are destroyed. The same configuration again changes nothing.
    Raises NotFound, Conflict, Invalid.
    """
    checked, kept = check_provider(provider, configuration, secret, password=password, now=engine.clock())
    secret_id = new_id()
    command = ConfigureProvider(
        provider=provider,
        profile=profile,
        configuration=msgspec.to_builtins(checked),
        secret_id=secret_id,
        fingerprint=engine.record.keyring.fingerprint(kept),
        from_parts=from_parts,
    )

    def decide() -> Decision[ProviderResult]:
        return decision(
            engine,
            load_app(engine, app_id),
            [command],
            lambda state: ProviderResult(app_id, state.providers[provider, profile]),
            secrets=[engine.record.vault.seal(secret_id, app_id, f"provider:{provider}", kept)],
        )

    return engine.carry_out(context, decide)


def keep_provider_part(
    engine: Engine, context: Context, app_id: UUID, provider: str, part: str, secret: bytes, *, profile: str = "default"
) -> Done[AppResult]:
    """Keep a part of a provider's secret until the others are there; the one it replaces is destroyed.

    What the provider is reached with stays as it is. Raises NotFound, Conflict where the app is disabled, Invalid.
    """
    secret_id = new_id()
    command = KeepProviderPart(provider=provider, profile=profile, part=part, secret_id=secret_id)

    def decide() -> Decision[AppResult]:
        kept = [engine.record.vault.seal(secret_id, app_id, f"provider:{provider}", secret)]
        return decision(engine, load_app(engine, app_id), [command], partial(AppResult, app_id), secrets=kept)

    return engine.carry_out(context, decide)
