"""FCM device groups: ``/fcm/notification``, create, add, remove and look up.

Source: Google's "Send messages to device groups on Android".
"""

import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tocsin.sandbox.access_tokens import AccessTokens
from tocsin.sandbox.exchange import Answer, Refused, Request, json_answer, read_json

MAX_MEMBERS = 20


@dataclass(slots=True)
class Group:
    """A device group: the key that stands for it, and its registration tokens."""

    key: str
    members: set[str]


@dataclass(slots=True)
class DeviceGroups:
    """The device groups of the sandbox's one project, by name."""

    tokens: AccessTokens
    groups: dict[str, Group] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        self._check_sender(request)
        if request.method == "GET":
            name = parse_qs(request.query).get("notification_key_name", [""])[0]
            return _key_answer(self._group(name))
        if request.method != "POST":
            raise Refused(405, "use POST, or GET to look up a notification_key")
        return self._change(_document(request))

    def reset(self) -> None:
        self.groups.clear()

    def _check_sender(self, request: Request) -> None:
        by_access_token = request.headers.get("access_token_auth") == "true"
        if not by_access_token or not self.tokens.good("fcm", request.bearer()):
            raise Refused(401, "Unauthorized")
        if not request.headers.get("project_id"):
            raise Refused(401, "project_id header is missing")

    def _change(self, document: dict[str, Any]) -> Answer:
        changes = {"create": self._create, "add": self._add, "remove": self._remove}
        change = changes.get(document.get("operation", ""))
        if change is None:
            raise Refused(400, "operation must be create, add or remove")
        name, tokens = document.get("notification_key_name"), _registration_ids(document)
        if not isinstance(name, str) or not name:
            raise Refused(400, "notification_key_name is missing")
        return _key_answer(change(name, tokens, document))

    def _create(self, name: str, tokens: set[str], _document: dict[str, Any]) -> Group:
        if name in self.groups:
            raise Refused(400, "notification_key already exists")
        group = self.groups[name] = Group("APA91b" + secrets.token_urlsafe(48), _bounded(tokens))
        return group

    def _add(self, name: str, tokens: set[str], document: dict[str, Any]) -> Group:
        group = self._named_and_keyed(name, document)
        group.members = _bounded(group.members | tokens)
        return group

    def _remove(self, name: str, tokens: set[str], document: dict[str, Any]) -> Group:
        """A group whose last member is removed is gone."""
        group = self._named_and_keyed(name, document)
        group.members -= tokens
        if not group.members:
            del self.groups[name]
        return group

    def _named_and_keyed(self, name: str, document: dict[str, Any]) -> Group:
        group = self._group(name)
        if document.get("notification_key") != group.key:
            raise Refused(400, "notification_key_name doesn't match the group name of the notification_key")
        return group

    def _group(self, name: str) -> Group:
        try:
            return self.groups[name]
        except KeyError:
            raise Refused(400, "notification_key not found") from None


def refuse_group(refused: Refused) -> Answer:
    return json_answer(refused.status, {"error": refused.reason})


def _key_answer(group: Group) -> Answer:
    return json_answer(200, {"notification_key": group.key})


def _document(request: Request) -> dict[str, Any]:
    try:
        document = read_json(request.body)
    except ValueError as error:
        raise Refused(400, "the body is not JSON") from error
    if not isinstance(document, dict):
        raise Refused(400, "the body is not a JSON object")
    return document


def _registration_ids(document: dict[str, Any]) -> set[str]:
    tokens = document.get("registration_ids")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) and token for token in tokens):
        raise Refused(400, "no valid registration ids")
    return set(tokens)


def _bounded(members: set[str]) -> set[str]:
    if len(members) > MAX_MEMBERS:
        raise Refused(400, f"a device group has at most {MAX_MEMBERS} members")
    return members
