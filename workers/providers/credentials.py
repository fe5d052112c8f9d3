"""What a worker holds to speak for one app at one provider. Nothing here shows a secret when printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tocsin.domain.credentials import (
    ApnsConfiguration,
    FcmConfiguration,
    WnsConfiguration,
    apns_certificate,
    check_provider,
    fcm_service_account,
)


@dataclass(frozen=True)
class ApnsCredential:
    """A signing key (``signing_key``: the .p8 file's text, ``key_id``, ``team_id``), or a client certificate."""

    topic: str
    base_url: str
    ca_path: str | None = None
    signing_key: str | None = field(default=None, repr=False)
    key_id: str = ""
    team_id: str = ""
    certificate: bytes | None = field(default=None, repr=False)
    certificate_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class FcmCredential:
    """A Google service account, as in its JSON key file."""

    service_account: Mapping[str, Any] = field(repr=False)
    project_id: str
    base_url: str
    ca_path: str | None = None


@dataclass(frozen=True)
class WnsCredential:
    """An app's identity at Microsoft. ``allowed_hosts``: hosts a channel may have besides Microsoft's own."""

    client_id: str
    client_secret: str = field(repr=False)
    token_url: str
    scope: str
    allowed_hosts: tuple[str, ...] = ()
    ca_path: str | None = None


Credential = ApnsCredential | FcmCredential | WnsCredential


def parse_credential(provider: str, configuration: Mapping[str, Any], secret: bytes) -> Credential:
    """From a stored configuration and the secret out of the vault. Errors: Invalid, never with the secret."""
    checked, kept = check_provider(provider, configuration, secret)
    return _PARSERS[type(checked)](checked, kept)


def _apns(configuration: ApnsConfiguration, secret: bytes) -> ApnsCredential:
    if configuration.authentication == "certificate":
        certificate, key = apns_certificate(secret)
        return ApnsCredential(
            topic=configuration.topic,
            base_url=configuration.url,
            ca_path=configuration.ca_path,
            certificate=certificate,
            certificate_key=key,
        )
    return ApnsCredential(
        topic=configuration.topic,
        base_url=configuration.url,
        ca_path=configuration.ca_path,
        signing_key=secret.decode(),
        key_id=configuration.key_id or "",
        team_id=configuration.team_id or "",
    )


def _fcm(configuration: FcmConfiguration, secret: bytes) -> FcmCredential:
    account = fcm_service_account(secret)
    return FcmCredential(
        service_account=account,
        project_id=configuration.project_id or account["project_id"],
        base_url=configuration.base_url,
        ca_path=configuration.ca_path,
    )


def _wns(configuration: WnsConfiguration, secret: bytes) -> WnsCredential:
    return WnsCredential(
        client_id=configuration.client_id,
        client_secret=secret.decode(),
        token_url=configuration.token_url,
        scope=configuration.scope,
        allowed_hosts=tuple(configuration.allowed_hosts),
        ca_path=configuration.ca_path,
    )


_PARSERS: dict[type, Callable[..., Credential]] = {
    ApnsConfiguration: _apns,
    FcmConfiguration: _fcm,
    WnsConfiguration: _wns,
}
