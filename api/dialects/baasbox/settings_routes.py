"""The push settings of the administration console: which profiles are on, in which mode, and how Google is reached."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response

from tocsin.api.dialects.baasbox import schemas
from tocsin.api.dialects.baasbox.access import NAME, Caller, administrator, own_settings
from tocsin.api.dialects.baasbox.envelope import envelope
from tocsin.api.dialects.baasbox.errors import Refusal, coded
from tocsin.api.dialects.baasbox.translation import configured_providers, is_enabled, profile_name
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.apps import change_app, configure_provider, load_enabled
from tocsin.domain.app import UpdateApp
from tocsin.domain.errors import Invalid

blueprint = Blueprint(f"{NAME}-settings", __name__, url_prefix="/admin/configuration/Push")

FLAGS = ("push.sandbox.enable", "push.profile.enable")
NUMBERS = ("push.apple.timeout",)
GOOGLE = ("sandbox.android.api.key", "production.android.api.key")

_KEY = re.compile(r"profile([123])\.(.+)")


@blueprint.get("/<key>")
@blueprint.get("/<key>/")
def get(key: str) -> Response:
    """A setting. Of a key of Google's it says only whether there is one."""
    caller = administrator()
    number, name = _known(key)
    if name in GOOGLE:
        profile = profile_name(caller.app_id, number, sandbox=name.startswith("sandbox"))
        return envelope({key: "fcm" in configured_providers(caller.app_id, profile)})
    stored = _stored(caller).get(key)
    if stored is None and name == "push.profile.enable":
        stored = str(is_enabled(caller.app_id, number)).lower()
    return envelope({key: stored if stored is not None else "false" if name in FLAGS else "0"})


@blueprint.put("/<key>")
@blueprint.put("/<key>/")
def put(key: str) -> Response:
    """Change a setting."""
    caller = administrator()
    number, name = _known(key)
    value = schemas.setting()
    if name in GOOGLE:
        _configure_google(caller, profile_name(caller.app_id, number, sandbox=name.startswith("sandbox")), value)
    else:
        _check(caller, number, name, value)
        _store(caller, key, value)
    return readable(envelope(), services().record.head().position, ("apps",))


def _known(key: str) -> tuple[int, str]:
    found = _KEY.fullmatch(key)
    if found is None or found[2] not in (*FLAGS, *NUMBERS, *GOOGLE):
        raise Refusal(404, "The specified key is not valid")
    return int(found[1]), found[2]


def _check(caller: Caller, number: int, name: str, value: str) -> None:
    if name in FLAGS and value not in ("true", "false"):
        raise Refusal(400, "The value must be true or false")
    if name in NUMBERS and not (value.isascii() and value.isdigit() and len(value) < 8):
        raise Refusal(400, "The value must be a number")
    if name == "push.profile.enable" and value == "true":
        _needs_provider(caller, profile_name(caller.app_id, number), "50301")
    if name == "push.sandbox.enable" and is_enabled(caller.app_id, number):
        _needs_provider(caller, profile_name(caller.app_id, number, sandbox=value == "true"), "50306")


def _needs_provider(caller: Caller, profile: str, code: str) -> None:
    if not configured_providers(caller.app_id, profile):
        raise coded(code)


def _configure_google(caller: Caller, profile: str, value: str) -> None:
    """The key is a service account's JSON: Google takes the short keys of old no longer."""
    who = context(caller.actor, caller.credential_id)
    try:
        secret = value.encode()
        configure_provider(services().engine, who, caller.app_id, "fcm", {}, secret, profile=profile)
    except (Invalid, UnicodeEncodeError) as error:
        raise coded("50304") from error


def _stored(caller: Caller) -> dict[str, Any]:
    push = own_settings(caller.app_id).get("push")
    return push if isinstance(push, dict) else {}


def _store(caller: Caller, key: str, value: str) -> None:
    engine = services().engine
    settings = load_enabled(engine, caller.app_id).settings
    own = {**own_settings(caller.app_id), "push": {**_stored(caller), key: value}}
    who = context(caller.actor, caller.credential_id)
    change_app(engine, who, caller.app_id, UpdateApp(settings={**settings, NAME: own}))
