"""The push settings of the administration console."""

from __future__ import annotations

from flask import Blueprint, Response

from tocsin.api.dialects.baasbox import push_settings, schemas
from tocsin.api.dialects.baasbox.access import NAME, administrator
from tocsin.api.dialects.baasbox.envelope import envelope
from tocsin.api.dialects.baasbox.push_settings import Kind, key_of
from tocsin.api.dialects.routing import serving
from tocsin.api.services import services
from tocsin.api.writes import readable

blueprint = Blueprint(f"{NAME}-settings", __name__, url_prefix="/admin/configuration/Push")
serves = serving(blueprint)


@serves("GET", "/<key>")
def get(key: str) -> Response:
    """A setting. Of a key, a certificate and a password it says only whether there is one."""
    caller = administrator()
    return envelope({key: push_settings.shown(caller.app_id, key_of(key))})


@serves("PUT", "/<key>")
def put(key: str) -> Response:
    """Change a setting: a certificate by its file, anything else by its ``value``."""
    caller = administrator()
    known, said = key_of(key), ""
    match known.kind:
        case Kind.CERTIFICATE:
            said = push_settings.set_apple_half(caller, known, schemas.file())
        case Kind.CERTIFICATE_PASSWORD:
            said = push_settings.set_apple_half(caller, known, schemas.password())
        case Kind.GOOGLE_KEY:
            push_settings.set_google_key(caller, known, schemas.setting())
        case Kind.TIMEOUT:
            push_settings.set_value(caller, known, schemas.number())
        case Kind.ENABLE | Kind.SANDBOX:
            push_settings.set_value(caller, known, schemas.flag())
    return readable(envelope(said), services().record.head().position, ("apps",))
