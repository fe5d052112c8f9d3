"""How the routes are served: under which addresses, and what all of them ask of a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TypeVar

from flask import Blueprint, Response, request

from tocsin.api.dialects.routing import serving
from tocsin.api.dialects.twinpush import access, lookups
from tocsin.api.dialects.twinpush.access import NAME, Caller
from tocsin.api.dialects.twinpush.errors import DEVICE_NOT_FOUND, INVALID_PARAMETER, Refusal, invalid_here
from tocsin.api.requests import JSON, accepts
from tocsin.api.writes import Answer, write
from tocsin.commands.context import Context
from tocsin.commands.engine import Done
from tocsin.projections.devices import Device

ROOT = "/api/v2"

R = TypeVar("R")
View = TypeVar("View", bound=Callable[..., Response])


class Routes(Blueprint):
    """Routes of this API, each under all of its addresses with and without a slash at the end."""

    def __init__(self, name: str, module: str) -> None:
        super().__init__(f"{NAME}-{name}", module, url_prefix=ROOT)
        self.before_request(negotiate)

    def serves(self, method: str, *rules: str, wrong: str = INVALID_PARAMETER) -> Callable[[View], View]:
        """Serves a view under ``rules``. ``wrong``: the error of a parameter that is."""

        def decorate(view: View) -> View:
            @wraps(view)
            def served(**arguments: str) -> Response:
                invalid_here(wrong)
                return view(**arguments)

            serving(self)(method, *rules)(served)
            return view

        return decorate


def negotiate() -> None:
    """Refuse, before anything is done, what could not be answered in a form the client reads."""
    if request.method != "OPTIONS":
        accepts(*JSON)


def called_by_device(app: str, device: str) -> tuple[Caller, Device]:
    """A device of the app in the address, which calls for itself. Raises Refusal.

    An id cannot be guessed, a number can: one that comes alone, without the API token, means no device.
    """
    caller, known = called_by_anybody(app, device)
    if lookups.number(device) is not None and caller.actor.credential is None:
        raise Refusal(DEVICE_NOT_FOUND)
    return caller, known


def called_by_anybody(app: str | None, device: str) -> tuple[Caller, Device]:
    """A device, of the app in the address where there is one; perhaps called by somebody else. Raises Refusal."""
    if app is None:
        known = lookups.device(None, device)
        return access.as_device(access.app_of_device(known), known), known
    found = access.app_addressed(app)
    known = lookups.device(found.app_id, device)
    return access.as_device(found, known), known


def done(caller: Caller, command: Callable[[Context], Done[R]], serves: Sequence[str]) -> Response:
    """Carry a command out, of which nothing is answered but that it was."""
    return write(caller.actor, caller.scope, command, lambda _: Answer(200, {}), serves)
