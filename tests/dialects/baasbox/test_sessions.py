"""How long a session lasts, what a sign-in may bring with it, and whom an app's settings shut out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from patience import PATIENCE

from dialects.baasbox.client import Client
from tocsin.api.services import Services
from tocsin.commands.context import Context
from tocsin.commands.settings import change_settings
from tocsin.commands.users import create_user
from tocsin.domain.entry import system
from tocsin.domain.events.user import SessionExtended

Setting = Callable[..., None]
Clock = Callable[[timedelta], None]


@pytest.fixture
def setting(services: Services, app_id: UUID) -> Iterator[Setting]:
    """Changes the app's settings of this API; they are empty again afterwards."""

    def store(own: Mapping[str, Any]) -> None:
        change_settings(services.engine, Context(system("test")), app_id, "baasbox", lambda _: own)

    yield lambda **own: store(own)
    store({})


@pytest.fixture
def later(services: Services, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Moves the engine's clock on, once all that was recorded can be read."""
    began = services.engine.clock()

    def move(passed: timedelta) -> None:
        assert services.waiter.wait_for(services.record.head().position, ["users"], PATIENCE)
        monkeypatch.setattr(services.engine, "clock", lambda: began + passed)

    return move


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def is_open(client: Client) -> bool:
    answer = client.get("/me")
    assert (answer.status_code, answer.json.get("bb_code")) in ((200, None), (401, "40101"))
    return answer.status_code == 200


def test_a_session_lasts_as_long_as_it_is_used(
    anonymous: Client, services: Services, setting: Setting, later: Clock
) -> None:
    setting(session_timeout=10)
    user = anonymous.signed_up("sliding")

    for at in (9, 18, 27):
        later(minutes(at))
        assert is_open(user)
    later(minutes(27 + 13))
    assert not is_open(user)
    later(minutes(28))
    assert is_open(user)


def test_using_a_session_is_an_event_only_so_often(
    anonymous: Client, services: Services, setting: Setting, later: Clock
) -> None:
    setting(session_timeout=10)
    user = anonymous.signed_up("frugal")
    user_id = UUID(user.get("/me").json["data"]["id"])

    for second in range(20):
        later(timedelta(seconds=second))
        assert is_open(user)
    later(minutes(5))
    assert is_open(user)
    extended = [entry for entry in services.record.load(user_id) if isinstance(entry.fact, SessionExtended)]
    assert len(extended) == 1


@pytest.mark.parametrize("timeout", [{}, {"session_timeout": 0}])
def test_a_session_without_a_time_out_lasts_for_ever(
    anonymous: Client, setting: Setting, later: Clock, timeout: dict[str, int]
) -> None:
    setting(**timeout)
    user = anonymous.signed_up(f"lasting-{len(timeout)}")

    later(timedelta(days=3650))
    assert is_open(user)


def test_a_session_ends_with_its_signing_out_alone(anonymous: Client) -> None:
    first = anonymous.signed_up("twice")
    form = {"username": "twice", "password": "secret twice", "appcode": anonymous.appcode}
    second = Client(anonymous.app, None, session=anonymous.post("/login", form).json["data"]["X-BB-SESSION"])

    assert first.post("/logout").json == {"result": "ok", "data": "user logged out", "http_code": 200}
    assert (is_open(first), is_open(second)) == (False, True)


@pytest.mark.parametrize("field", ["username", "password", "appcode"])
def test_a_sign_in_lacks_something(anonymous: Client, field: str) -> None:
    body = {"username": "ann", "password": "p", "appcode": anonymous.appcode}
    del body[field]

    for answer in (anonymous.post("/login", body), anonymous.app.test_client().post("/login", data=body)):
        assert (answer.status_code, answer.json["message"]) == (400, f"The '{field}' field is missing")


def test_a_wrong_password_is_told_in_these_words(anonymous: Client, ann: Client) -> None:
    body = {"username": "ann", "password": "wrong", "appcode": anonymous.appcode}

    assert anonymous.post("/login", body).json["message"] == "user ann unauthorized"


@pytest.mark.parametrize(
    ("group", "shut", "open_"),
    [
        ("send", [("POST", "/push/message"), ("POST", "/push/message/ann")], ("PUT", "/push/disable/t")),
        (
            "receive",
            [("PUT", "/push/enable/ios/t"), ("PUT", "/push/device/ios/t"), ("PUT", "/push/disable/t")],
            ("POST", "/push/message/ann"),
        ),
    ],
)
def test_a_group_of_endpoints_may_be_disabled(
    ann: Client, setting: Setting, group: str, shut: list[tuple[str, str]], open_: tuple[str, str]
) -> None:
    setting(disabled_endpoints=[f"baasbox.notifications.{group}"])

    for method, path in shut:
        answer = ann.call(method, path, {"message": "m", "users": []})
        assert (answer.status_code, answer.json["message"]) == (403, "Endpoint has been disabled")
    assert ann.call(*open_, {"message": "m"}).status_code == 200
    assert ann.get("/me").status_code == 200


def test_a_user_of_the_server_itself_does_not_call_it(anonymous: Client, services: Services, app_id: UUID) -> None:
    context = Context(system("test"))
    done = create_user(services.engine, context, app_id, "inner", password="p", roles=("internal",))
    assert services.waiter.wait_for(done.position, ["users"], PATIENCE)

    said = (403, "The user inner cannot access via REST")
    login = anonymous.post("/login", {"username": "inner", "password": "p", "appcode": anonymous.appcode})
    called = Client(anonymous.app, anonymous.appcode, ("inner", "p")).get("/me")
    for answer in (login, called):
        assert (answer.status_code, answer.json["message"]) == said


def test_a_date_is_told_to_the_millisecond(ann: Client) -> None:
    told = ann.get("/me").json["data"]["signUpDate"]

    assert datetime.strptime(told, "%Y-%m-%dT%H:%M:%S.%f%z").utcoffset() == timedelta(0)
    assert len(told) == len("2015-06-16T16:20:32.032+0200")
