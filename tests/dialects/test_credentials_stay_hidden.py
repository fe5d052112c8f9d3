"""What callers prove themselves with, right or wrong, stands in no answer and in no log line of the whole instance."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import requests
from patience import PATIENCE, eventually
from system.instance import Instance

from tocsin.api.dialects import DIALECTS

WRONG = "wr0ng-" + uuid4().hex
PUSH_TOKEN = "a-phone-s-" + uuid4().hex


@dataclass(frozen=True)
class Call:
    """A request that carries secrets."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    basic: tuple[str, str] | None = None
    json: Any = None
    form: dict[str, str] | None = None


@dataclass(frozen=True)
class Known:
    """What the sandbox's clients know, and what they are given when they sign in."""

    environment: dict[str, str]
    session: str
    access_token: str

    def __getitem__(self, name: str) -> str:
        return self.environment[name]

    @property
    def secrets(self) -> set[str]:
        """All of them as they are sent, and those that are wrong."""
        named = {value for name, value in self.environment.items() if name.endswith(
            ("TOKEN", "SECRET", "PASSWORD", "APPCODE", "KEY"))}  # fmt: skip
        told = {*named, self.session, self.access_token, WRONG, PUSH_TOKEN} - {"", self["MOXIE_KEY"]}
        return told | {encoded(*pair) for pair in self.pairs}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and passwords, for Basic authentication."""
        names = [("BAASBOX_ADMIN_USER", "BAASBOX_ADMIN_PASSWORD"), ("THINKBIT_EMAIL", "THINKBIT_PASSWORD"),
                 ("MOBILEFIRST_CLIENT_ID", "MOBILEFIRST_CLIENT_SECRET")]  # fmt: skip
        return [pair for name, secret in names for pair in ((self[name], self[secret]), (self[name], WRONG))]


def encoded(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def known(instance: Instance) -> Known:
    """Two clients sign in, and are given what they call with."""
    given = instance.environment()
    url = given["TOCSIN_URL"]
    form = {"username": given["BAASBOX_ADMIN_USER"], "password": given["BAASBOX_ADMIN_PASSWORD"],
            "appcode": given["BAASBOX_APPCODE"]}  # fmt: skip
    session = requests.post(f"{url}/login", data=form, timeout=PATIENCE).headers["X-BB-SESSION"]
    client = given["MOBILEFIRST_CLIENT_ID"], given["MOBILEFIRST_CLIENT_SECRET"]
    grant = {"grant_type": "client_credentials", "scope": "*"}
    issued = requests.post(f"{url}/mfp/api/az/v1/token", data=grant, auth=client, timeout=PATIENCE).json()
    return Known(given, session, issued["access_token"])


def baasbox(known: Known) -> Iterator[Call]:
    code, admin = {"X-BAASBOX-APPCODE": known["BAASBOX_APPCODE"]}, known["BAASBOX_ADMIN_USER"]
    setting = "/admin/configuration/Push/profile3.sandbox."
    yield Call("GET", "/me", code, (admin, known["BAASBOX_ADMIN_PASSWORD"]))
    yield Call("GET", "/me", code, (admin, WRONG))
    yield Call("GET", "/me", {"X-BAASBOX-APPCODE": WRONG}, (admin, known["BAASBOX_ADMIN_PASSWORD"]))
    for session in (known.session, WRONG):
        yield Call("GET", "/me", {"X-BB-SESSION": session})
        yield Call("GET", f"/me?X-BB-SESSION={session}&X-BAASBOX-APPCODE={known['BAASBOX_APPCODE']}")
        yield Call("PUT", f"/push/enable/symbian/{PUSH_TOKEN}", {"X-BB-SESSION": session})
        yield Call("DELETE", f"/push/disable/{PUSH_TOKEN}", {"X-BB-SESSION": session})
    for appcode in (known["BAASBOX_APPCODE"], WRONG):
        yield Call("POST", "/login", form={"username": admin, "password": WRONG, "appcode": appcode})
        yield Call("POST", "/login", json={"username": admin, "password": WRONG, "appcode": appcode, "login_data": 1})
        yield Call("POST", "/user", {"X-BAASBOX-APPCODE": appcode}, json={"username": admin, "password": WRONG})
    signed_in = {"X-BB-SESSION": known.session}
    yield Call("PUT", setting + "ios.certificate.password", signed_in, json={"value": WRONG})
    yield Call("PUT", setting + "android.api.key", signed_in, json={"value": WRONG})


def mobilefirst(known: Known) -> Iterator[Call]:
    app = f"/imfpush/v1/apps/{known['MOBILEFIRST_APP']}"
    for secret in (known["MOBILEFIRST_CLIENT_SECRET"], WRONG):
        grant = {"grant_type": "client_credentials", "scope": "no.such.scope"}
        yield Call("POST", "/mfp/api/az/v1/token", basic=(known["MOBILEFIRST_CLIENT_ID"], secret), form=grant)
        yield Call("POST", "/identity/token", form={"grant_type": "password", "apikey": secret})
    for token in (known.access_token, WRONG, WRONG + ".a.b"):
        yield Call("GET", f"{app}/devices", {"Authorization": f"Bearer {token}"})
    for name, right in (("appSecret", "MOBILEFIRST_APP_SECRET"), ("clientSecret", "MOBILEFIRST_DEVICE_SECRET")):
        for secret in (known[right], WRONG):
            yield Call("GET", f"{app}/tags", {name: secret})
            yield Call("POST", f"{app}/devices", {name: secret}, json={"deviceId": "d", "token": PUSH_TOKEN})
    allowed = {"Authorization": f"Bearer {known.access_token}"}
    yield Call("PUT", f"{app}/settings/wnsConf", allowed, json={"packageSID": "", "clientSecret": WRONG})


def twinpush(known: Known) -> Iterator[Call]:
    app = f"/api/v2/apps/{known['TWINPUSH_APP_ID']}"
    tokens = (known["TWINPUSH_API_TOKEN"], known["TWINPUSH_OTHER_API_TOKEN"], known["TWINPUSH_CREATOR_TOKEN"], WRONG)
    for token in tokens:
        for header in ("X-TwinPush-REST-API-Token", "X-TwinPush-REST-API-Key-Creator"):
            yield Call("POST", f"{app}/devices/register", {header: token}, json={"push_token": PUSH_TOKEN})
            yield Call("POST", f"{app}/notifications", {header: token}, json={"alert": 1})
            yield Call("GET", f"{app}/devices/nothing", {header: token})


def thinkbit(known: Known) -> Iterator[Call]:
    path = f"/api/users/{known['THINKBIT_USER_ID']}/fcm_registration_tokens"
    email = known["THINKBIT_EMAIL"]
    for password in (known["THINKBIT_PASSWORD"], WRONG):
        for method in ("POST", "DELETE", "PUT"):
            yield Call(method, path, basic=(email, password), json={"registration_id": [PUSH_TOKEN]})
    for authorization in (f"Bearer {WRONG}", f"{WRONG} {WRONG}", WRONG):
        yield Call("POST", path, {"Authorization": authorization})


def moxie(known: Known) -> Iterator[Call]:
    for key in (known["MOXIE_KEY"], "unknown"):
        for authorization in (WRONG, known["MOXIE_SECRET"], f"HMACDigest {WRONG}"):
            headers = {"X-Moxie-Key": key, "X-HMAC-Nonce": "1", "Date": "now", "Authorization": authorization}
            yield Call("POST", "/notifications", headers, json={"message": "m"})
            yield Call("POST", "/push", headers, json={"message": "m"})
    yield Call("POST", "/notifications/register/gcm", json={"registration_id": [PUSH_TOKEN]})


def native(known: Known) -> Iterator[Call]:
    for token in (known["TOCSIN_ADMIN_TOKEN"], WRONG, f"tcn_{'0' * 32}_{WRONG}"):
        yield Call("GET", "/v1/apps", {"Authorization": f"Bearer {token}"})
        yield Call("POST", "/v1/apps", {"Authorization": f"Bearer {token}"}, json={"name": 1, "secret": WRONG})


APIS = {"baasbox": baasbox, "mobilefirst": mobilefirst, "moxie": moxie, "thinkbit": thinkbit, "twinpush": twinpush,
        "native": native}  # fmt: skip
NOWHERE = {"baasbox": "/nothing", "mobilefirst": "/imfpush/nothing", "moxie": "/notifications/a/b/c",
           "thinkbit": "/api/nothing", "twinpush": "/api/v2/nothing", "native": "/v1/nothing"}  # fmt: skip


def test_every_api_is_tried() -> None:
    assert set(APIS) == {"native", *(dialect.NAME for dialect in DIALECTS)}


@pytest.mark.parametrize("api", APIS)
def test_no_answer_and_no_log_line_holds_a_credential(instance: Instance, known: Known, api: str) -> None:
    calls = list(APIS[api](known))
    lost = [Call(call.method, NOWHERE[api], call.headers, call.basic, call.json, call.form) for call in calls]
    secrets, statuses, ids = known.secrets, set(), set()
    for call in [*calls, *lost]:
        answer = send(known["TOCSIN_URL"], call)
        statuses.add(answer.status_code)
        ids.add(answer.headers["X-Request-ID"])
        told = answer.text + json.dumps(dict(answer.headers))
        assert not (shown := [secret for secret in secrets if secret in told]), (call, shown, told)

    assert {404} < statuses
    assert max(statuses) < 504
    assert 500 not in statuses
    logged = eventually(lambda: _log_with(instance, ids), "every request is logged", every=0.1)
    assert not [secret for secret in secrets if secret in logged]


def send(url: str, call: Call) -> requests.Response:
    return requests.request(
        call.method, url + call.path, headers=call.headers, auth=call.basic, json=call.json, data=call.form,
        timeout=PATIENCE, allow_redirects=False,
    )  # fmt: skip


def _log_with(instance: Instance, ids: set[str]) -> str:
    """All that the instance's processes have logged, once it tells of these requests."""
    logged = instance.log.read_text()
    return logged if all(one in logged for one in ids) else ""
