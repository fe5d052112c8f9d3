"""Providers: how an app reaches Apple, Google and Microsoft. Their secrets come in and never go out."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from flask import Request, Response, request

from tocsin.api.bodies import JsonBodies, Resources, decoded
from tocsin.api.native.access import ADMIN, AUDITOR, OPERATOR, Caller, caller, needs
from tocsin.api.native.credentials_json import (
    ProviderAnswer,
    ProviderForm,
    provider_of_fact,
    provider_of_result,
    provider_of_row,
    secret_of,
)
from tocsin.api.native.document import AS_OF, also_as_form, lists, query, reads, writes
from tocsin.api.native.history import as_of, history_of_part, stood, tells_history
from tocsin.api.native.writing import write
from tocsin.api.providers import addresses_in
from tocsin.api.reads import as_json, paged, reading, within
from tocsin.api.services import services
from tocsin.api.writes import Answer
from tocsin.commands.apps import change_app
from tocsin.commands.providers import configure_provider
from tocsin.domain import app as app_rules
from tocsin.domain.app import RemoveProvider
from tocsin.domain.errors import Forbidden, NotFound
from tocsin.domain.events.app import ProviderConfigured, ProviderRemoved
from tocsin.projections import apps

SERVES = ("apps", "audience")
DEFAULT_PROFILE = "default"
PROFILE = query(
    "profile", "Tells several configurations of one provider apart.", {"type": "string", "default": "default"}
)

FORM = {
    "type": "object",
    "required": ["secret"],
    "properties": {
        "configuration": {"type": "string", "description": "JSON."},
        "secret": {"type": "string", "format": "binary", "description": "The key file."},
        "password": {"type": "string"},
    },
}


class KeyFiles(JsonBodies):
    """Reads JSON, or a form with the key file as it was downloaded."""

    def _raw_load_json(self, req: Request) -> Any:
        if req.mimetype != "multipart/form-data":
            return super()._raw_load_json(req)
        fields: dict[str, Any] = req.form.to_dict()
        if "configuration" in fields:
            fields["configuration"] = decoded(fields["configuration"].encode())
        for name, file in req.files.items():
            fields[f"{name}_base64"] = base64.b64encode(file.stream.read()).decode()
            file.stream.seek(0)
        return fields


class Providers(Resources):
    """Resources that take key files."""

    ARGUMENTS_PARSER = KeyFiles()


blueprint = Providers(
    "providers",
    __name__,
    url_prefix="/v1/apps/<uuid:app_id>",
    description="Providers: an app's keys to APNs, FCM and WNS.",
)


@blueprint.route("/providers/<provider>", methods=["PUT"])
@needs()
@blueprint.arguments(ProviderForm)
@also_as_form(FORM)
@writes(200, kind=ProviderAnswer, description="The configuration, without its secret.", parameters=[PROFILE])
def configure(form: dict[str, Any], app_id: UUID, provider: str) -> Response:
    """Set how the app reaches a provider: `apns`, `fcm` or `wns`.

    The secret comes as text, as base64, or as a file in a form (multipart/form-data, with `configuration` as JSON).
    """
    profile, secret = _profile(), secret_of(form)
    _check_addresses(caller(), provider, form["configuration"], secret)
    return write(
        lambda context: configure_provider(
            services().engine,
            context,
            app_id,
            provider,
            form["configuration"],
            secret,
            profile=profile,
            password=form["password"],
        ),
        lambda result: Answer(200, provider_of_result(result)),
        SERVES,
    )


@blueprint.route("/providers", methods=["GET"])
@needs(AUDITOR, OPERATOR)
@lists(ProviderAnswer)
def list_all(app_id: UUID) -> Response:
    """Every provider's configuration."""
    with reading("apps") as connection:
        found = apps.providers(connection, app_id)
    return paged(within(found, lambda row: (row.provider, row.profile), tuple[str, str]), provider_of_row)


@blueprint.route("/providers/<provider>", methods=["GET"])
@needs(AUDITOR, OPERATOR)
@reads(ProviderAnswer, parameters=[PROFILE, AS_OF])
def get(app_id: UUID, provider: str) -> Response:
    """One provider's configuration, as it is or as it was, without its secret."""
    position, profile = as_of(), _profile()
    if position is not None:
        state, _ = stood(app_id, app_id, app_rules, position)
        if (provider, profile) not in state.providers:
            raise _unknown(provider, profile)
        return as_json(provider_of_fact(app_id, state.providers[provider, profile]))
    with reading("apps") as connection:
        found = apps.provider(connection, app_id, provider, profile)
    if found is None:
        raise _unknown(provider, profile)
    return as_json(provider_of_row(found))


@blueprint.route("/providers/<provider>", methods=["DELETE"])
@needs()
@writes(204, description="Removed.", parameters=[PROFILE])
def remove(app_id: UUID, provider: str) -> Response:
    """Forget how the app reaches a provider: its devices are left out as `no-provider` from now on."""
    command = RemoveProvider(provider=provider, profile=_profile())
    return write(
        lambda context: change_app(services().engine, context, app_id, command),
        lambda _: Answer(204),
        SERVES,
    )


@blueprint.route("/providers/<provider>/history", methods=["GET"])
@needs(AUDITOR)
@tells_history(parameters=[PROFILE])
def past(app_id: UUID, provider: str) -> Response:
    """Every configuration there was."""
    key = provider, _profile()
    return history_of_part(
        app_id,
        app_id,
        lambda fact: isinstance(fact, ProviderConfigured | ProviderRemoved) and (fact.provider, fact.profile) == key,
        "provider configuration",
    )


def _profile() -> str:
    return request.args.get("profile", DEFAULT_PROFILE)


def _unknown(provider: str, profile: str) -> NotFound:
    return NotFound("this app has no such provider configuration", provider=provider, profile=profile)


def _check_addresses(who: Caller, provider: str, configuration: dict[str, Any], secret: bytes) -> None:
    if not who.of_instance and (named := addresses_in(provider, configuration, secret)):
        raise Forbidden(f"only a credential of the instance itself may set {', '.join(sorted(named))}", role=ADMIN)
