"""What no provider would take is refused before it is sent to anybody."""

from __future__ import annotations

import pytest

from tocsin.domain.errors import Invalid
from tocsin.domain.message import Message
from tocsin.domain.payloads import (
    LIMITS,
    PayloadTooLarge,
    check_payload,
    payload_limit,
    payload_size,
)


@pytest.mark.parametrize("provider", ["apns", "fcm", "wns"])
def test_a_message_one_byte_too_long_is_refused_with_its_size_and_limit(provider: str) -> None:
    spare = LIMITS[provider] - payload_size(provider, Message(title="x", body="a")) + 1
    check_payload(provider, Message(title="x", body="a" * spare))
    with pytest.raises(PayloadTooLarge) as caught:
        check_payload(provider, Message(title="x", body="a" * (spare + 1)))
    limit = LIMITS[provider]
    assert caught.value.facts == {"field": "message", "provider": provider, "size": limit + 1, "limit": limit}


def test_calls_may_be_larger_than_alerts() -> None:
    assert payload_limit("apns", Message(title="x", apns_push_type="voip")) == 5120
    check_payload("apns", Message(body="a" * 4800, apns_push_type="voip"))


@pytest.mark.parametrize(
    ("provider", "message", "field"),
    [
        ("apns", Message(data={"aps": {}}), "data.aps"),
        ("apns", Message(apns={"aps": "x"}), "apns.aps"),
        ("apns", Message(apns={"aps": None}), "apns.aps"),
        ("apns", Message(apns_push_type="shout"), "apns_push_type"),
        ("fcm", Message(fcm={"topic": "everyone"}), "fcm.topic"),
        ("fcm", Message(fcm={"condition": "x"}), "fcm.condition"),
        ("fcm", Message(fcm={"token": "somebody-else"}), "fcm.token"),
        ("fcm", Message(fcm={"data": "x"}), "fcm.data"),
        ("fcm", Message(fcm={"android": {"notification": 5}}), "fcm.android.notification"),
        ("fcm", Message(data={"from": "x"}), "data.from"),
        ("fcm", Message(fcm={"data": {"google.x": "1"}}), "data.google.x"),
        ("wns", Message(wns={"kind": "x"}), "wns.kind"),
        ("wns", Message(wns={"type": "wns/song"}), "wns.type"),
        ("wns", Message(wns={"type": "wns/tile"}), "wns.body"),
        ("wns", Message(wns={"body": {}}), "wns.body"),
        ("wns", Message(wns={"headers": []}), "wns.headers"),
        ("wns", Message(wns={"headers": {"Authorization": "x"}}), "wns.headers.Authorization"),
        ("wns", Message(wns={"headers": {"X-WNS-Type": "wns/raw"}}), "wns.headers.X-WNS-Type"),
        ("wns", Message(wns={"headers": {"X-WNS-Tag": "a\r\nb: c"}}), "wns.headers.X-WNS-Tag"),
        ("wns", Message(wns={"headers": {"X-WNS-Tag": 5}}), "wns.headers.X-WNS-Tag"),
        ("apns", Message(title="\ud800"), "message"),
    ],
)
def test_what_a_provider_would_refuse_of_everybody_is_refused_at_once(
    provider: str, message: Message, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_payload(provider, message)
    assert caught.value.facts["field"] == field
