"""What the devices get: the keys that the product's libraries for Apple, Android and Windows look for.

``nid`` is the message's id, which a phone reports back. ``payload`` is what the sender adds, as JSON in a string, with
the id once more.
"""

from __future__ import annotations

from typing import Any

from tocsin.api.dialects.mobilefirst.values import Settings, as_json, present
from tocsin.api.dialects.mobilefirst.windows import for_windows
from tocsin.domain.device import LARGEST_BADGE
from tocsin.domain.message import MAX_TTL, Message

ID = "nid"

PRIORITIES = ("min", "low", "default", "high", "max")
PATIENT = ("min", "low")
"""Priorities for which a phone need not be woken."""

VISIBILITIES = ("public", "private", "secret")


def messages(identifier: str, alert: str, url: str | None, settings: Settings) -> tuple[Message, ...]:
    """A message for every provider, and what devices of Windows get besides: tiles and badges travel apart there.

    Raises Refusal by the name of the setting that cannot be.
    """
    apns, gcm, wns = (settings.below(name) for name in ("apns", "gcm", "wns"))
    silent = apns.word("type", "default", "mixed", "silent") == "silent"
    for name in ("chromeWeb", "firefoxWeb", "safariWeb", "chromeAppExt"):
        settings.below(name)
    windows, *further = for_windows(identifier, alert, wns)
    whole = Message(
        body=alert,
        url=url,
        data={ID: identifier},
        collapse_id=apns.text("apnsCollapseId"),
        apns=_for_apple(identifier, alert, apns, silent),
        apns_push_type="background" if silent else None,
        fcm=_for_android(identifier, alert, url, gcm),
        wns=windows,
    )
    return whole, *(Message(body=alert, data={ID: identifier}, wns=one) for one in further)


def payload(identifier: str, settings: Settings) -> str:
    """What the sender adds, with the message's id."""
    return as_json({**(settings.json_object("payload") or {}), ID: identifier})


def _for_apple(identifier: str, alert: str, apns: Settings, silent: bool) -> dict[str, Any]:
    attachment = apns.text("attachmentUrl")
    shown = present(
        {
            "sound": apns.text("sound"),
            "badge": apns.number("badge", 0, LARGEST_BADGE),
            "category": apns.text("interactiveCategory", "category"),
            "thread-id": apns.text("apnsThreadId"),
            "mutable-content": None if attachment is None else 1,
        }
    )
    alerted = _alert(alert, apns)
    wakes = silent or apns.word("type", "default", "mixed", "silent") == "mixed"
    aps = {"alert": None} if silent else {"alert": alerted, **shown}
    return {
        "aps": {**aps, **({"content-available": 1} if wakes else {})},
        "payload": payload(identifier, apns),
        **present({"attachment-url": attachment}),
    }


def _alert(alert: str, apns: Settings) -> dict[str, Any]:
    return present(
        {
            "body": alert,
            "title": apns.text("title"),
            "subtitle": apns.text("subtitle"),
            "action-loc-key": apns.text("iosActionKey"),
            "launch-image": apns.text("launchImage"),
            "loc-key": apns.text("locKey"),
            "loc-args": apns.texts("locArgs"),
            "title-loc-key": apns.text("titleLocKey"),
            "title-loc-args": apns.texts("titleLocArgs"),
            "summary-arg": apns.text("apnsGroupSummaryArg"),
            "summary-arg-count": apns.number("apnsGroupSummaryArgCount", 0, LARGEST_BADGE),
        }
    )


def _for_android(identifier: str, alert: str, url: str | None, gcm: Settings) -> dict[str, Any]:
    """Data alone: the library itself makes the notification of it."""
    priority = gcm.word("priority", *PRIORITIES)
    ttl = gcm.number("timeToLive", 0, MAX_TTL)
    patient = priority in PATIENT or gcm.flag("delayWhileIdle")
    data = {
        "alert": alert,
        "url": url,
        "payload": payload(identifier, gcm),
        "has-template": "0",
        "type": (gcm.word("type", "default", "silent") or "default").upper(),
        "androidTitle": gcm.text("androidTitle", "androidtitle", "title"),
        "priority": priority,
        "visibility": gcm.word("visibility", *VISIBILITIES),
        "sound": gcm.text("sound"),
        "icon": gcm.text("icon"),
        "category": gcm.text("category"),
        "interactiveCategory": gcm.text("interactiveCategory"),
        "redact": gcm.text("redact"),
        "bridge": _said(gcm.flag("bridge")),
        "sync": _said(gcm.flag("sync")),
        "groupId": gcm.text("groupId"),
        "lights": _lights(gcm.below("lights")),
        "style": _style(gcm.below("style")),
    }
    android = {
        "collapse_key": gcm.text("collapseKey"),
        "priority": "NORMAL" if patient else "HIGH",
        "ttl": None if ttl is None else f"{ttl}s",
        "notification": None,
    }
    return {"notification": None, "data": present(data), "android": android}


def _lights(lights: Settings) -> str | None:
    """How its light flashes, under the names the library reads."""
    found = present(
        {
            "ledARGB": lights.text("ledArgb", "ledARGB"),
            "ledOnMS": lights.text("ledOnMs", "ledOnMS"),
            "ledOffMS": lights.text("ledOffMs", "ledOffMS"),
        }
    )
    return as_json(found) if found else None


def _style(style: Settings) -> str | None:
    """How it unfolds: a picture, a long text, lines."""
    kind = style.text("type", "notification_type")
    found = present(
        {
            "type": None if kind is None else kind.lower(),
            "title": style.text("title"),
            "url": style.text("url"),
            "text": style.text("text"),
            "lines": style.texts("lines"),
        }
    )
    return as_json(found) if found else None


def _said(flag: bool | None) -> str | None:
    return None if flag is None else str(flag).lower()
