"""Subscriptions of devices to tags: by id, by pair, by list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request

from tocsin.api.dialects.mobilefirst import lists, representations, subscriptions
from tocsin.api.dialects.mobilefirst.access import Caller, authorized
from tocsin.api.dialects.mobilefirst.bodies import body, text, texts
from tocsin.api.dialects.mobilefirst.broadcasts import SILENCED, subscribing, tag_named, unsubscribing
from tocsin.api.dialects.mobilefirst.chapters import IN_APPLICATION, chapter
from tocsin.api.dialects.mobilefirst.devices import own_id, standing
from tocsin.api.dialects.mobilefirst.errors import (
    NO_SUBSCRIPTION,
    PARAMETER_MISSING,
    SUBSCRIPTION_EXISTS,
    Refusal,
    answer,
    insufficient_scope,
    invalid,
    nothing,
)
from tocsin.api.dialects.mobilefirst.representations import ANONYMOUS
from tocsin.api.dialects.mobilefirst.tags import no_such_tag, sorted_out
from tocsin.api.dialects.routing import serving
from tocsin.api.reads import reading
from tocsin.api.requests import context
from tocsin.api.services import services
from tocsin.api.writes import readable
from tocsin.commands.devices import DeviceResult, change_device
from tocsin.commands.engine import Done, Loaded
from tocsin.commands.people import USER
from tocsin.domain.device import Device
from tocsin.projections import devices as read_model
from tocsin.projections.devices import SubscribedDevice
from tocsin.projections.pages import Slice

READ, WRITE = "subscriptions.read", "subscriptions.write"
REFERENCE = "devices.write"
"""What the manual's own examples show, besides, where a subscription is named by its id."""

SERVES = ("devices", "audience")
FILTERS = {"tagName": lists.ANY, "deviceId": lists.ANY, lists.PLATFORM: lists.EQUAL}
FIELDS = {"tagName": "tag", "deviceId": "device"}

MULTI_STATUS = 207
SEVERAL_MOST = 1000

blueprint = chapter("subscriptions", f"{IN_APPLICATION}/subscriptions")
serves = serving(blueprint)


@serves("GET", "")
def list_all(application_id: str) -> Response:
    """The subscriptions, or those of a device, a tag, a user. A phone asks for its own."""
    caller = authorized(application_id, READ, mobile=True)
    where, device = lists.place(), lists.narrowed("deviceId")
    if caller.mobile and device is None:
        raise insufficient_scope(f"{READ} push.application.{application_id}")
    found = _slice(caller.app_id, device, where)
    return lists.listed(
        "subscriptions", found, lambda one: subscriptions.of_row(application_id, one.device, one.tag), where
    )


def _slice(app_id: UUID, device: str | None, where: lists.Place) -> Slice[SubscribedDevice]:
    matching = lists.on_devices(lists.filters(FILTERS), FIELDS)
    own = own_id(app_id, device) if device is not None else None
    if device is not None and own is None:
        return Slice((), 0)
    tag, user = lists.narrowed("tagName"), lists.narrowed("userId")
    with reading("devices") as connection:
        return read_model.slice_subscriptions(
            connection,
            app_id,
            device_id=own,
            tag=tag_named(tag) if tag is not None else None,
            user_digest=services().digest(USER, user) if user not in (None, ANONYMOUS) else None,
            has_user=False if user == ANONYMOUS else None,
            but=(SILENCED,),
            matching=matching,
            offset=where.offset,
            limit=where.size,
        )


@serves("POST", "")
def subscribe(application_id: str) -> Response:
    """Subscribe a device to a tag, or to several; with ``?action=delete``, take it off them."""
    caller = authorized(application_id, WRITE, mobile=True)
    given = body()
    loaded = standing(caller.app_id, text(given, "deviceId"))
    if request.args.get("action", "").lower() == "delete":
        return _unsubscribe_several(caller, loaded, _names(given))
    if given.get("tagNames") is not None:
        return _subscribe_several(caller, loaded, _names(given))
    return _subscribe_one(caller, loaded, text(given, "tagName"))


@serves("DELETE", "")
def unsubscribe(application_id: str) -> Response:
    """Take a device off a tag; both are named by the query."""
    caller = authorized(application_id, WRITE, mobile=True)
    for name in ("deviceId", "tagName"):
        if lists.narrowed(name) is None:
            raise Refusal(PARAMETER_MISSING, name)
    loaded = standing(caller.app_id, request.args["deviceId"])
    return _unsubscribe_one(caller, loaded.stream_id, tag_named(request.args["tagName"]), "tagName")


@serves("GET", "/<identifier>")
def get(application_id: str, identifier: str) -> Response:
    """One subscription, and its device as a list of one."""
    caller = authorized(application_id, READ, REFERENCE, mobile=True)
    row, tag = subscriptions.subscription_by_id(caller.app_id, identifier)
    phone = representations.device(application_id, representations.of_row(row), expand=False)
    page = lists.page_info(Slice((row,), 1), lists.Place(0, 1))
    return answer(200, {"devices": [phone], "pageInfo": page, **subscriptions.of_row(application_id, row, tag)})


@serves("DELETE", "/<identifier>")
def delete(application_id: str, identifier: str) -> Response:
    """End a subscription; device and tag stay."""
    caller = authorized(application_id, WRITE, REFERENCE, mobile=True)
    row, tag = subscriptions.subscription_by_id(caller.app_id, identifier)
    return _unsubscribe_one(caller, row.device_id, tag, "subscriptionId")


def _subscribe_one(caller: Caller, loaded: Loaded[Device], name: str) -> Response:
    known, unknown = sorted_out(caller.app_id, (name,))
    if unknown:
        raise no_such_tag()
    (tag,) = known
    done = _change(caller, loaded.stream_id, subscribing(tag))
    if not done.changed:
        raise Refusal(SUBSCRIPTION_EXISTS, "tagName")
    return readable(answer(201, subscriptions.of_state(caller.application_id, loaded, tag)), done.position, SERVES)


def _unsubscribe_one(caller: Caller, own: UUID, tag: str, name: str) -> Response:
    done = _change(caller, own, unsubscribing(tag) if tag != SILENCED else [])
    if not done.changed:
        raise Refusal(NO_SUBSCRIPTION, name)
    return readable(nothing(), done.position, SERVES)


def _subscribe_several(caller: Caller, loaded: Loaded[Device], names: tuple[str, ...]) -> Response:
    assert loaded.state is not None
    known, unknown = sorted_out(caller.app_id, names)
    held = loaded.state.tags
    done = _change(caller, loaded.stream_id, [command for tag in known for command in subscribing(tag)])
    existing, made = ([_shown(caller, loaded, tag) for tag in known if (tag in held) is was] for was in (True, False))
    body = subscriptions.outcome(unknown, existing, made)
    return readable(answer(MULTI_STATUS, body), done.position, SERVES)


def _unsubscribe_several(caller: Caller, loaded: Loaded[Device], names: tuple[str, ...]) -> Response:
    """What was held is told as existing; what was not, as not found."""
    assert loaded.state is not None
    tags = tuple(dict.fromkeys(map(tag_named, names)))
    held = [tag for tag in tags if tag in loaded.state.tags - {SILENCED}]
    done = _change(caller, loaded.stream_id, [command for tag in held for command in unsubscribing(tag)])
    unknown = [tag for tag in tags if tag not in held]
    body = subscriptions.outcome(unknown, [_shown(caller, loaded, tag) for tag in held], ())
    return readable(answer(MULTI_STATUS, body), done.position, SERVES)


def _names(given: dict[str, Any]) -> tuple[str, ...]:
    names = texts(given, "tagNames") or texts(given, "tagName")
    if not names or len(names) > SEVERAL_MOST:
        raise invalid("tagNames")
    return names


def _shown(caller: Caller, loaded: Loaded[Device], tag: str) -> dict[str, str]:
    return subscriptions.of_state(caller.application_id, loaded, tag)


def _change(caller: Caller, own: UUID, commands: list[Any]) -> Done[DeviceResult]:
    return change_device(services().engine, context(caller.actor, caller.scope), caller.app_id, own, *commands)
