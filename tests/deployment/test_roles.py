"""Every role's exact command and environment from the compose file, as processes on real PostgreSQL and Kafka."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
import requests
from patience import PATIENCE, eventually
from psycopg.errors import InsufficientPrivilege
from webhook_receiver import receiving

from deployment import compose
from deployment.deployment import Deployment
from tocsin.administration import sandbox_configurations
from tocsin.sandbox.handle import SandboxHandle

PLATFORMS = {"apns": "ios", "fcm": "android", "wns": "windows"}


class Client:
    """The API of the deployment, as the instance's admin."""

    def __init__(self, url: str, app: str, token: str) -> None:
        self._url = f"{url}/v1/apps/{app}"
        self._token = token

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; the JSON it answers."""
        answer = self._answer(method, path, body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def completed(self, send: str) -> dict[str, Any]:
        """A send, once it has ended; on a slow machine it cannot be read (404) at first."""

        def ended() -> dict[str, Any]:
            answer = self._answer("GET", f"/sends/{send}")
            assert answer.status_code in (200, 404), answer.text
            found: dict[str, Any] = answer.json()
            return found if found.get("status") == "completed" else {}

        return eventually(ended, lambda: f"send {send} ends: {self._answer('GET', f'/sends/{send}').text}", every=0.1)

    def _answer(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        return requests.request(method, self._url + path, headers=headers, json=body, timeout=PATIENCE)


def _printed(text: str) -> dict[str, str]:
    """What a command printed as a name and a value a line."""
    return {words[0]: words[1] for words in map(str.split, text.splitlines()) if len(words) == 2}


@pytest.fixture(scope="module")
def client(deployment: Deployment, sandbox: SandboxHandle) -> Client:
    """An app and a token made as the documentation says; the app is configured for the sandbox."""
    app = _printed(deployment.run("api", "app", "create", "Campus"))["app"]
    issued = _printed(deployment.run("api", "credential", "issue", "console", "--role", "admin"))
    client = Client(deployment.api_url, app, issued["token"])
    for provider, configuration, secret in sandbox_configurations(sandbox.providers):
        client.call("PUT", f"/providers/{provider}", {"configuration": configuration, "secret": secret.decode()})
    return client


def test_an_alert_reaches_devices_of_all_three_providers(client: Client, sandbox: SandboxHandle) -> None:
    tokens = {"apns": "a1".ljust(64, "0"), "fcm": "a2", "wns": sandbox.providers["wns"]["channel_url"] + "a3"}
    for provider, token in tokens.items():
        client.call("POST", "/devices", {"platform": PLATFORMS[provider], "token": token, "tags": ["staff"]})
    message = {"title": "Threat at the library", "body": "Keep away"}
    send = client.call("POST", "/sends", {"message": message, "audience": {"expression": "staff"}})["send_id"]
    assert client.completed(send)["outcomes"]["delivered"] == 3

    def outcomes() -> dict[str, str]:
        deliveries = client.call("GET", f"/sends/{send}/deliveries")["items"]
        return {delivery["provider"]: delivery["outcome"] for delivery in deliveries}

    # They are another read model's than the send, and either may be ahead.
    eventually(lambda: outcomes() == dict.fromkeys(tokens, "delivered"), lambda: f"all are delivered: {outcomes()}")
    assert sandbox.stats()["by_provider"] == dict.fromkeys(tokens, 1)


def test_a_webhook_is_told(client: Client) -> None:
    with receiving() as receiver:
        client.call("POST", "/webhooks", {"name": "pager", "url": receiver.url, "events": ["device.registered"]})
        device = client.call("POST", "/devices", {"platform": "ios", "token": "b1".ljust(64, "0")})["device_id"]
        eventually(lambda: receiver.received, "the webhook is told")
    (received,) = receiver.received
    assert received.told["data"]["stream"] == device


@pytest.mark.usefixtures("client")
def test_what_the_roles_read_came_through_kafka(deployment: Deployment) -> None:
    with psycopg.connect(deployment.url("admin_database_url")) as connection:
        ((relayed, head),) = connection.execute(
            "select c.position, h.position from record.relay_cursor c, record.head h"
        )
        ((bookmarks,),) = connection.execute("select max(bookmark) from record.consumer_cursors where topic = 'events'")
    assert relayed > 0
    assert head >= relayed
    assert bookmarks > 0, "the planner reads from an offset of the broker's"


@pytest.mark.parametrize("name", ["postgres", *compose.roles()])
def test_a_health_check_exits_with_0_where_all_is_well(deployment: Deployment, name: str) -> None:
    done = deployment.check(name)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("client")
def test_workers_that_hang_are_found_out(deployment: Deployment) -> None:
    workers = compose.roles().keys() - {"api"}
    eventually(lambda: not _missed(deployment), lambda: f"nobody is missed: {_missed(deployment)}")
    for name in workers:
        deployment.freeze(name)
    for name in workers:
        eventually(lambda name=name: deployment.check(name).returncode != 0, f"{name} is found out", every=0.5)
    missed = {"relay", "project", "plan", "schedule", "deliver --provider apns"}
    eventually(lambda: _missed(deployment) >= missed, lambda: f"all are missed, and not only {_missed(deployment)}")
    for name in workers:
        deployment.thaw(name)
    deployment.wait_until_healthy()
    eventually(lambda: not _missed(deployment), lambda: f"nobody is missed: {_missed(deployment)}")


def _missed(deployment: Deployment) -> set[str]:
    """The roles that nobody does, as the API says."""
    answer = requests.get(f"{deployment.api_url}/readyz", timeout=PATIENCE)
    parts = answer.json()["parts"].items()
    assert answer.status_code == (503 if any(wrong for _, wrong in parts) else 200)
    return {part.removeprefix("role ") for part, wrong in parts if part.startswith("role ") and wrong}


@pytest.mark.parametrize("login", ["database_url", "admin_database_url"])
@pytest.mark.usefixtures("client")
def test_nobody_who_can_log_in_changes_history(deployment: Deployment, login: str) -> None:
    with psycopg.connect(deployment.url(login)) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("delete from record.events")


@pytest.mark.usefixtures("client")
def test_rewound_topics_and_rebuilt_read_models_call_no_provider(
    deployment: Deployment, sandbox: SandboxHandle
) -> None:
    before = sandbox.stats()["total"]
    assert {name: status for name, status in deployment.stop().items() if status != 0} == {}
    consumers, head = _rewind(deployment)
    deployment.start()
    deployment.run("project", "rebuild", "--all")
    eventually(lambda: consumers <= _standing_at(deployment, head), "every topic is read again")
    assert sandbox.stats()["total"] == before


def _rewind(deployment: Deployment) -> tuple[set[Any], int]:
    """Every consumer begins every topic at its beginning; who they are, and the record's last position."""
    with psycopg.connect(deployment.url("admin_database_url")) as connection:
        query = "delete from record.consumer_cursors returning group_name, topic, partition"
        consumers = set(connection.execute(query).fetchall())
        ((head,),) = connection.execute("select position from record.head")
    assert {group for group, _, _ in consumers} == {"planner", "delivery", "webhooks"}
    return consumers, int(head)


def _standing_at(deployment: Deployment, position: int) -> set[Any]:
    query = "select group_name, topic, partition from record.consumer_cursors where position >= %s"
    with psycopg.connect(deployment.url("admin_database_url")) as connection:
        return set(connection.execute(query, (position,)).fetchall())
