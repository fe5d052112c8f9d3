"""What a message may say, and how one recipient's changes go into it."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.domain.errors import Invalid
from tocsin.domain.message import Message, Priority, check_message, personalised


@pytest.mark.parametrize(
    "message",
    [
        Message(body="Fire"),
        Message(title="Fire"),
        Message(silent=True, data={"sync": True}),
        Message(silent=True, apns={"aps": {"content-available": 1}}),
        Message(badge=0),
        Message(sound="bell.caf"),
        Message(fcm={"notification": {"title_loc_key": "fire"}}),
        Message(body="x", ttl=0, badge=3, image="https://example.org/map.png", data={"a": [1, {"b": None}]}),
        Message(body="x", ttl=2_419_200),
        Message(body="x" * 4096),
        Message(body="\ud7ff\ue000"),
        Message(body="x", data={"a": "x" * (4096 - len('{"a":""}'))}),
    ],
)
def test_a_message_that_shows_or_tells_something_is_taken(message: Message) -> None:
    check_message(message)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({}, "message"),
        ({"data": {"a": 1}}, "message"),
        ({"silent": True}, "message.data"),
        ({"silent": True, "body": "x", "data": {"a": 1}}, "message.silent"),
        ({"body": " "}, "message.body"),
        ({"body": "x" * 4097}, "message.body"),
        ({"body": "x\0"}, "message.body"),
        ({"body": "x\ud800"}, "message.body"),
        ({"body": "y\udfff"}, "message.body"),
        ({"body": "x", "data": {"a": "x" * (4097 - len('{"a":""}'))}}, "message.data"),
        ({"body": "x", "badge": -1}, "message.badge"),
        ({"body": "x", "badge": True}, "message.badge"),
        ({"body": "x", "ttl": -1}, "message.ttl"),
        ({"body": "x", "ttl": 2_419_201}, "message.ttl"),
        ({"body": "x", "image": "http://example.org/a.png"}, "message.image"),
        ({"body": "x", "image": "https://[broken"}, "message.image"),
        ({"body": "x", "image": "https:///a.png"}, "message.image"),
        ({"body": "x", "collapse_id": ""}, "message.collapse_id"),
        ({"body": "x", "data": {"from": 1}}, "message.data"),
        ({"body": "x", "data": {"aps": {}}}, "message.data"),
        ({"body": "x", "data": {"google.c": 1}}, "message.data"),
        ({"body": "x", "data": {"tocsin_push_id": "x"}}, "message.data"),
        ({"body": "x", "data": {" ": 1}}, "message.data"),
        ({"body": "x", "data": {"a": "x" * 4096}}, "message.data"),
        ({"body": "x", "wns": {"body": "x" * 6000}}, "message.wns"),
        ({"body": "x", "apns": {"aps": {"badge": float("nan")}}}, "message.apns"),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused_with_its_field(members: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_message(Message(**members))
    assert refusal.value.facts["field"] == field


def test_personal_data_is_merged_key_by_key_and_everything_else_replaced() -> None:
    message = Message(title="All", body="Fire", data={"floor": 3, "door": "A"}, priority=Priority.NORMAL)
    changes = {"title": "Ann", "data": {"door": "B"}, "body": None}
    assert personalised(message, changes) == Message(
        title="Ann", data={"floor": 3, "door": "B"}, priority=Priority.NORMAL
    )


def test_a_personal_message_leaves_the_common_one_as_it_is() -> None:
    message = Message(body="Fire", data={"floor": 3})
    personalised(message, {"data": {"floor": 4}})
    assert message == Message(body="Fire", data={"floor": 3})


@pytest.mark.parametrize("changes", [{"colour": "red"}, {"badge": "many"}, {"data": None}, {"priority": "huge"}])
def test_personal_changes_that_do_not_fit_a_message_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refusal:
        personalised(Message(body="x"), changes, "personal.3.message")
    assert refusal.value.facts["field"] == "personal.3.message"
