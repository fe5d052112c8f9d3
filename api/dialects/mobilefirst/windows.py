"""Toasts, tiles, badges and raw notifications of Windows, made of their settings: "Toast schema" (Microsoft)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from tocsin.api.dialects.mobilefirst.errors import invalid
from tocsin.api.dialects.mobilefirst.values import Settings, as_json, present
from tocsin.domain.message import MAX_TTL

_TEMPLATE = "ToastGeneric"
_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def for_windows(identifier: str, alert: str, wns: Settings) -> list[dict[str, Any] | None]:
    """The overrides for WNS, one for each notification that a device gets; None is a toast with the text.

    First what says the message: the toast, or where there is none but something raw, that. Then a tile and a badge.
    Raises Refusal.
    """
    made = {kind: make(identifier, alert, wns.below(kind)) for kind, make in _MAKERS.items() if kind in wns}
    common, tag = _headers(wns), _tag(wns.below("tile"))
    found: list[dict[str, Any] | None] = []
    if "toast" not in made and "raw" not in made:
        found.append({"headers": common} if common else None)
    for kind, body in made.items():
        headers = {**common, "X-WNS-Tag": tag} if kind == "tile" and tag else common
        found.append({"type": f"wns/{kind}", "body": body, "headers": headers})
    return found


def _headers(wns: Settings) -> dict[str, str]:
    cached, seconds = wns.flag("cachePolicy"), wns.number("expirationTime", 0, MAX_TTL)
    return present(
        {
            "X-WNS-Cache-Policy": None if cached is None else "cache" if cached else "no-cache",
            "X-WNS-TTL": None if seconds is None else str(seconds),
        }
    )


def _toast(identifier: str, alert: str, toast: Settings) -> str:
    launch = toast.text("launch") or as_json({"nid": identifier, "alert": alert})
    attributes = {"launch": launch, "duration": toast.word("duration", "short", "long")}
    bindings = _bindings(toast.below("visual"))
    shown = bindings or f'<binding template="{_TEMPLATE}"><text>{escape(_xml(alert))}</text></binding>'
    audio = toast.below("audio")
    sound = present(
        {"src": audio.text("src"), "silent": _said(audio.flag("silent")), "loop": _said(audio.flag("loop"))}
    )
    heard = f"<audio{_attributes(sound)}/>" if sound else ""
    return f"<toast{_attributes(attributes)}><visual>{shown}</visual>{heard}</toast>"


def _tile(_identifier: str, alert: str, tile: Settings) -> str:
    visual = tile.below("visual")
    bindings = _bindings(visual)
    shown = bindings or f'<binding template="TileMedium"><text>{escape(_xml(alert))}</text></binding>'
    return f"<tile><visual{_attributes(_of_visual(visual))}>{shown}</visual></tile>"


def _raw(identifier: str, _alert: str, raw: Settings) -> str:
    return as_json({**(raw.json_object("payload") or {}), "nid": identifier})


def _badge(_identifier: str, _alert: str, badge: Settings) -> str:
    return f"<badge{_attributes({'value': badge.text('value') or '0', 'version': badge.text('version')})}/>"


_MAKERS: dict[str, Callable[[str, str, Settings], str]] = {
    "toast": _toast,
    "raw": _raw,
    "tile": _tile,
    "badge": _badge,
}


def _tag(tile: Settings) -> str | None:
    """By which a tile replaces another."""
    tag = tile.text("tag")
    if tag is not None and not _TAG.fullmatch(tag):
        raise invalid("settings.wns.tile.tag")
    return tag


def _bindings(visual: Settings) -> str:
    return "".join(map(_binding, visual.several("binding")))


def _binding(binding: Settings) -> str:
    attributes = {name: binding.text(name) for name in ("template", "fallback", "lang", "branding", "baseUri")}
    if attributes["template"] is None:
        raise invalid("settings.wns.visual.binding.template")
    texts = [_text(number, text) for number, text in enumerate(binding.several("text"), 1)]
    images = [_image(number, image) for number, image in enumerate(binding.several("image"), 1)]
    return f"<binding{_attributes(attributes)}>{''.join([*images, *texts])}</binding>"


def _text(number: int, text: Settings) -> str:
    attributes = {"id": text.text("id") or str(number), "lang": text.text("lang")}
    return f"<text{_attributes(attributes)}>{escape(_xml(text.text('content') or ''))}</text>"


def _image(number: int, image: Settings) -> str:
    source = image.text("src")
    if source is None:
        raise invalid("settings.wns.visual.binding.image.src")
    attributes = {"id": image.text("id") or str(number), "src": source, "alt": image.text("alt")}
    return f"<image{_attributes(attributes)}/>"


def _of_visual(visual: Settings) -> dict[str, str | None]:
    return {name: visual.text(name) for name in ("version", "lang", "baseUri", "branding")}


def _attributes(values: Mapping[str, str | None]) -> str:
    return "".join(f" {name}={quoteattr(_xml(value))}" for name, value in values.items() if value is not None)


def _said(flag: bool | None) -> str | None:
    return None if flag is None else str(flag).lower()


def _xml(text: str) -> str:
    """XML 1.0 cannot hold every character, not even escaped (2.2)."""
    return _NOT_XML.sub("\ufffd", text)
