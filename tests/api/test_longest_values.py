"""Whatever is allowed fits into every read model, at its longest and of characters that nothing compresses."""

from __future__ import annotations

import random

from calling import Caller, token

from tocsin.domain.app import MAX_NAME, MAX_SCOPE
from tocsin.domain.send import MAX_LABELS
from tocsin.domain.tags import MAX_TAG

_drawn = random.Random(7)


def longest(characters: int) -> str:
    """Characters of four bytes each in UTF-8, none of which says anything of the next."""
    return "".join(chr(_drawn.randrange(0x20000, 0x2A6D0)) for _ in range(characters))


def test_the_longest_device_and_the_longest_send_are_read_as_they_were_sent(campus: Caller) -> None:
    tags = sorted(longest(MAX_TAG) for _ in range(3))
    device = {
        "platform": "android",
        "token": token(1),
        "user": longest(MAX_NAME),
        "alias": longest(MAX_NAME),
        "external_id": longest(MAX_NAME),
        "properties": {longest(MAX_NAME): longest(700)},
        "attributes": {"a" * 64: longest(255)},
        "tags": tags,
    }
    created = campus.post("/devices", device)
    assert created.status_code == 201, created.json
    found = campus.get_readable(created.headers["Location"]).json
    assert {name: found[name] for name in device} == device
    labels = [longest(255) for _ in range(MAX_LABELS)]
    requested = campus.post(
        "/sends", {"audience": {"tags": tags}, "name": longest(255), "labels": labels, "message": {"body": "b"}}
    )
    assert requested.status_code == 202, requested.json
    assert campus.get_readable(requested.headers["Location"]).json["labels"] == labels


def test_the_longest_credential_is_read_and_one_beyond_is_refused_by_its_field(campus: Caller) -> None:
    form = {
        "name": longest(MAX_NAME),
        "kind": "client",
        "dialect": longest(MAX_NAME),
        "public_id": longest(MAX_NAME),
        "scope": longest(MAX_SCOPE),
    }
    issued = campus.post("/credentials", form)
    assert issued.status_code == 201, issued.json
    found = campus.get_readable(issued.headers["Location"]).json
    assert {name: found[name] for name in form} == form
    refused = campus.post("/credentials", {**form, "public_id": longest(MAX_NAME + 1)})
    assert (refused.status_code, refused.json["field"]) == (422, "public_id")
