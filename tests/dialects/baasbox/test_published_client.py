"""BaasBox's JavaScript SDK, as it is published in npm, against everything that runs; and what is recorded of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE, eventually
from system.instance import Instance

CLIENT = Path(__file__).with_name("published_client")
TOKEN = "published-baasbox-phone"
NAME, PASSWORD, FRIEND = "ada.sdk", "s3cRe+ of ada", "ben.sdk"
MESSAGE = {"message": "Doors close at six", "users": [NAME, FRIEND], "custom": {"room": 7}, "time_to_live": 60}


@dataclass(frozen=True)
class Played:
    """What the SDK was answered, and all that was recorded meanwhile."""

    said: dict[str, Any]
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def played(instance: Instance, npm_project: Callable[[Path], Path]) -> Played:
    """A friend of the SDK's user has a phone; then the SDK plays its session, and the push arrives."""
    known = instance.environment()
    url, appcode = known["TOCSIN_URL"], known["BAASBOX_APPCODE"]
    account = {"username": FRIEND, "password": "s3cRe+ of ben"}
    friend = instance.request("POST", f"{url}/user", json=account, headers={"X-BAASBOX-APPCODE": appcode})
    assert friend.ok, friend.text
    session = {"X-BB-SESSION": friend.json()["data"]["X-BB-SESSION"]}
    assert instance.request("PUT", f"{url}/push/enable/android/{TOKEN}", headers=session).ok
    before = instance.call("GET", "/events?limit=1000")["next"]
    told = {"ENDPOINT": url, "APPCODE": appcode, "NAME": NAME, "PASSWORD": PASSWORD, "MESSAGE": json.dumps(MESSAGE)}
    said = play(npm_project(CLIENT), told)
    eventually(lambda: instance.sandbox.received(token=TOKEN), "the push arrives", every=0.1)

    def recorded() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = instance.call("GET", f"/events?limit=1000&cursor={before}")["items"]
        return events if any(event["type"] == "send.completed" for event in events) else []

    return Played(said, eventually(recorded, "the send ends", every=0.1))


def test_it_signs_up_in_and_out(played: Played) -> None:
    signed_up, signed_in = played.said["signup"], played.said["login"]

    assert (signed_up["username"], signed_up["roles"]) == (NAME, ["registered"])
    assert signed_up["visibleByTheUser"] == {"colour": "green"}
    assert played.said["logout"] == {"data": "ok", "message": "User logged out"}
    assert signed_in["username"] == NAME
    assert signed_in["token"] not in (None, signed_up["token"])
    assert played.said["me"]["data"]["user"]["name"] == NAME


def test_it_is_told_why_it_is_refused(played: Played) -> None:
    told = {name: played.said[name] for name in ("refused", "nobody", "unknown")}

    assert {name: (one["status"], one["body"]["message"]) for name, one in told.items()} == {
        "refused": (401, f"user {NAME} unauthorized"),
        "nobody": (404, "Username not found"),
        "unknown": (404, "API not found"),
    }


def test_its_push_arrives(instance: Instance, played: Played) -> None:
    (push,) = instance.sandbox.received(token=TOKEN)
    message = push["payload"]["message"]

    assert played.said["push"]["data"] == "Push Notification(s) has been sent"
    assert (message["data"]["message"], json.loads(message["data"]["custom"])) == ("Doors close at six", {"room": 7})
    assert message["android"]["ttl"] == "60s"


def test_everything_it_sent_is_in_the_record(played: Played) -> None:
    ours = [event for event in played.events if event["actor"]["dialect"] == "baasbox"]

    assert [event["type"] for event in ours] == [
        "user.created",
        "user.credential_changed",
        "user.session_opened",
        "user.session_closed",
        "user.session_opened",
        "send.requested",
        "send.started",
    ]
    assert {event["actor"]["address"] for event in ours} == {"127.0.0.1"}
    assert all(event["actor"]["credential"] for event in ours)
    ada = next(event["subject"] for event in ours if event["type"] == "user.created")
    assert [event["actor"]["principal"] for event in ours[-2:]] == [f"user:{ada}"] * 2


def test_no_secret_of_it_is_in_the_record(played: Played) -> None:
    told = json.dumps(played.events)

    for secret in (PASSWORD, played.said["signup"]["token"], played.said["login"]["token"]):
        assert secret not in told


def play(project: Path, told: dict[str, str]) -> dict[str, Any]:
    """What the session prints, with ``told`` in its environment."""
    done = subprocess.run(
        ["node", "session.cjs"],
        cwd=project,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said
