"""The control port: what the fake devices received, and faults on demand, over plain HTTP with JSON."""

from collections.abc import Callable
from dataclasses import fields
from importlib.resources import files
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from tocsin.sandbox.exchange import Answer, Request, json_answer, read_json
from tocsin.sandbox.faults import PROVIDERS, BadFault, fault_from_json
from tocsin.sandbox.journal import ANSWERS, Selection
from tocsin.sandbox.service import PushService

CHANGEABLE = ("latency_ms", "access_token_seconds", "prefix_faults")
Handler = Callable[[Request], Answer]


class BadCall(ValueError):
    """A call of the control port that cannot be served; the message says what to change."""


class Control:
    """The routes of the control port."""

    def __init__(self, service: PushService) -> None:
        self._service = service
        self._page = files("tocsin.sandbox").joinpath("page.html").read_bytes()
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "/"): self._show_page,
            ("GET", "/received"): self._received,
            ("GET", "/devices"): self._devices,
            ("GET", "/stats"): self._stats,
            ("GET", "/faults"): self._list_faults,
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): self._clear_faults,
            ("GET", "/settings"): self._show_settings,
            ("POST", "/settings"): self._change_settings,
            ("GET", "/reset"): self._reset,
            ("POST", "/reset"): self._reset,
        }

    def respond(self, request: Request) -> Answer:
        """The answer to one request. Answers name their own errors: 400, 404 and 405 with ``{"error": …}``."""
        try:
            return self._handler(request)(request)
        except (BadCall, BadFault) as error:
            return json_answer(400, {"error": str(error)})

    def _handler(self, request: Request) -> Handler:
        handler = self._routes.get((request.method, request.path))
        if handler is not None:
            return handler
        if request.method == "DELETE" and request.path.startswith("/faults/"):
            return self._remove_fault
        allowed = [method for method, path in self._routes if path == request.path]
        return lambda _: _not_served(request, allowed)

    def _show_page(self, _: Request) -> Answer:
        return Answer(200, [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")], self._page)

    def _received(self, request: Request) -> Answer:
        entries = self._service.journal.select(_selection(request))
        return _fresh([entry.as_json() for entry in entries])

    def _devices(self, request: Request) -> Answer:
        selection = _selection(request)
        devices = islice(self._service.journal.select_devices(selection), selection.limit)
        return _fresh([device.as_json() for device in devices])

    def _stats(self, _: Request) -> Answer:
        return _fresh(self._service.journal.stats())

    def _list_faults(self, _: Request) -> Answer:
        return _fresh([fault.as_json() for fault in self._service.faults.faults])

    def _add_fault(self, request: Request) -> Answer:
        fault = self._service.faults.add(fault_from_json(_document(request)))
        return json_answer(201, fault.as_json(), ("location", f"/faults/{fault.id}"))

    def _clear_faults(self, _: Request) -> Answer:
        self._service.faults.clear()
        return Answer(204)

    def _remove_fault(self, request: Request) -> Answer:
        number = request.path.removeprefix("/faults/")
        if number.isascii() and number.isdigit() and self._service.faults.remove(int(number)):
            return Answer(204)
        return json_answer(404, {"error": f"there is no fault {number}: GET /faults lists them"})

    def _show_settings(self, _: Request) -> Answer:
        settings = self._service.settings
        return _fresh({spec.name: getattr(settings, spec.name) for spec in fields(settings)})

    def _change_settings(self, request: Request) -> Answer:
        document = _document(request)
        if not isinstance(document, dict):
            raise BadCall('settings are a JSON object, such as {"latency_ms": 50}')
        changes = {name: _setting(name, value) for name, value in document.items()}
        for name, value in changes.items():
            setattr(self._service.settings, name, value)
        return self._show_settings(request)

    def _reset(self, _: Request) -> Answer:
        self._service.reset()
        return Answer(204)


def _fresh(value: Any) -> Answer:
    return json_answer(200, value, ("cache-control", "no-store"))


def _not_served(request: Request, allowed: list[str]) -> Answer:
    if not allowed:
        return json_answer(404, {"error": f"the control port serves nothing at {request.path}"})
    methods = ", ".join(allowed)
    return json_answer(405, {"error": f"{request.path} takes {methods}"}, ("allow", methods))


def _document(request: Request) -> Any:
    try:
        return read_json(request.body)
    except ValueError as error:
        raise BadCall(f"the body is not JSON: {error}") from error


def _setting(name: str, value: Any) -> Any:
    if name not in CHANGEABLE:
        raise BadCall(f"{name!r} cannot be changed while the sandbox runs: {', '.join(CHANGEABLE)} can")
    if name == "prefix_faults":
        if not isinstance(value, bool):
            raise BadCall(f"{name} must be true or false")
    elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadCall(f"{name} must be a number that is not negative")
    return value


def _selection(request: Request) -> Selection:
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    known = [spec.name for spec in fields(Selection)]
    for name in query:
        if name not in known:
            raise BadCall(f"unknown parameter {name!r}: known are {', '.join(known)}")
    _check_choice(query, "provider", PROVIDERS)
    _check_choice(query, "answer", ANSWERS)
    numbers = {name: _number(name, query.pop(name)) for name in ("since", "limit") if name in query}
    return Selection(**query, **numbers)  # type: ignore[arg-type]  # the names are Selection's own


def _check_choice(query: dict[str, str], name: str, choices: tuple[str, ...]) -> None:
    if name in query and query[name] not in choices:
        raise BadCall(f"{name} must be one of {', '.join(choices)}, not {query[name]!r}")


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadCall(f"{name} must be a whole number that is not negative, not {text!r}")
    return int(text)
