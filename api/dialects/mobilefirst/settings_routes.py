"""Settings: how an application reaches Google, Apple and Microsoft. Secrets come in and never go out."""

from __future__ import annotations

from typing import Any

from flask import Response

from tocsin.api.dialects.mobilefirst import configurations
from tocsin.api.dialects.mobilefirst.access import Caller, authorized
from tocsin.api.dialects.mobilefirst.applications import NAME
from tocsin.api.dialects.mobilefirst.bodies import body
from tocsin.api.dialects.mobilefirst.chapters import IN_APPLICATION, chapter, negotiate
from tocsin.api.dialects.mobilefirst.configurations import APNS, GCM, WNS, configured, stored
from tocsin.api.dialects.mobilefirst.errors import NO_CONFIGURATION, Refusal, answer, nothing
from tocsin.api.dialects.mobilefirst.representations import href
from tocsin.api.dialects.routing import serving
from tocsin.api.requests import accepts, context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.apps import change_app
from tocsin.commands.settings import change_settings
from tocsin.domain.app import RemoveProvider

OCTETS = "application/octet-stream"

SERVES = ("apps", "audience")
PROVIDERS = {GCM: "fcm", WNS: "wns", APNS: "apns"}

blueprint = chapter("settings", f"{IN_APPLICATION}/settings", negotiates=False)
serves = serving(blueprint)


@serves("GET", "")
def get_all(application_id: str) -> Response:
    """Where the settings of each provider are."""
    negotiate()
    caller = authorized(application_id, "settings.read")
    links = {name: href(application_id, "settings", name) for name in (APNS, GCM, WNS)}
    mode = configurations.mode(caller.app_id)
    return answer(200, {"applicationId": application_id, **links, "mode": mode})


@serves("GET", "/<any(gcmConf, wnsConf, smsConf, apnsConf):name>")
def get(application_id: str, name: str) -> Response:
    """The settings of one provider, without what is secret in them."""
    negotiate()
    caller = authorized(application_id, f"{name}.read")
    return answer(200, configurations.shown(caller, name))


@serves("PUT", "/<any(gcmConf, wnsConf, smsConf, apnsConf):name>")
def put(application_id: str, name: str) -> Response:
    """Set them. A certificate of Apple's comes as a form, the others as JSON."""
    negotiate()
    caller = authorized(application_id, f"{name}.write")
    shown = configurations.certificate(caller) if name == APNS else configurations.CONFIGURE[name](caller, body())
    return readable(answer(200, shown), services().record.head().position, SERVES)


@serves("DELETE", "/<any(gcmConf, wnsConf, smsConf, apnsConf):name>")
def delete(application_id: str, name: str) -> Response:
    """Forget them: the provider's devices are left out from now on."""
    negotiate()
    caller = authorized(application_id, f"{name}.write")
    known, provider = stored(caller, name) is not None, PROVIDERS.get(name)
    if provider is not None and configured(caller.app_id, provider) is not None:
        who = context(caller.actor, caller.scope)
        change_app(services().engine, who, caller.app_id, RemoveProvider(provider=provider))
    elif not known:
        raise Refusal(NO_CONFIGURATION, configurations.TITLES[name])
    if known:
        _forget(caller, name)
    return readable(nothing(), services().record.head().position, SERVES)


@serves("GET", "/gcmConfPublic")
def gcm_public(application_id: str) -> Response:
    """What a phone registers with at Google."""
    negotiate()
    caller = authorized(application_id, "gcmConfPublic.read", mobile=True)
    return answer(200, {"senderId": configurations.sender_id(caller)})


@serves("GET", "/chromeAppExtConfPublic")
def chrome_public(application_id: str) -> Response:
    """The same, for extensions of Chrome."""
    negotiate()
    caller = authorized(application_id, "chromeAppExtConfPublic.read", mobile=True)
    return answer(200, {"senderId": configurations.sender_id(caller)})


@serves("GET", "/apnsCert")
def apns_certificate(application_id: str) -> Response:
    """The certificate itself, without its private key."""
    accepts(OCTETS, "application/json")
    caller = authorized(application_id, "apnsCert.read")
    return Response(configurations.apns_certificate(caller).public, content_type=OCTETS)


def _forget(caller: Caller, name: str) -> None:
    def without(own: Any) -> dict[str, Any]:
        return {other: value for other, value in own.items() if other != name}

    change_settings(services().engine, context(caller.actor, caller.scope), caller.app_id, NAME, without)
