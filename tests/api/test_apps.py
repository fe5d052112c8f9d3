"""Apps, their credentials and their providers over HTTP."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from calling import AppendsNothing, Caller
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from tocsin.commands.apps import INSTANCE
from tocsin.eventlog.record import Record

SIGNING = {"topic": "org.example.campus", "key_id": "ABC1234567", "team_id": "TEAM123456"}


def signing_key() -> str:
    """A .p8 file such as Apple gives out."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_an_app_is_created_read_changed_disabled_and_enabled(admin: Caller) -> None:
    created = admin.post("/v1/apps", {"name": "Campus", "hosts": ["Alerts.Example.org"], "settings": {"x": {"y": 1}}})
    assert created.status_code == 201
    app_id = created.json["app_id"]
    assert created.headers["Location"] == f"/v1/apps/{app_id}"
    campus = admin.of_app(app_id)
    found = campus.get("").json
    assert found["hosts"] == ["alerts.example.org"]
    assert {name: found[name] for name in created.json} == created.json
    assert found["position"] == int(created.headers["Tocsin-Position"])
    assert campus.patch("", {"name": "Campus North"}).json["name"] == "Campus North"
    assert campus.get("").json["settings"] == {"x": {"y": 1}}
    assert campus.post("/disable", {"reason": "holidays"}).json["disabled"] is True
    refused = campus.post("/devices", {"platform": "ios"})
    assert (refused.status_code, refused.json["code"]) == (409, "conflict")
    assert campus.post("/enable").json["disabled"] is False
    assert campus.post("/devices", {"platform": "ios"}).status_code == 201
    types = [event["type"] for event in campus.get("/history").json["items"]]
    assert types == ["app.created", "app.updated", "app.disabled", "app.enabled"]


def test_a_host_belongs_to_one_app(admin: Caller, appends_nothing: AppendsNothing) -> None:
    host = f"{uuid4()}.example.org"
    assert admin.post("/v1/apps", {"name": "One", "hosts": [host]}).status_code == 201
    with appends_nothing():
        assert admin.post("/v1/apps", {"name": "Two", "hosts": [host]}).status_code == 409


def test_an_app_is_read_as_it_was_at_a_position_and_at_a_time(campus: Caller) -> None:
    before = campus.get("").json
    time_between = datetime.now(UTC).isoformat()
    campus.patch("", {"name": "Later"})
    assert campus.get("").json["name"] == "Later"
    for moment in (str(before["position"]), time_between):
        was = campus.get("", query_string={"as_of": moment}).json
        assert (was["name"], was["position"], was["created_at"]) == (
            "Campus",
            before["position"],
            before["created_at"],
        )
    assert campus.get(f"?as_of={before['position'] - 1}").status_code == 404
    assert campus.get(f"?as_of={10**12}").json["field"] == "as_of"
    assert campus.get("?as_of=yesterday").json["field"] == "as_of"
    tomorrow = campus.get("", query_string={"as_of": (datetime.now(UTC) + timedelta(days=1)).isoformat()})
    assert (tomorrow.status_code, tomorrow.json["field"]) == (422, "as_of")
    assert campus.get("?as_of=2026-01-01T00:00:00").json["field"] == "as_of"


def test_the_instances_admin_lists_every_app_page_by_page(admin: Caller) -> None:
    created = [admin.post("/v1/apps", {"name": f"App {number}"}).json["app_id"] for number in range(3)]
    found, address = [], "/v1/apps?limit=2"
    while True:
        answer = admin.get(address)
        assert len(answer.json["items"]) <= 2
        found += [one["app_id"] for one in answer.json["items"]]
        if answer.json["next"] is None:
            assert "Link" not in answer.headers
            break
        address = f"/v1/apps?limit=2&cursor={answer.json['next']}"
        assert answer.headers["Link"] == f'<{address}>; rel="next"'
    assert found[0] == str(INSTANCE)
    assert found[-3:] == created
    assert len(set(found)) == len(found)


def test_a_token_is_shown_once_and_opens_what_its_roles_allow(campus: Caller, record: Record) -> None:
    issued = campus.post("/credentials", {"name": "console", "roles": ["auditor", "auditor"]})
    assert issued.status_code == 201
    assert issued.headers["Cache-Control"] == "no-store"
    secret, credential_id = issued.json["secret"], issued.json["credential_id"]
    assert (issued.json["roles"], issued.json["secret_shown"]) == (["auditor"], "now")
    found = campus.get(f"/credentials/{credential_id}")
    assert "secret" not in found.json
    assert campus.with_token(secret).get("/credentials").json["items"][-1] == found.json
    position = record.head().position
    campus.delete(f"/credentials/{credential_id}?reason=lost")
    assert campus.get(f"/credentials/{credential_id}").json["revoked"] is True
    assert campus.get(f"/credentials/{credential_id}?as_of={position}").json["revoked"] is False
    past = campus.get(f"/credentials/{credential_id}/history").json["items"]
    assert [event["type"] for event in past] == ["app.credential_issued", "app.credential_revoked"]
    assert past[1]["data"]["reason"] == "lost"


def test_a_bearer_token_names_roles_and_is_not_chosen(campus: Caller, appends_nothing: AppendsNothing) -> None:
    with appends_nothing():
        for body, field in (
            ({"name": "x"}, "roles"),
            ({"name": "x", "roles": ["king"]}, "roles.0"),
            ({"name": "x", "roles": ["admin"], "secret": "chosen-by-somebody"}, "secret"),
            ({"name": "x", "roles": ["admin"], "kind": "session"}, "kind"),
            ({"name": "", "roles": ["admin"]}, "name"),
        ):
            answer = campus.post("/credentials", body)
            assert (answer.status_code, answer.json["field"]) == (422, field), body


def test_a_dialects_credential_keeps_the_secret_its_clients_have(campus: Caller) -> None:
    body = {"name": "x", "kind": "app-secret", "dialect": "other", "public_id": str(uuid4()), "secret": "s" * 20}
    assert campus.post("/credentials", body).json["secret"] == "s" * 20
    taken = campus.post("/credentials", {**body, "name": "y"})
    assert (taken.status_code, taken.json["field"]) == (409, "public_id")


def test_a_clients_credential_says_what_its_tokens_may_be_for(campus: Caller) -> None:
    body = {"name": "x", "kind": "client", "dialect": "other", "public_id": str(uuid4()), "scope": "messages.* tags.*"}
    issued = campus.post("/credentials", body).json
    assert issued["scope"] == "messages.* tags.*"
    assert campus.get(f"/credentials/{issued['credential_id']}").json["scope"] == "messages.* tags.*"
    assert campus.post("/credentials", {**body, "scope": ""}).status_code == 422


def test_a_providers_secret_comes_as_text_as_base64_or_as_a_file_and_never_goes_out(campus: Caller) -> None:
    key = signing_key()
    as_text = campus.put("/providers/apns", {"configuration": SIGNING, "secret": key})
    assert (as_text.status_code, as_text.json["configuration"]["authentication"]) == (200, "token")
    encoded = base64.b64encode(key.encode()).decode()
    again = campus.put("/providers/apns", {"configuration": SIGNING, "secret_base64": encoded})
    assert "Tocsin-Position" not in again.headers, "the same configuration again is no event"
    form = {"configuration": json.dumps(SIGNING), "secret": (io.BytesIO(key.encode()), "AuthKey.p8")}
    uploaded = campus.app.test_client().put(
        f"{campus.prefix}/providers/apns?profile=beta",
        data=form,
        headers={"Authorization": f"Bearer {campus.token}", "Content-Type": "multipart/form-data"},
    )
    assert uploaded.json["fingerprint"] == as_text.json["fingerprint"]
    listed = campus.get("/providers")
    assert [one["profile"] for one in listed.json["items"]] == ["beta", "default"]
    for answer in (as_text, uploaded, listed, campus.get("/providers/apns"), campus.get("/providers/apns/history")):
        assert "PRIVATE" not in answer.text
        assert key[40:80] not in answer.text


def test_a_provider_is_removed_and_read_as_it_was(campus: Caller, record: Record) -> None:
    campus.put("/providers/wns", {"configuration": {"client_id": "one"}, "secret": "y"})
    position = record.head().position
    campus.put("/providers/wns", {"configuration": {"client_id": "two"}, "secret": "y"})
    assert campus.get("/providers/wns").json["configuration"] == {"client_id": "two"}
    assert campus.get(f"/providers/wns?as_of={position}").json["configuration"] == {"client_id": "one"}
    assert campus.delete("/providers/wns").status_code == 204
    assert campus.get("/providers/wns").status_code == 404
    assert campus.delete("/providers/wns").status_code == 404
    types = [event["type"] for event in campus.get("/providers/wns/history").json["items"]]
    assert types == ["app.provider_configured", "app.provider_configured", "app.provider_removed"]
    assert campus.get("/providers/fcm/history").status_code == 404


def test_what_is_wrong_with_a_provider_is_said_without_its_secret(
    campus: Caller, appends_nothing: AppendsNothing
) -> None:
    wrong = "-----BEGIN PRIVATE KEY-----\nsecret-stuff\n-----END PRIVATE KEY-----"
    with appends_nothing():
        for provider, body, field in (
            ("apns", {"configuration": SIGNING, "secret": wrong}, "secret"),
            (
                "apns",
                {"configuration": {**SIGNING, "topic": "no topic"}, "secret": signing_key()},
                "configuration.topic",
            ),
            ("apns", {"configuration": {}, "secret": signing_key()}, "configuration.topic"),
            ("fcm", {"configuration": {}, "secret": '{"type": "secret-stuff"}'}, "secret"),
            ("wns", {"configuration": {"client_id": "x", "nonsense": 1}, "secret": "secret-stuff"}, "configuration"),
            ("wns", {"configuration": {"client_id": "x"}}, "secret"),
            ("wns", {"configuration": {"client_id": "x"}, "secret": "a", "secret_base64": "YQ=="}, "secret"),
            ("wns", {"configuration": {"client_id": "x"}, "secret_base64": "%"}, "secret_base64"),
            ("gcm", {"configuration": {}, "secret": "x"}, "provider"),
        ):
            answer = campus.put(f"/providers/{provider}", body)
            assert (answer.status_code, answer.json["field"]) == (422, field), answer.text
            assert "secret-stuff" not in answer.text


def test_no_answer_error_event_or_log_holds_a_secret(app: Flask, campus: Caller, caplog) -> None:  # type: ignore[no-untyped-def]
    caplog.set_level("DEBUG")
    key = signing_key()
    campus.put("/providers/apns", {"configuration": SIGNING, "secret": key})
    issued = campus.post("/credentials", {"name": "x", "roles": ["admin"]}).json["secret"]
    user = campus.post("/users", {"name": "ada", "password": "correct horse battery"}).json["user_id"]
    campus.with_token(issued + "x").get("/devices")
    addresses = ["", "/history", "/credentials", "/providers", "/users", f"/users/{user}/history", "/events?limit=1000"]
    texts = [campus.get(address).text for address in addresses] + [caplog.text]
    for secret in (key[40:90], issued, issued.rpartition("_")[2], "correct horse battery", "argon2"):
        assert not any(secret in text for text in texts)
