"""What BaasBox's requests hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from flask import request

from tocsin.api.bodies import decoded
from tocsin.api.dialects.baasbox import errors
from tocsin.api.dialects.baasbox.errors import Refusal, coded, missing
from tocsin.api.problems import Malformed
from tocsin.domain.message import MAX_TTL

PROFILES = (1, 2, 3)
VISIBILITIES = ("visibleByAnonymousUsers", "visibleByTheUser", "visibleByFriends", "visibleByRegisteredUsers")

_STRINGS = {
    "sound": "40024",
    "actionLocalizedKey": "40026",
    "localizedKey": "40027",
    "collapse_key": "40029",
    "category": "40032",
}


@dataclass(frozen=True, slots=True)
class Account:
    """Who signs up. ``profile``: what others may see of them, by who may."""

    username: str
    password: str
    profile: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Login:
    """Who signs in, and the device they report with it: its system and its token."""

    username: str
    password: str
    appcode: str
    device: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Push:
    """What is pushed, as it was said; ``content`` is still to be checked (``checked``)."""

    message: str
    users: tuple[str, ...]
    profiles: tuple[int, ...]
    content: dict[str, Any] = field(repr=False)


def account() -> Account:
    """The sign-up of this request. Raises Refusal."""
    body = _object()
    username, password = _field(body, "username"), _field(body, "password")
    if not password:
        raise Refusal(422, errors.EMPTY_PASSWORD)
    profile = {name: body.get(name) or {} for name in VISIBILITIES}
    for name, value in profile.items():
        if not isinstance(value, dict):
            raise Refusal(400, f"The '{name}' field must be an object")
    return Account(username, password, profile)


def login() -> Login:
    """The login of this request, a form or JSON. Raises Refusal."""
    form = request.form.to_dict() if request.form else None
    body = form if form is not None else _object() if request.is_json else {}
    username, password, appcode = (_field(body, name) for name in ("username", "password", "appcode"))
    return Login(username, password, appcode, _login_data(body.get("login_data")))


def push(username: str | None = None) -> Push:
    """The push of this request; ``username``: for the route that names its one recipient. Raises Refusal."""
    body = _document()
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        raise coded("40020")
    users = _users(body) if username is None else (username,)
    return Push(body["message"], users, _profiles(body, lenient=username is not None), body)


def checked(push: Push) -> dict[str, Any]:
    """The content of a push, every member of its kind. Raises Refusal."""
    content = push.content
    for name, code in _STRINGS.items():
        if name in content and not isinstance(content[name], str):
            raise coded(code)
    badge = content.get("badge", 0)
    if not _number(badge) or not 0 <= badge < 2**31:
        raise coded("40025")
    arguments = content.get("localizedArguments", [])
    if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
        raise coded("40028")
    if not _number(content.get("time_to_live", 0)) or content.get("time_to_live", 0) < 0:
        raise coded("40030")
    if "content-available" in content and (
        not isinstance(content["content-available"], int) or isinstance(content["content-available"], bool)
    ):
        raise coded("40031")
    return {**content, "badge": int(badge), "time_to_live": int(min(content.get("time_to_live", MAX_TTL), MAX_TTL))}


def setting() -> str:
    """The value of a setting. Raises Refusal."""
    value = _object().get("value")
    if not isinstance(value, str):
        raise missing("value")
    return value


def flag() -> str:
    """The value of a setting that is on or off. Raises Refusal."""
    value = setting()
    if value not in ("true", "false"):
        raise Refusal(400, errors.NO_FLAG)
    return value


def number() -> str:
    """The value of a setting that is a whole number. Raises Refusal."""
    value = setting()
    if not (value.isascii() and value.isdigit() and len(value) < 8):
        raise Refusal(400, errors.NO_NUMBER)
    return value


def password() -> bytes:
    """The value of a setting that is a password. Raises Refusal for one that cannot be stored."""
    try:
        return setting().encode()
    except UnicodeEncodeError as error:
        raise Refusal(400, errors.BROKEN_JSON) from error


def file() -> bytes:
    """The file of a setting that is one, sent as the part ``file`` of a form. Raises Refusal."""
    if request.mimetype != "multipart/form-data":
        raise Refusal(400, errors.NO_FORM)
    sent = request.files.get("file")
    content = b"" if sent is None else sent.stream.read()
    if not content:
        raise Refusal(400, errors.NO_FILE)
    return content


def _users(body: dict[str, Any]) -> tuple[str, ...]:
    if "users" not in body:
        raise coded("40023")
    users = body["users"]
    if not isinstance(users, list) or not all(isinstance(one, str) for one in users):
        raise coded("40022")
    return tuple(dict.fromkeys(users))


def _profiles(body: dict[str, Any], *, lenient: bool) -> tuple[int, ...]:
    """The older route takes for a number what can be read as one."""
    given = body.get("profiles", [1])
    if not isinstance(given, list):
        raise coded("40021")
    numbers = tuple(dict.fromkeys(_profile(one, lenient) for one in given))
    if any(number not in PROFILES for number in numbers):
        raise coded("40021")
    return numbers or (1,)


def _profile(given: Any, lenient: bool) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    readable = lenient and isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 3
    return int(given) if readable else 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and (value < 2**63 and math.isfinite(value))


def _login_data(value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refusal(400, errors.WRONG_LOGIN_DATA)
    try:
        data = decoded(value.encode(errors="replace"))
    except Malformed as error:
        raise Refusal(400, errors.WRONG_LOGIN_DATA) from error
    if not isinstance(data, dict):
        raise Refusal(400, errors.WRONG_LOGIN_DATA)
    system, token = data.get("os"), data.get("pushToken", data.get("deviceId"))
    if not isinstance(system, str) or not isinstance(token, str) or not token.strip():
        raise Refusal(400, errors.WRONG_LOGIN_DATA)
    return system, token


def _field(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise missing(name)
    return value


def _object() -> dict[str, Any]:
    body = _document()
    if not isinstance(body, dict):
        raise Refusal(400, errors.BROKEN_JSON)
    return body


def _document() -> Any:
    """The JSON of this request. Raises Refusal."""
    sent = request.get_data(cache=True)
    if not sent:
        raise coded("40011")
    if not request.is_json:
        raise Refusal(400, errors.NOT_JSON)
    try:
        body = decoded(sent)
    except Malformed as error:
        raise Refusal(400, errors.BROKEN_JSON) from error
    if body is None:
        raise coded("40011")
    return body
