"""The settings of each provider, as this API says them and as the engine keeps them.

A key of Google's of the old kind is taken and not kept: Google takes it no more. What is used is the service account
that may come with it, as ``serviceAccount``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from tocsin.api.dialects.mobilefirst import bodies
from tocsin.api.dialects.mobilefirst.access import Caller
from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.api.dialects.mobilefirst.bodies import Body
from tocsin.api.dialects.mobilefirst.errors import NO_CONFIGURATION, Refusal, invalid
from tocsin.api.dialects.mobilefirst.values import Settings
from tocsin.api.providers import set_key
from tocsin.api.reads import reading
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.commands.settings import change_settings
from tocsin.domain.audience import DEFAULT_PROFILE
from tocsin.domain.credentials import ApnsCertificate, read_apns_certificate
from tocsin.domain.errors import Invalid, Unavailable
from tocsin.projections import apps
from tocsin.projections.apps_rows import Provider

APNS, GCM, WNS, SMS = "apnsConf", "gcmConf", "wnsConf", "smsConf"
TITLES = {APNS: "APNs", GCM: "GCM", WNS: "WNS", SMS: "SMS"}

CERTIFICATE = "apns-certificate.p12"
HIDDEN = "********"
"""Stands where a secret is set."""

FORM = "multipart/form-data"
MOST_PARAMETERS = 50

Shown = dict[str, Any]


def shown(caller: Caller, name: str) -> Shown:
    """The settings of a provider. Raises Refusal where there are none."""
    return _SHOWN[name](caller)


def configured(app_id: UUID, provider: str) -> Provider | None:
    """How the app reaches a provider, if it does."""
    with reading("apps") as connection:
        return apps.provider(connection, app_id, provider)


def stored(caller: Caller, name: str) -> Mapping[str, Any] | None:
    """What is kept of these settings besides."""
    assert caller.application is not None
    own = caller.application.settings.get(name)
    return own if isinstance(own, dict) else None


def mode(app_id: UUID) -> str:
    """Whether the app's phones of Apple are those of its customers."""
    found = configured(app_id, "apns")
    return "SANDBOX" if found and found.configuration.get("environment") == "development" else "PRODUCTION"


def sender_id(caller: Caller) -> str:
    """The number of the project at Google; where it was not said, the project's name. Raises Refusal."""
    kept, provider = stored(caller, GCM), configured(caller.app_id, "fcm")
    if kept is None and provider is None:
        raise _missing(GCM)
    said = (kept or {}).get("senderId") or (provider.configuration.get("project_id") if provider else None)
    return str(said or "")


def apns_certificate(caller: Caller) -> ApnsCertificate:
    """The certificate at Apple. Raises Refusal where there is none, or a signing key instead."""
    found = configured(caller.app_id, "apns")
    if found is None or found.configuration.get("authentication") != "certificate":
        raise _missing(APNS)
    try:
        return read_apns_certificate(services().record.vault.open(found.secret_id))
    except KeyError:
        raise Unavailable("the certificate was replaced a moment ago: try again", retry_after=1) from None


def certificate(caller: Caller) -> Shown:
    """Take the certificate of a form. Raises UnsupportedMediaType, Refusal by the part that is wrong."""
    if request.mimetype != FORM:
        raise UnsupportedMediaType
    file = request.files.get("certificate")
    secret = file.stream.read() if file is not None else b""
    form = Settings(request.form.to_dict(), "form")
    sandbox = form.flag("isSandBox") or form.flag("isSandbox") or False
    try:
        read = read_apns_certificate(secret, form.text("password"))
        configuration = {"topic": _topic(caller, form, read), "environment": _ENVIRONMENTS[sandbox]}
        _configure(caller, "apns", configuration, secret, form.text("password"))
    except Invalid as error:
        raise invalid("certificate") from error
    return _certificate(sandbox, read)


def _gcm(caller: Caller, given: Body) -> Shown:
    sender = Settings(given, GCM).text("senderId")
    account, key = Settings(given, GCM).json_object("serviceAccount"), bodies.optional_text(given, "apiKey")
    if sender is None:
        raise invalid("senderId")
    if account is None and key is None:
        raise invalid("apiKey")
    if account is not None:
        _service_account(caller, account)
    _keep(caller, GCM, {"senderId": sender, "apiKey": key is not None})
    return {"apiKey": "" if key is None else HIDDEN, "senderId": sender}


def _service_account(caller: Caller, account: Body) -> None:
    try:
        _configure(caller, "fcm", {}, json.dumps(account).encode())
    except Invalid as error:
        raise invalid("serviceAccount") from error


def _wns(caller: Caller, given: Body) -> Shown:
    sid, secret = bodies.text(given, "packageSID"), bodies.text(given, "clientSecret")
    _configure(caller, "wns", {"client_id": sid}, secret.encode())
    return {"packageSID": sid, "clientSecret": HIDDEN}


def _sms(caller: Caller, given: Body) -> Shown:
    """The gateway, which nothing here sends through. What its parameters say may be secret, and is not kept."""
    settings = Settings(given, SMS)
    host, port = settings.text("host"), settings.number("port", 1, 65535)
    if host is None or port is None:
        raise invalid("host" if host is None else "port")
    parameters = [
        {"name": one.text("name") or "", "encode": one.flag("encode") or False}
        for one in settings.several("parameters")[:MOST_PARAMETERS]
    ]
    kept = {
        "host": host,
        "name": settings.text("name") or "",
        "port": port,
        "programName": settings.text("programName") or "",
        "parameters": parameters,
    }
    _keep(caller, SMS, kept)
    return _sms_of(kept)


CONFIGURE: dict[str, Callable[[Caller, Body], Shown]] = {GCM: _gcm, WNS: _wns, SMS: _sms}


def _show_gcm(caller: Caller) -> Shown:
    sender, kept = sender_id(caller), stored(caller, GCM) or {}
    return {"apiKey": HIDDEN if kept.get("apiKey") else "", "senderId": sender}


def _show_wns(caller: Caller) -> Shown:
    found = configured(caller.app_id, "wns")
    if found is None:
        raise _missing(WNS)
    return {"packageSID": found.configuration["client_id"], "clientSecret": HIDDEN}


def _show_sms(caller: Caller) -> Shown:
    kept = stored(caller, SMS)
    if kept is None:
        raise _missing(SMS)
    return _sms_of(kept)


def _show_apns(caller: Caller) -> Shown:
    found = configured(caller.app_id, "apns")
    if found is None:
        raise _missing(APNS)
    sandbox = found.configuration.get("environment") == _ENVIRONMENTS[True]
    if found.configuration.get("authentication") != "certificate":
        return {"certificate": "", "isSandBox": _said(sandbox), "validUntil": ""}
    return _certificate(sandbox, apns_certificate(caller))


_SHOWN: dict[str, Callable[[Caller], Shown]] = {GCM: _show_gcm, WNS: _show_wns, SMS: _show_sms, APNS: _show_apns}
_ENVIRONMENTS = {True: "development", False: "production"}


def _certificate(sandbox: bool, read: ApnsCertificate) -> Shown:
    until = f"{read.valid_until:%Y-%m-%dT%H:%M:%S}.000Z"
    return {"certificate": CERTIFICATE, "isSandBox": _said(sandbox), "validUntil": until}


def _topic(caller: Caller, form: Settings, read: ApnsCertificate) -> str:
    """The app's bundle id: as the form says, else the certificate, else as it was, else the application's own id."""
    before = configured(caller.app_id, "apns")
    known = before.configuration.get("topic") if before is not None else None
    return form.text("topic") or read.topic or known or caller.application_id


def _sms_of(kept: Mapping[str, Any]) -> Shown:
    parameters = [
        {"name": one["name"], "value": HIDDEN, "encode": _said(one["encode"])} for one in kept.get("parameters", [])
    ]
    return {**kept, "port": str(kept["port"]), "parameters": parameters}


def _configure(
    caller: Caller, provider: str, configuration: Mapping[str, Any], secret: bytes, password: str | None = None
) -> None:
    who = context(caller.actor, caller.scope)
    set_key(who, caller.app_id, provider, configuration, secret, profile=DEFAULT_PROFILE, password=password)


def _keep(caller: Caller, name: str, value: Mapping[str, Any]) -> None:
    who = context(caller.actor, caller.scope)
    change_settings(services().engine, who, caller.app_id, NAME, lambda own: {**own, name: dict(value)})


def _missing(name: str) -> Refusal:
    return Refusal(NO_CONFIGURATION, TITLES[name])


def _said(flag: bool) -> str:
    return str(flag).lower()
