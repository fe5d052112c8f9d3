"""The sandbox's directory: keys and certificates made once, and ``providers.json``, which says how to use them."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from tocsin.sandbox.certificates import (
    is_for_topic,
    make_apns_client,
    make_authority,
    make_server,
    new_ec_key,
    new_rsa_key,
    private_pem,
    public_pem,
    serves,
)
from tocsin.sandbox.settings import Identity

FILES = (
    "ca.pem",
    "ca.key",
    "srv.pem",
    "srv.key",
    "cli.pem",
    "cli.key",
    "cli_bundle.pem",
    "apns.p12",
    "apns.p8",
    "apns.pub",
    "sa.key",
    "sa.pub",
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the sandbox listens: base URLs without a closing slash."""

    control_url: str
    push_url: str
    development_url: str


def ensure_material(directory: Path, identity: Identity, host: str) -> None:
    """Make the directory, and keys and certificates readable by their owner only.

    What is there is kept if it is complete, still valid, and made for this host and identity; else all is made anew.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _is_complete(directory) and _fits(directory, identity, host):
        return
    for name, content in _fresh_material(identity, host).items():
        write_private(directory / name, content)


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, all of it or nothing: a reader never sees half of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    unfinished.replace(path)


def write_providers(directory: Path, identity: Identity, addresses: Addresses) -> dict[str, Any]:
    """Write ``providers.json`` and ``service_account.json`` for these addresses; returns what the first one says."""
    account = _service_account(directory, identity, addresses)
    write_private(directory / "service_account.json", _json(account))
    providers = {
        "pid": os.getpid(),
        "control_url": addresses.control_url,
        "push_url": addresses.push_url,
        "ca_path": str(directory / "ca.pem"),
        "apns": _apns(directory, identity, addresses),
        "fcm": _fcm(directory, identity, addresses, account),
        "wns": _wns(identity, addresses),
    }
    write_private(directory / "providers.json", _json(providers))
    return providers


def _is_complete(directory: Path) -> bool:
    return all((directory / name).exists() for name in FILES)


def _fits(directory: Path, identity: Identity, host: str) -> bool:
    server = x509.load_pem_x509_certificate((directory / "srv.pem").read_bytes())
    client = x509.load_pem_x509_certificate((directory / "cli.pem").read_bytes())
    still_valid = min(server.not_valid_after_utc, client.not_valid_after_utc) > datetime.now(UTC)
    return still_valid and serves(server, host) and is_for_topic(client, identity.apns_topic)


def _fresh_material(identity: Identity, host: str) -> dict[str, bytes]:
    authority = make_authority()
    server = make_server(authority, host)
    client = make_apns_client(authority, identity.apns_topic)
    signing, account = new_ec_key(), new_rsa_key()
    return {
        "ca.pem": authority.certificate_pem(),
        "ca.key": authority.key_pem(),
        "srv.pem": server.certificate_pem(),
        "srv.key": server.key_pem(),
        "cli.pem": client.certificate_pem(),
        "cli.key": client.key_pem(),
        "cli_bundle.pem": client.certificate_pem() + client.key_pem(),
        "apns.p12": client.pkcs12(identity.certificate_password),
        "apns.p8": private_pem(signing),
        "apns.pub": public_pem(signing),
        "sa.key": private_pem(account),
        "sa.pub": public_pem(account),
    }


def _apns(directory: Path, identity: Identity, addresses: Addresses) -> dict[str, Any]:
    return {
        "base_url": addresses.push_url,
        "development_url": addresses.development_url,
        "topic": identity.apns_topic,
        "key_id": identity.apns_key_id,
        "team_id": identity.apns_team_id,
        "key_path": str(directory / "apns.p8"),
        "key": (directory / "apns.p8").read_text(),
        "certificate_path": str(directory / "apns.p12"),
        "certificate_password": identity.certificate_password,
    }


def _fcm(directory: Path, identity: Identity, addresses: Addresses, account: dict[str, Any]) -> dict[str, Any]:
    return {
        "base_url": addresses.push_url,
        "token_url": f"{addresses.push_url}/token",
        "project_id": identity.fcm_project,
        "service_account_path": str(directory / "service_account.json"),
        "service_account": account,
    }


def _wns(identity: Identity, addresses: Addresses) -> dict[str, Any]:
    return {
        "base_url": addresses.push_url,
        "channel_url": f"{addresses.push_url}/wns/?token=",
        "token_url": f"{addresses.push_url}/accesstoken.srf",
        "client_id": identity.wns_client_id,
        "client_secret": identity.wns_client_secret,
    }


def _service_account(directory: Path, identity: Identity, addresses: Addresses) -> dict[str, Any]:
    """The fields of a service account's key file as Google's console hands it out."""
    return {
        "type": "service_account",
        "project_id": identity.fcm_project,
        "private_key_id": "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
        "private_key": (directory / "sa.key").read_text(),
        "client_email": identity.fcm_client_email,
        "client_id": "100000000000000000001",
        "auth_uri": f"{addresses.push_url}/auth",
        "token_uri": f"{addresses.push_url}/token",
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
