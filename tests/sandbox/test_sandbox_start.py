"""Starting and stopping a sandbox, and the directory it makes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from patience import PATIENCE, eventually
from sandbox_clients import apns, send

from tocsin.sandbox.handle import SandboxError
from tocsin.sandbox.server import Listeners, Sandbox, running_sandbox, start_in_subprocess
from tocsin.sandbox.settings import Identity

COMMAND = [sys.executable, "-m", "tocsin.sandbox"]


def contents(directory: Path) -> dict[str, bytes]:
    """The keys and certificates; not what is written anew at each start."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix != ".json"}


def is_listening(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


def test_the_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "sandbox"
    with Sandbox(directory):
        assert directory.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_keys_are_made_once_and_used_again(tmp_path: Path) -> None:
    with Sandbox(tmp_path):
        first = contents(tmp_path)
    with Sandbox(tmp_path) as handle:
        assert contents(tmp_path) == first
        assert send(handle, apns(handle)).status == 200


@pytest.mark.parametrize("missing", ["ca.pem", "apns.p8", "sa.pub"])
def test_an_incomplete_directory_is_made_anew(tmp_path: Path, missing: str) -> None:
    with Sandbox(tmp_path):
        first = contents(tmp_path)
    (tmp_path / missing).unlink()
    with Sandbox(tmp_path) as handle:
        assert contents(tmp_path)["srv.key"] != first["srv.key"]
        assert send(handle, apns(handle)).status == 200


def test_another_app_gets_another_certificate(tmp_path: Path) -> None:
    with Sandbox(tmp_path):
        first = contents(tmp_path)
    with Sandbox(tmp_path, identity=Identity(apns_topic="org.example.other")) as handle:
        assert contents(tmp_path)["cli.pem"] != first["cli.pem"]
        apple = handle.providers["apns"]
        certificate = (apple["certificate_path"], apple["certificate_password"])
        send(handle, apns(handle, headers={"authorization": None, "apns-topic": None}, certificate=certificate))
        assert handle.received()[0]["topic"] == "org.example.other"


def test_providers_json_holds_all_that_tocsin_asks_for(material: Path) -> None:
    with Sandbox(material) as handle:
        providers = json.loads((material / "providers.json").read_text())
    assert providers == handle.providers
    apple, google, microsoft = providers["apns"], providers["fcm"], providers["wns"]
    assert load_pem_private_key(apple["key"].encode(), None)
    assert Path(apple["key_path"]).read_text() == apple["key"]
    container = Path(apple["certificate_path"]).read_bytes()
    assert pkcs12.load_key_and_certificates(container, apple["certificate_password"].encode())[1]
    assert {apple["base_url"], google["base_url"], microsoft["base_url"]} == {providers["push_url"]}
    assert google["token_url"] == google["service_account"]["token_uri"]
    assert microsoft["channel_url"].startswith(microsoft["base_url"])


def test_given_ports_are_used(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as handle:
        ports = [urlsplit(url).port or 0 for url in (handle.control_url, handle.push_url, handle.development_url)]
    with Sandbox(tmp_path, Listeners("127.0.0.1", *ports)) as again:
        assert (again.control_url, again.push_url) == (handle.control_url, handle.push_url)


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="address already in use"), Sandbox(tmp_path, Listeners(control_port=port)):
            pass
        with pytest.raises(SandboxError, match="Choose another port"):
            start_in_subprocess(tmp_path, "--port", str(port))


def test_a_process_of_its_own_serves_and_stops(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "--topic", "org.example.other", "--host", "::1") as handle:
        assert send(handle, apns(handle)).status == 200
        assert handle.received()[0]["topic"] == "org.example.other"
        assert is_listening(handle.push_url)
    assert not is_listening(handle.push_url)
    assert not is_listening(handle.control_url)


def test_every_setting_is_an_option_of_the_command(tmp_path: Path) -> None:
    options = ["--latency-ms", "1", "--keep", "5", "--max-streams", "9", "--idle-seconds", "60"]
    flags = ["--one-stream-until-authenticated", "--provider-token-interval", "7", "--no-prefix-faults"]
    with running_sandbox(tmp_path, *options, *flags) as handle:
        assert handle.set() == {
            "latency_ms": 1,
            "access_token_seconds": 3600,
            "keep": 5,
            "max_streams": 9,
            "idle_seconds": 60,
            "prefix_faults": False,
            "one_stream_until_authenticated": True,
            "provider_token_interval_seconds": 7,
        }


def test_the_process_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tocsin.sandbox.server import start_in_subprocess;"
        "print(start_in_subprocess(Path(sys.argv[1])).control_url, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    url = starter.stdout.readline().strip()
    assert is_listening(url)
    starter.kill()
    starter.communicate()
    eventually(lambda: not is_listening(url), f"nobody listens at {url} any more")


def test_the_command_says_where_everything_is_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    process = subprocess.Popen([*COMMAND, "--dir", str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    greeting = [process.stdout.readline() for _ in range(4)]
    providers = json.loads((tmp_path / "providers.json").read_text())
    assert requests.get(providers["control_url"] + "/stats", timeout=60).json()["total"] == 0
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert providers["control_url"] in greeting[0]
    assert providers["push_url"] in greeting[1]
    assert str(tmp_path / "providers.json") in greeting[3]


def test_help_shows_an_example() -> None:
    answer = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert "python -m tocsin.sandbox --dir ./sandbox --port 8480 --push-port 8443" in answer.stdout
    assert "com.example.app" in answer.stdout
