"""From this API's messages to the engine's: each is a Send of a message of its own, known by a short form of its id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from tocsin.api.dialects.mobilefirst.access import Caller
from tocsin.api.dialects.mobilefirst.bodies import Body, document, text, texts
from tocsin.api.dialects.mobilefirst.broadcasts import BROADCAST, EXPRESSION
from tocsin.api.dialects.mobilefirst.devices import own_ids
from tocsin.api.dialects.mobilefirst.errors import BAD_PAYLOAD, Refusal, invalid, missing
from tocsin.api.dialects.mobilefirst.payloads import messages
from tocsin.api.dialects.mobilefirst.platforms import PLATFORMS, engine_platforms
from tocsin.api.dialects.mobilefirst.tags import sorted_out
from tocsin.api.dialects.mobilefirst.values import Settings
from tocsin.api.dialects.settings import through
from tocsin.api.reads import reading
from tocsin.api.services import services
from tocsin.commands.ids import new_id
from tocsin.commands.people import user
from tocsin.domain.audience import Audience
from tocsin.domain.message import Message
from tocsin.domain.send import RequestSend
from tocsin.projections import devices

TYPES = (1, 2, 3)
"""Push, SMS, both."""

SMS = 2
WINDOWS = "windows"

PART = "mobilefirst:part"
"""Labels a send that is part of a message, and no message of its own."""

MOST_IN_BULK = 1000

TARGETS = {
    "deviceIds": "deviceIds",
    "userIds": "userIds",
    "consumerIds": "userIds",
    "platform": "platforms",
    "platforms": "platforms",
    "tagNames": "tagNames",
    "phoneNumber": "phoneNumber",
}
"""What a target may name, by all the words for it there ever were."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message to be sent: the push that says it, and the parts of it that travel apart."""

    send_id: UUID
    push: RequestSend
    parts: tuple[RequestSend, ...]

    @property
    def requests(self) -> dict[UUID, RequestSend]:
        """All of it, by the ids the sends are to have."""
        return {self.send_id: self.push, **{new_id(): part for part in self.parts}}


def part_of(identifier: str) -> str:
    """The label of the parts of a message."""
    return f"{PART}:{identifier}"


def wanted(caller: Caller, bulk: bool) -> list[Wanted]:
    """What this request wants sent. Raises Refusal."""
    given = document()
    messages_given = _in_bulk(given) if bulk else [given]
    if not messages_given or len(messages_given) > MOST_IN_BULK:
        raise Refusal(BAD_PAYLOAD, "messages")
    return [_wanted(caller, one) for one in messages_given]


def _in_bulk(given: Any) -> list[Any]:
    """The messages of a bulk: a list, or as the manual prints it, an object whose only member is one."""
    if isinstance(given, dict) and len(given) == 1:
        (given,) = given.values()
    if not isinstance(given, list):
        raise Refusal(BAD_PAYLOAD, "messages")
    return given


def _wanted(caller: Caller, given: Any) -> Wanted:
    if not isinstance(given, dict):
        raise Refusal(BAD_PAYLOAD, "message")
    shown = given.get("message", given.get("messages"))
    if not isinstance(shown, dict):
        raise invalid("message")
    kind = given.get("notificationType") or TYPES[0]
    if isinstance(kind, bool) or kind not in TYPES:
        raise invalid("notificationType")
    settings = Settings.of(given.get("settings"), "settings")
    audience = _by_text_message() if kind == SMS else _audience(caller, given.get("target"))
    send_id, url = new_id(), Settings(shown, "message").text("url")
    identifier = services().handles.of(send_id)
    whole, *parts = messages(identifier, text(shown, "alert"), url, settings)
    push = RequestSend(message=whole, audience=audience, now=services().engine.clock())
    return Wanted(send_id, push, tuple(_part(push, identifier, one) for one in parts if _is_for_windows(audience)))


def _part(push: RequestSend, identifier: str, message: Message) -> RequestSend:
    audience = replace(push.audience, platforms=(WINDOWS,))
    return replace(push, message=message, audience=audience, labels=(PART, part_of(identifier)))


def _is_for_windows(audience: Audience) -> bool:
    return not audience.platforms or WINDOWS in audience.platforms


def _by_text_message() -> Audience:
    """Devices that are reached by SMS alone: they are told of as left out, as nothing here sends any."""
    return Audience(everyone=True, platforms=("sms",))


def _audience(caller: Caller, target: Any) -> Audience:
    """Whom a message is for. Without a target, whoever has not left broadcasts. Raises Refusal."""
    if target is not None and not isinstance(target, dict):
        raise invalid("target")
    given: Body = target or {}
    named = {TARGETS[word]: word for word in TARGETS if given.get(word) not in (None, [], "")}
    if len(named) > 1 and named.get("platforms") == "platform":
        # An unknown word beside a known one means nothing: a published client sends it with every message.
        del named["platforms"]
    if len(named) > 1:
        raise Refusal(BAD_PAYLOAD, "target")
    assert caller.application is not None
    apis = through(caller.application.settings)
    if not named:
        _refuse_empty(given)
        return Audience(expression=EXPRESSION, through=apis)
    ((kind, word),) = named.items()
    return _named(caller.app_id, kind, word, texts(given, word), apis)


def _refuse_empty(given: Body) -> None:
    """A list of nobody is not everybody."""
    for word in TARGETS:
        if given.get(word) is not None:
            raise invalid(word)


def _named(app_id: UUID, kind: str, word: str, names: tuple[str, ...], apis: tuple[str, ...]) -> Audience:
    match kind:
        case "deviceIds":
            return Audience(devices=_devices(app_id, names), through=apis)
        case "userIds":
            digest = services().engine.digest
            return Audience(users=tuple(user(digest, app_id, name) for name in names), through=apis)
        case "platforms":
            return Audience(everyone=True, platforms=_platforms(word, names), through=apis)
        case "tagNames":
            return _tagged(app_id, names, apis)
    return Audience(devices=_with_phones(app_id, names), through=apis)


def _devices(app_id: UUID, names: tuple[str, ...]) -> tuple[UUID, ...]:
    """Those that are devices of the app. Raises Refusal where none is."""
    found = set(own_ids(app_id, names).values())
    apps = services().engine.record.apps_of(found) if found else {}
    known = tuple(sorted(own for own in found if apps.get(own) == app_id))
    if not known:
        raise missing("deviceIds", "deviceIds")
    return known


def _with_phones(app_id: UUID, numbers: tuple[str, ...]) -> tuple[UUID, ...]:
    with reading("devices") as connection:
        found = devices.devices_by_phone(connection, app_id, numbers)
    if not found:
        raise missing("devices", "phoneNumber")
    return tuple(sorted(row.device_id for row in found))


def _platforms(word: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The platforms of these letters, several of which may stand in one string. Raises Refusal."""
    letters = [letter.strip() for name in names for letter in name.split(",")]
    if any(letter not in PLATFORMS for letter in letters):
        raise invalid(word)
    return tuple(dict.fromkeys(platform for letter in letters for platform in engine_platforms(letter)))


def _tagged(app_id: UUID, names: tuple[str, ...], apis: tuple[str, ...]) -> Audience:
    """Devices with any of the tags. Raises Refusal where one of them is none."""
    known, unknown = sorted_out(app_id, names)
    if unknown:
        raise missing("tagNames", "tags")
    expression = EXPRESSION if BROADCAST in known else None
    return Audience(tags=tuple(tag for tag in known if tag != BROADCAST), expression=expression, through=apis)
