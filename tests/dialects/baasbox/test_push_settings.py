"""The push settings: each key, for administrators alone; certificates in two halves; and nothing secret is shown."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import UUID

import pytest

from dialects.baasbox.client import Client
from dialects.service_account import service_account
from tocsin.api.services import Services
from tocsin.commands.apps import change_app, create_app, load_enabled
from tocsin.commands.context import Context
from tocsin.commands.providers import configure_provider
from tocsin.domain.app import UpdateApp
from tocsin.domain.entry import system
from tocsin.sandbox.certificates import make_apns_client, make_authority

PATH = "/admin/configuration/Push/"
CERTIFICATE = "profile{}.{}.ios.certificate"
APPLE = make_apns_client(make_authority(), "org.example.chat")
KEYS = [
    *(f"profile{number}.push.{name}" for number in (1, 2, 3)
      for name in ("sandbox.enable", "apple.timeout", "profile.enable")),
    *(f"profile{number}.{mode}.{name}" for number in (1, 2, 3) for mode in ("sandbox", "production")
      for name in ("android.api.key", "ios.certificate", "ios.certificate.password")),
]  # fmt: skip


@pytest.fixture(scope="module")
def app_id(services: Services) -> UUID:
    """An app that no provider is configured for."""
    return create_app(services.engine, Context(system("test")), "Chat").result.app_id


def put(client: Client, key: str, value: Any) -> Any:
    return client.put(PATH + key, {"value": value})


def upload(client: Client, key: str, content: bytes, part: str = "file") -> Any:
    boundary = "x-boundary"
    body = io.BytesIO()
    body.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="push.p12"\r\n\r\n'.encode())
    body.write(content + f"\r\n--{boundary}--\r\n".encode())
    return client.call("PUT", PATH + key, body.getvalue(), Content_Type=f"multipart/form-data; boundary={boundary}")


@pytest.mark.parametrize("key", KEYS)
def test_an_administrator_may_read_each_key(admin: Client, key: str) -> None:
    answer = admin.get(PATH + key)

    assert answer.status_code == 200
    assert list(answer.json["data"]) == [key]


@pytest.mark.parametrize(
    "key",
    ["profile4.push.profile.enable", "profile1.ios.certificate", "profile1.test.android.api.key", "profile1.",
     "profile1.sandbox.push.apple.timeout", "push.profile.enable", "profile1.push.profile.enable.x"],
)  # fmt: skip
def test_there_is_no_other_key(admin: Client, key: str) -> None:
    for answer in (admin.get(PATH + key), put(admin, key, "true")):
        assert (answer.status_code, answer.json["message"]) == (404, "The specified key is not valid")


def test_the_settings_are_for_administrators(ann: Client, appends_nothing: Any) -> None:
    with appends_nothing():
        for answer in (ann.get(PATH + KEYS[0]), put(ann, KEYS[0], "true"), upload(ann, KEYS[-2], b"x")):
            assert answer.status_code == 403


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("profile1.push.profile.enable", "yes", "The value must be true or false"),
        ("profile1.push.sandbox.enable", "", "The value must be true or false"),
        ("profile1.push.apple.timeout", "-1", "The value must be a number"),
        ("profile1.push.apple.timeout", "9" * 8, "The value must be a number"),
        ("profile1.push.apple.timeout", 5, "The 'value' field is missing"),
        ("profile1.sandbox.ios.certificate.password", None, "The 'value' field is missing"),
        ("profile1.sandbox.ios.certificate.password", "\ud800", "The body payload is not valid JSON"),
        ("profile1.sandbox.ios.certificate", "x", "missing data: is the body multipart/form-data?"),
    ],
)
def test_a_value_must_be_of_its_keys_kind(admin: Client, appends_nothing: Any, key: str, value: Any, said: str) -> None:
    with appends_nothing():
        answer = put(admin, key, value)

    assert (answer.status_code, answer.json["message"]) == (400, said)


@pytest.mark.parametrize(("content", "part"), [(b"", "file"), (b"x", "certificate")])
def test_a_certificate_is_a_file(admin: Client, appends_nothing: Any, content: bytes, part: str) -> None:
    with appends_nothing():
        answer = upload(admin, CERTIFICATE.format(1, "sandbox"), content, part)

    assert (answer.status_code, answer.json["message"]) == (400, "missing file")


def test_a_time_out_is_kept(admin: Client) -> None:
    assert admin.get(PATH + "profile3.push.apple.timeout").json["data"] == {"profile3.push.apple.timeout": "0"}
    assert put(admin, "profile3.push.apple.timeout", "30").json == {"result": "ok", "data": "", "http_code": 200}
    assert admin.get(PATH + "profile3.push.apple.timeout").json["data"] == {"profile3.push.apple.timeout": "30"}


@pytest.mark.parametrize(("number", "profile"), [(1, "default"), (2, "profile2")])
def test_a_certificate_and_its_password_come_in_either_order(
    admin: Client, services: Services, app_id: UUID, number: int, profile: str
) -> None:
    key = CERTIFICATE.format(number, "production")
    halves = [lambda: upload(admin, key, APPLE.pkcs12("s3same")), lambda: put(admin, key + ".password", "s3same")]
    first, second = halves if profile == "default" else reversed(halves)

    assert first().json["data"].startswith("Kept, and used once both")
    assert second().json == {"result": "ok", "data": "", "http_code": 200}
    configured = load_enabled(services.engine, app_id).providers["apns", profile].configuration
    assert (configured["topic"], configured["authentication"]) == ("org.example.chat", "certificate")
    assert admin.get(PATH + key).json["data"] == {key: True}
    assert admin.get(PATH + key + ".password").json["data"] == {key + ".password": True}


def test_a_certificate_of_the_sandbox_goes_to_apples_sandbox(admin: Client, services: Services, app_id: UUID) -> None:
    key = CERTIFICATE.format(3, "sandbox")
    put(admin, key + ".password", "s3same")
    upload(admin, key, APPLE.pkcs12("s3same"))

    configured = load_enabled(services.engine, app_id).providers["apns", "profile3-sandbox"]
    assert configured.configuration["environment"] == "development"


def test_what_does_not_fit_is_kept_and_what_was_used_stays(admin: Client, services: Services, app_id: UUID) -> None:
    key = CERTIFICATE.format(2, "sandbox")
    upload(admin, key, APPLE.pkcs12("first"))
    put(admin, key + ".password", "first")
    before = load_enabled(services.engine, app_id).providers["apns", "profile2-sandbox"]

    wrong = put(admin, key + ".password", "s3cond-wrong")
    assert wrong.status_code == 200
    assert wrong.json["data"].startswith("Kept, and not used: ")
    assert "s3cond" not in wrong.text
    other = make_apns_client(make_authority(), "org.example.other")
    assert upload(admin, key, other.pkcs12("s3cond")).json["data"].startswith("Kept, and not used: ")
    assert load_enabled(services.engine, app_id).providers["apns", "profile2-sandbox"] == before
    assert put(admin, key + ".password", "s3cond").json["data"] == ""
    after = load_enabled(services.engine, app_id).providers["apns", "profile2-sandbox"]
    assert after.configuration["topic"] == "org.example.other"


def test_a_key_of_googles_is_a_service_accounts(admin: Client, services: Services, app_id: UUID) -> None:
    key = "profile3.production.android.api.key"
    elsewhere = {**json.loads(service_account()), "token_uri": "https://internal.example/token"}

    for value in ("AIzaOfOld", "", json.dumps(elsewhere)):
        refused = put(admin, key, value)
        assert (refused.status_code, refused.json["bb_code"]) == (503, "50304")
        assert refused.json["message"].startswith("Could not save API KEY.")
    assert admin.get(PATH + key).json["data"] == {key: False}
    assert put(admin, key, service_account().decode()).status_code == 200
    assert admin.get(PATH + key).json["data"] == {key: True}
    assert ("fcm", "profile3") in load_enabled(services.engine, app_id).providers


def test_an_address_that_the_instance_set_stays(admin: Client, services: Services, app_id: UUID) -> None:
    configuration = {"topic": "a.b", "base_url": "https://push.proxy.example", "ca_path": "/etc/proxy.pem"}
    secret = APPLE.certificate_pem() + APPLE.key_pem()
    context = Context(system("test"))
    configure_provider(services.engine, context, app_id, "apns", configuration, secret, profile="default-sandbox")

    key = CERTIFICATE.format(1, "sandbox")
    upload(admin, key, APPLE.pkcs12("x"))
    assert put(admin, key + ".password", "x").json["data"] == ""
    found = load_enabled(services.engine, app_id).providers["apns", "default-sandbox"].configuration
    assert (found["base_url"], found["ca_path"], found["topic"]) == (
        "https://push.proxy.example", "/etc/proxy.pem", "org.example.chat")  # fmt: skip


@pytest.mark.parametrize("value", [None, 5, "nothing", [], {}, str(UUID(int=0))])
def test_settings_that_somebody_spoilt_are_as_if_they_were_not_there(
    admin: Client, services: Services, app_id: UUID, value: Any
) -> None:
    key = CERTIFICATE.format(3, "production")
    before = load_enabled(services.engine, app_id).settings
    for own in (value, {"push": value, "session_timeout": value}, {"push": {key: value}, "disabled_endpoints": value}):
        change_app(services.engine, Context(system("test")), app_id, UpdateApp(settings={"baasbox": own}))
        assert admin.get(PATH + key).status_code == 200
        assert put(admin, key + ".password", "x").json["data"].startswith("Kept, and used once both")
    change_app(services.engine, Context(system("test")), app_id, UpdateApp(settings=before))


def halves_and_whole(services: Services, app_id: UUID, profile: str) -> dict[str, UUID]:
    """The ids of the secrets by which Apple is reached, by what they are."""
    state = load_enabled(services.engine, app_id)
    whole = state.providers.get(("apns", profile))
    return {**state.parts.get(("apns", profile), {}), **({} if whole is None else {"whole": whole.secret_id})}


def is_kept(services: Services, secret_id: UUID) -> bool:
    try:
        services.record.vault.open(secret_id)
    except KeyError:
        return False
    return True


def test_what_is_replaced_is_destroyed_halves_and_whole(admin: Client, services: Services, app_id: UUID) -> None:
    key = CERTIFICATE.format(2, "production")
    upload(admin, key, APPLE.pkcs12("of-old"))
    put(admin, key + ".password", "of-old")
    first = halves_and_whole(services, app_id, "profile2")

    other = make_apns_client(make_authority(), "org.example.renewed")
    assert upload(admin, key, other.pkcs12("of-old")).json["data"] == "", "a renewed one with the password of before"
    second = halves_and_whole(services, app_id, "profile2")
    assert set(second) == {"certificate", "password", "whole"}
    assert {name: is_kept(services, secret_id) for name, secret_id in first.items()} == {
        "certificate": False, "password": True, "whole": False}  # fmt: skip
    assert all(is_kept(services, secret_id) for secret_id in second.values())

    configuration = {"topic": "a.b"}
    secret = APPLE.certificate_pem() + APPLE.key_pem()
    configure_provider(
        services.engine, Context(system("test")), app_id, "apns", configuration, secret, profile="profile2"
    )
    assert not any(is_kept(services, secret_id) for secret_id in second.values())
    assert list(halves_and_whole(services, app_id, "profile2")) == ["whole"]


def test_no_setting_names_a_secret_of_another(admin: Client, services: Services, app_id: UUID) -> None:
    secret = APPLE.certificate_pem() + APPLE.key_pem()
    other = create_app(services.engine, Context(system("test")), "Another").result.app_id
    theirs = configure_provider(services.engine, Context(system("test")), other, "apns", {"topic": "a.b"}, secret)
    key = CERTIFICATE.format(3, "production")
    own = {"push": {key: str(theirs.result.configured.secret_id)}}
    before = load_enabled(services.engine, app_id).settings
    change_app(services.engine, Context(system("test")), app_id, UpdateApp(settings={"baasbox": own}))
    assert admin.get(PATH + key).json["data"] == {key: False}
    change_app(services.engine, Context(system("test")), app_id, UpdateApp(settings=before))


def test_nothing_secret_is_shown_or_recorded(admin: Client, services: Services, app_id: UUID) -> None:
    key = CERTIFICATE.format(1, "sandbox")
    content = APPLE.pkcs12("un-s3en")
    said = upload(admin, key, content).text + put(admin, key + ".password", "un-s3en").text
    said += admin.get(PATH + key).text + admin.get(PATH + key + ".password").text

    state = load_enabled(services.engine, app_id)
    for told in (said, str(state), str(services.record.load(app_id))):
        assert "un-s3en" not in told


def test_a_profile_needs_a_provider_in_its_mode(admin: Client) -> None:
    for key, code in (("profile3.push.sandbox.enable", None), ("profile3.push.profile.enable", None)):
        assert put(admin, key, "true").json.get("bb_code") == code
    assert admin.get(PATH + "profile3.push.profile.enable").json["data"] == {"profile3.push.profile.enable": "true"}
    assert admin.get(PATH + "profile3.push.sandbox.enable").json["data"] == {"profile3.push.sandbox.enable": "true"}
    assert put(admin, "profile3.push.profile.enable", "false").status_code == 200
    assert admin.post("/push/message/admin", {"message": "m", "profiles": [3]}).json["bb_code"] == "50305"
