"""How an app is configured at a provider: the part anybody may see, and the shape of the secret that goes with it.

Pure. No error ever holds the secret or a part of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from tocsin.domain.described import described
from tocsin.domain.errors import Invalid

APNS_URLS = {"production": "https://api.push.apple.com", "development": "https://api.sandbox.push.apple.com"}
FCM_URL = "https://fcm.googleapis.com"
WNS_TOKEN_URL = "https://login.live.com/accesstoken.srf"
WNS_SCOPE = "notify.windows.com"

Shape = TypeVar("Shape", bound=msgspec.Struct)

_TEN = re.compile(r"[A-Z0-9]{10}")
_TOPIC = re.compile(r"[A-Za-z0-9.-]{1,255}")
_PROJECT = re.compile(r"[a-z0-9:.-]{1,64}")
_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")


class _Configuration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """``ca_path``: a PEM file of the authorities to trust instead of the public ones, on the worker's machine."""

    ca_path: str | None = None


@described
class ApnsConfiguration(_Configuration, frozen=True):
    """``topic``: the app's bundle id, by default the one a certificate names. ``key_id`` and ``team_id`` go with a
    signing key (.p8), not with a certificate.

    ``authentication`` follows from the secret. ``base_url`` replaces Apple's address of the environment.
    """

    topic: str = ""
    environment: Literal["production", "development"] = "production"
    authentication: Literal["token", "certificate"] | None = None
    key_id: str | None = None
    team_id: str | None = None
    base_url: str | None = None

    @property
    def url(self) -> str:
        """Where requests go."""
        return self.base_url or APNS_URLS[self.environment]


@described
class FcmConfiguration(_Configuration, frozen=True):
    """``project_id``: the Firebase project, by default the service account's own."""

    project_id: str | None = None
    base_url: str = FCM_URL


@described
class WnsConfiguration(_Configuration, frozen=True):
    """``client_id``: the package SID, or the Azure application's id with its own ``token_url`` and ``scope``.

    ``allowed_hosts``: hosts a channel may have besides ``*.notify.windows.com``.
    """

    client_id: str
    token_url: str = WNS_TOKEN_URL
    scope: str = WNS_SCOPE
    allowed_hosts: tuple[str, ...] = ()


ProviderConfiguration = ApnsConfiguration | FcmConfiguration | WnsConfiguration


def check_provider(
    provider: str,
    configuration: Mapping[str, Any],
    secret: bytes,
    *,
    password: str | None = None,
    now: datetime | None = None,
) -> tuple[ProviderConfiguration, bytes]:
    """The configuration, and the secret in the form the vault keeps.

    ``secret``: APNs: a .p8 file, a .p12 file (opened with ``password``), or a certificate and its key in PEM. FCM: the
    service account's JSON key file. WNS: the client secret. ``now``: with it, an expired certificate is refused.
    Errors: Invalid with ``field``.
    """
    if provider not in _CHECKS:
        raise Invalid(f"provider must be one of {', '.join(_CHECKS)}", field="provider")
    return _CHECKS[provider](configuration, secret, password, now)


def apns_certificate(secret: bytes) -> tuple[bytes, bytes]:
    """The certificate chain and the key of a kept secret, both PEM. Errors: Invalid."""
    key, certificates = _pem_parts(secret)
    chain = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
    return chain, _pem_key(key)


@dataclass(frozen=True, slots=True)
class ApnsCertificate:
    """What a client certificate of Apple's says: the app it is for, if it does, and until when it is good.

    ``public``: the certificate and its chain as a .p12 without the private key.
    """

    topic: str | None
    valid_until: datetime
    public: bytes


def read_apns_certificate(secret: bytes, password: str | None = None) -> ApnsCertificate:
    """The certificate of a .p12 file, or of a kept secret. Errors: Invalid."""
    _, (certificate, *chain) = _pem_parts(secret) if b"-----BEGIN" in secret else _p12_parts(secret, password)
    ids = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    public = pkcs12.serialize_key_and_certificates(None, None, certificate, chain or None, serialization.NoEncryption())
    return ApnsCertificate(str(ids[0].value) if ids else None, certificate.not_valid_after_utc, public)


def fcm_service_account(secret: bytes) -> dict[str, Any]:
    """The service account of a kept secret. Errors: Invalid."""
    try:
        account = json.loads(secret)
    except ValueError:
        account = None
    if not isinstance(account, dict) or account.get("type") != "service_account":
        raise Invalid("the secret must be the JSON key file of a Google service account", field="secret")
    for name in ("project_id", "private_key", "client_email", "token_uri"):
        if not isinstance(account.get(name), str) or not account[name]:
            raise Invalid(f"the service account's key file lacks {name}", field="secret")
    return account


def _apns(
    given: Mapping[str, Any], secret: bytes, password: str | None, now: datetime | None
) -> tuple[ApnsConfiguration, bytes]:
    configuration = _convert(given, ApnsConfiguration)
    _check_url(configuration.base_url, "configuration.base_url")
    found, kept = _apns_secret(secret, password, now)
    topic = configuration.topic or (_topic_of(kept) if found == "certificate" else "")
    if not _TOPIC.fullmatch(topic):
        raise Invalid("topic must be the app's bundle id, such as com.example.app", field="configuration.topic")
    if configuration.authentication not in (None, found):
        raise Invalid(f"authentication is not {found}, as the secret says", field="configuration.authentication")
    if found == "token":
        _check_ten(configuration.key_id, "key_id")
        _check_ten(configuration.team_id, "team_id")
    return msgspec.structs.replace(configuration, topic=topic, authentication=found), kept


def _topic_of(kept: bytes) -> str:
    """The bundle id that Apple writes into a push certificate, as the user id (UID) of its subject."""
    found = _pem_parts(kept)[1][0].subject.get_attributes_for_oid(NameOID.USER_ID)
    return str(found[0].value) if found else ""


def _apns_secret(
    secret: bytes, password: str | None, now: datetime | None
) -> tuple[Literal["token", "certificate"], bytes]:
    if b"-----BEGIN" not in secret:
        key, certificates = _p12_parts(secret, password)
    elif b"BEGIN CERTIFICATE" in secret:
        key, certificates = _pem_parts(secret)
    else:
        return "token", _signing_key(secret)
    _check_certificate(certificates[0], key, now)
    chain = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
    return "certificate", chain + _pem_key(key)


def _signing_key(secret: bytes) -> bytes:
    try:
        key = serialization.load_pem_private_key(secret, password=None)
    except (ValueError, TypeError):
        raise Invalid("the signing key is not a readable .p8 file (PEM, without a password)", field="secret") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Invalid("the signing key must be an EC key on the curve P-256, as Apple issues them", field="secret")
    return _pem_key(key)


def _p12_parts(secret: bytes, password: str | None) -> tuple[Any, list[x509.Certificate]]:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(secret, password.encode() if password else None)
    except (ValueError, TypeError):
        message = "the secret is neither a .p8 nor a .p12 file, or the password of the .p12 is wrong"
        raise Invalid(message, field="secret") from None
    if key is None or certificate is None:
        raise Invalid("the .p12 file must hold a certificate and its private key", field="secret")
    return key, [certificate, *others]


def _pem_parts(secret: bytes) -> tuple[Any, list[x509.Certificate]]:
    try:
        certificates = x509.load_pem_x509_certificates(secret)
        key = serialization.load_pem_private_key(secret[_key_start(secret) :], password=None)
    except (ValueError, TypeError):
        raise Invalid("the secret must hold a certificate and its private key in PEM", field="secret") from None
    return key, certificates


def _key_start(secret: bytes) -> int:
    found = re.search(rb"-----BEGIN (?:EC |RSA )?PRIVATE KEY-----", secret)
    return found.start() if found else len(secret)


def _check_certificate(certificate: x509.Certificate, key: Any, now: datetime | None) -> None:
    if certificate.public_key() != key.public_key():
        raise Invalid("the private key does not belong to the certificate", field="secret")
    if now is not None and now >= certificate.not_valid_after_utc:
        until = certificate.not_valid_after_utc.date().isoformat()
        raise Invalid(f"the certificate expired on {until}: renew it at Apple and upload it again", field="secret")


def _pem_key(key: Any) -> bytes:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def _fcm(
    given: Mapping[str, Any], secret: bytes, _password: str | None, _now: datetime | None
) -> tuple[FcmConfiguration, bytes]:
    configuration = _convert(given, FcmConfiguration)
    _check_url(configuration.base_url, "configuration.base_url")
    account = fcm_service_account(secret)
    _check_url(account["token_uri"], "secret")
    if not _PROJECT.fullmatch(configuration.project_id or account["project_id"]):
        raise Invalid("project_id must be the id of a Firebase project", field="configuration.project_id")
    try:
        key = serialization.load_pem_private_key(account["private_key"].encode(), password=None)
    except (ValueError, TypeError):
        raise Invalid("the private_key of the service account is not a readable PEM key", field="secret") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Invalid("the private_key of the service account must be an RSA key", field="secret")
    return configuration, secret


def _wns(
    given: Mapping[str, Any], secret: bytes, _password: str | None, _now: datetime | None
) -> tuple[WnsConfiguration, bytes]:
    configuration = _convert(given, WnsConfiguration)
    _check_url(configuration.token_url, "configuration.token_url")
    if not configuration.client_id.strip():
        raise Invalid("client_id must be the package SID or the application id", field="configuration.client_id")
    for host in configuration.allowed_hosts:
        if not _HOST.fullmatch(host):
            raise Invalid("allowed_hosts holds host names, without scheme or path", field="configuration.allowed_hosts")
    try:
        readable = secret.decode().strip()
    except UnicodeDecodeError:
        readable = ""
    if not readable:
        raise Invalid("the secret must be the client secret, as text", field="secret")
    return configuration, readable.encode()


def _convert(given: Mapping[str, Any], shape: type[Shape]) -> Shape:
    try:
        return msgspec.convert(dict(given), shape)
    except msgspec.ValidationError as fault:
        found = re.search(r"`\$\.?([^`]*)`", str(fault))
        field = ".".join(filter(None, ["configuration", found.group(1) if found else ""]))
        raise Invalid(f"the configuration cannot be used: {fault}", field=field) from None


def _check_ten(value: str | None, name: str) -> None:
    if value is None or not _TEN.fullmatch(value):
        message = f"{name} must be the 10 letters and digits Apple shows beside the key"
        raise Invalid(message, field=f"configuration.{name}")


def _check_url(url: str | None, field: str) -> None:
    if url is not None and not _is_plain_https(url):
        raise Invalid(f"{field} must be an https URL without user, query or fragment", field=field)


def _is_plain_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        plain = not (parts.username or parts.password or parts.query or parts.fragment)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and plain and url.isascii()
    except ValueError:
        return False


_CHECKS: dict[str, Callable[..., tuple[ProviderConfiguration, bytes]]] = {"apns": _apns, "fcm": _fcm, "wns": _wns}
