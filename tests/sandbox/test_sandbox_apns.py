"""What the stand-in for APNs accepts, and with which status and reason it refuses the rest."""

from __future__ import annotations

from sandbox_clients import ALERT, TOKEN, apns, send

from tocsin.sandbox.server import SandboxHandle

APNS_ID = "123E4567-E89B-12D3-A456-42661417400A"


def test_a_good_push_is_answered_with_its_own_id_and_shown_on_the_device(sandbox: SandboxHandle) -> None:
    answer = send(sandbox, apns(sandbox, headers={"apns-id": APNS_ID}))
    assert (answer.status, answer.headers["apns-id"], answer.body) == (200, APNS_ID, b"")
    (push,) = sandbox.received()
    assert (push["provider"], push["token"], push["payload"]) == ("apns", TOKEN, ALERT)
    assert (push["message_id"], push["topic"]) == (APNS_ID, "com.example.app")
    assert push["headers"]["apns-push-type"] == "alert"
