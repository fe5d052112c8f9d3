"""What each provider is sent: the same for the same push, never larger than announced, and well-formed."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any
from uuid import UUID, uuid5
from xml.etree import ElementTree

import msgspec
import pytest
from firebase_admin import _messaging_encoder, messaging
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.message import Message, Priority
from tocsin.domain.payloads import (
    PUSH_ID,
    apns_collapse_id,
    apns_headers,
    apns_payload,
    apns_topic,
    fcm_body,
    fcm_complete,
    fcm_message,
    merged,
    payload_size,
    push_id,
    wns_notification,
    wns_tag,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
optional_texts = st.none() | texts
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
keys = st.from_regex(r"[a-z]{1,12}", fullmatch=True).filter(lambda key: key not in ("from", "aps", "google", "gcm"))
ids = st.uuids()

messages = st.builds(
    Message,
    title=optional_texts,
    subtitle=optional_texts,
    body=optional_texts,
    data=st.dictionaries(keys, json_values, max_size=4),
    badge=st.none() | st.integers(0, 99999),
    sound=optional_texts,
    category=optional_texts,
    thread_id=optional_texts,
    url=optional_texts,
    image=optional_texts,
    collapse_id=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80),
    silent=st.booleans(),
    mutable=st.booleans(),
    priority=st.sampled_from(Priority),
    ttl=st.none() | st.integers(0, 10**7),
)

FULL = Message(
    title="Évacuation",
    subtitle="Bâtiment 3",
    body="Quittez <b>&</b> ne revenez pas",
    data={"room": 12, "open": True, "note": "x", "list": [1, None]},
    badge=2,
    sound="siren.caf",
    category="ALARM",
    thread_id="incident-7",
    url="https://example.org/incidents/7",
    image="https://example.org/map.png",
    collapse_id="incident-7",
)
ID = UUID("11111111-2222-5333-8444-555555555555")


@given(messages, ids, st.none() | st.floats(0, 10**7))
def test_what_is_sent_is_never_larger_than_announced(message: Message, push: UUID, ttl: float | None) -> None:
    assert len(msgspec.json.encode(apns_payload(message, push))) == payload_size("apns", message)
    assert len(wns_notification(message, push, ttl).body.encode()) == payload_size("wns", message)
    sent = fcm_message(message, push, "token", ttl)
    parts = [sent.get("notification"), sent["data"], sent["android"].get("notification")]
    counted = sum(len(key.encode()) + len(str(value).encode()) for part in parts for key, value in (part or {}).items())
    assert counted <= payload_size("fcm", message)


@given(messages, ids)
def test_rendering_changes_nothing_and_gives_the_same_again(message: Message, push: UUID) -> None:
    before = msgspec.json.encode(message)
    for render in (
        lambda: apns_payload(message, push),
        lambda: apns_headers(message, push, "com.example.app", 17.0),
        lambda: fcm_message(message, push, "token", 60.0),
        lambda: wns_notification(message, push, 60.0),
    ):
        assert render() == render()
    assert msgspec.json.encode(message) == before


@given(messages, st.lists(ids, min_size=2, max_size=2, unique=True))
def test_a_body_rendered_once_serves_every_device(message: Message, pushes: list[UUID]) -> None:
    body = fcm_body(message)
    completed = [fcm_complete(body, push, "token", 5.0) for push in pushes]
    assert completed == [fcm_message(message, push, "token", 5.0) for push in pushes]
    assert body == fcm_body(message)


@given(messages, ids)
def test_every_payload_carries_the_push_id_unless_it_is_a_plain_link_or_badge(message: Message, push: UUID) -> None:
    assert apns_payload(message, push)[PUSH_ID] == str(push)
    assert fcm_message(message, push, "t", None)["data"][PUSH_ID] == str(push)
    notification = wns_notification(message, push, None)
    if notification.type == "wns/raw":
        assert json.loads(notification.body)[PUSH_ID] == str(push)


@given(messages, ids)
def test_headers_are_printable_and_within_apples_limits(message: Message, push: UUID) -> None:
    headers = apns_headers(message, push, "com.example.app", 1_700_000_000.9)
    assert all(re.fullmatch(r"[!-~]([ -~]*[!-~])?", value) for value in headers.values())
    assert len(headers["apns-collapse-id"]) <= 64
    assert headers["apns-priority"] == "5" or headers["apns-push-type"] != "background"


@given(messages, ids)
def test_toasts_and_badges_are_xml_whatever_the_text(message: Message, push: UUID) -> None:
    notification = wns_notification(message, push, None)
    if notification.type != "wns/raw":
        ElementTree.fromstring(notification.body)
    assert re.fullmatch(r"[A-Za-z0-9]{1,16}", wns_tag(message, push))


@given(messages, ids)
def test_google_gets_strings_as_data(message: Message, push: UUID) -> None:
    assert all(isinstance(value, str) for value in fcm_message(message, push, "t", None)["data"].values())


@given(json_values, json_values)
def test_merging_is_a_merge_patch(base: Any, patch: Any) -> None:
    def as_the_rfc_says(target: Any, change: Any) -> Any:
        if not isinstance(change, dict):
            return change
        result = dict(target) if isinstance(target, dict) else {}
        for name, value in change.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = as_the_rfc_says(result.get(name), value)
        return result

    if isinstance(base, dict) and isinstance(patch, dict):
        assert merged(base, patch) == as_the_rfc_says(base, patch)


def test_the_push_id_is_the_uuid5_of_send_and_device() -> None:
    send, device = UUID(int=1), UUID(int=2)
    assert push_id(send, device) == uuid5(send, str(device))


def test_an_alert_for_apple() -> None:
    assert apns_payload(FULL, ID) == {
        "aps": {
            "alert": {"title": "Évacuation", "subtitle": "Bâtiment 3", "body": "Quittez <b>&</b> ne revenez pas"},
            "badge": 2,
            "sound": "siren.caf",
            "category": "ALARM",
            "thread-id": "incident-7",
            "mutable-content": 1,
        },
        "url": "https://example.org/incidents/7",
        "image": "https://example.org/map.png",
        **FULL.data,
        PUSH_ID: str(ID),
    }
    assert apns_headers(FULL, ID, "com.example.app", 99.5) == {
        "apns-id": str(ID),
        "apns-topic": "com.example.app",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-collapse-id": "incident-7",
        "apns-expiration": "99",
    }


def test_a_silent_message_for_apple_shows_nothing() -> None:
    message = Message(silent=True, data={"sync": 1})
    assert apns_payload(message, ID) == {"aps": {"content-available": 1}, "sync": 1, PUSH_ID: str(ID)}
    headers = apns_headers(message, ID, "com.example.app", None)
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("background", "5")
    assert "apns-expiration" not in headers


def test_a_message_that_must_not_be_stored_expires_at_once() -> None:
    assert apns_headers(Message(title="x", ttl=0), ID, "t", 99.0)["apns-expiration"] == "0"


@pytest.mark.parametrize(
    ("kind", "topic"),
    [("voip", "a.b.voip"), ("liveactivity", "a.b.push-type.liveactivity"), ("location", "a.b.location-query")],
)
def test_a_push_type_makes_its_topic(kind: str, topic: str) -> None:
    message = Message(title="x", apns_push_type=kind)
    assert apns_topic(message, "a.b") == apns_topic(message, topic) == topic


def test_a_message_for_google() -> None:
    assert fcm_message(FULL, ID, "token", 60.7) == {
        "token": "token",
        "notification": {
            "title": "Évacuation",
            "body": "Quittez <b>&</b> ne revenez pas",
            "image": "https://example.org/map.png",
        },
        "data": {
            "subtitle": "Bâtiment 3",
            "thread_id": "incident-7",
            "url": "https://example.org/incidents/7",
            "room": "12",
            "open": "true",
            "note": "x",
            "list": "[1,null]",
            PUSH_ID: str(ID),
        },
        "android": {
            "priority": "HIGH",
            "ttl": "60s",
            "collapse_key": "incident-7",
            "notification": {
                "sound": "siren.caf",
                "click_action": "ALARM",
                "notification_count": 2,
                "tag": "incident-7",
            },
        },
    }


def test_google_is_told_an_installation_id_apart_from_a_registration_token() -> None:
    installation = "cXyZ0123456789abcdefgh"
    assert fcm_message(FULL, ID, installation, None)["fid"] == installation
    assert "token" not in fcm_message(FULL, ID, installation, None)
    assert fcm_message(FULL, ID, installation + ":APA91b", None)["token"] == installation + ":APA91b"


def test_googles_own_model_says_the_same_of_a_message() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = messaging.Message(
            token="token",
            data={"room": "12", PUSH_ID: str(ID)},
            notification=messaging.Notification(title="T", body="B", image="https://example.org/map.png"),
            android=messaging.AndroidConfig(
                collapse_key="incident-7",
                priority="high",
                ttl=60,
                notification=messaging.AndroidNotification(
                    sound="siren", click_action="ALARM", notification_count=2, tag="incident-7"
                ),
            ),
        )
    message = Message(
        title="T",
        body="B",
        image="https://example.org/map.png",
        data={"room": 12},
        sound="siren",
        category="ALARM",
        badge=2,
        collapse_id="incident-7",
    )
    encoded = json.loads(json.dumps(_messaging_encoder.MessageEncoder().default(theirs)))
    ours = fcm_message(message, ID, "token", 60)
    ours["android"]["priority"] = ours["android"]["priority"].lower()
    assert ours == encoded


def test_a_toast_for_windows() -> None:
    notification = wns_notification(FULL, ID, 60.7)
    toast = ElementTree.fromstring(notification.body)
    assert [text.text for text in toast.iter("text")] == [FULL.title, FULL.subtitle, FULL.body]
    assert [image.get("src") for image in toast.iter("image")] == [FULL.image]
    assert json.loads(toast.get("launch", "")) == {"url": FULL.url, **FULL.data, PUSH_ID: str(ID)}
    assert notification.headers == {
        "X-WNS-Type": "wns/toast",
        "Content-Type": "text/xml",
        "X-WNS-RequestForStatus": "true",
        "X-WNS-Tag": wns_tag(FULL, ID),
        "X-WNS-TTL": "60",
    }


def test_windows_opens_a_link_where_there_is_no_data() -> None:
    toast = ElementTree.fromstring(wns_notification(Message(title="x", url="https://x/?a=1&b=2"), ID, None).body)
    assert (toast.get("activationType"), toast.get("launch")) == ("protocol", "https://x/?a=1&b=2")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (Message(badge=3), "wns/badge"),
        (Message(badge=3, title="x"), "wns/toast"),
        (Message(silent=True, data={"a": 1}), "wns/raw"),
        (Message(title="x", wns={"type": "wns/raw", "body": "hello"}), "wns/raw"),
    ],
)
def test_the_kind_of_a_windows_notification(message: Message, kind: str) -> None:
    assert wns_notification(message, ID, None).type == kind


def test_the_senders_own_values_win() -> None:
    assert apns_collapse_id(Message(collapse_id="mine"), ID) == "mine"
    assert apns_collapse_id(Message(), ID) == str(ID)
    tagged = Message(title="x", fcm={"android": {"notification": {"tag": "mine"}, "ttl": "5s"}})
    android = fcm_message(tagged, ID, "t", 60.0)["android"]
    assert (android["notification"]["tag"], android["ttl"]) == ("mine", "5s")
    assert wns_tag(Message(collapse_id="mine"), ID) == "mine"
    own = Message(title="x", wns={"headers": {"x-wns-tag": "mine", "X-WNS-Group": "g"}})
    headers = wns_notification(own, ID, None).headers
    assert (headers["x-wns-tag"], headers["X-WNS-Group"], "X-WNS-Tag" in headers) == ("mine", "g", False)


def test_overrides_are_laid_over_last_and_null_removes() -> None:
    message = Message(title="x", sound="s", apns={"aps": {"sound": None, "interruption-level": "critical"}, "k": 1})
    payload = apns_payload(message, ID)
    assert payload["aps"] == {"alert": {"title": "x"}, "interruption-level": "critical"}
    assert payload["k"] == 1
    assert "notification" not in fcm_message(Message(title="x", fcm={"notification": None}), ID, "t", None)
    assert fcm_message(Message(title="x", fcm={"data": {"n": 5}}), ID, "t", None)["data"]["n"] == "5"
    assert fcm_message(Message(title="x", fcm={"data": None, "android": None}), ID, "t", None)["data"] == {
        PUSH_ID: str(ID)
    }
