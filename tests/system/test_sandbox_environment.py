"""``sandbox.env``: what scripts and clients find everything by."""

from __future__ import annotations

from system.instance import Instance, eventually, is_private

TOKEN = "a1".ljust(64, "0")


def test_the_file_is_its_owners_alone_and_has_every_key(instance: Instance) -> None:
    assert is_private(instance.environment_file)
    assert instance.environment().keys() >= {"TOCSIN_URL", "TOCSIN_ADMIN_TOKEN", "TOCSIN_APP", "SANDBOX_URL"}


def test_so_are_the_admin_token_and_the_master_key(instance: Instance) -> None:
    assert is_private(instance.directory / "admin.token")
    assert is_private(instance.directory / "master.key")


def test_a_folder_of_tocsins_name_where_it_was_started_is_not_taken_for_it(instance: Instance) -> None:
    assert (instance.directory.parent / "tocsin").is_dir()
    instance.await_whole()


def test_with_what_it_says_a_push_arrives_at_a_fake_device(instance: Instance) -> None:
    known = instance.environment()
    app = f"/apps/{known['TOCSIN_APP']}"
    device = instance.call("POST", f"{app}/devices", json={"platform": "ios", "token": TOKEN})["device_id"]
    request = {"message": {"title": "From a script"}, "audience": {"devices": [device]}}
    send = instance.call("POST", f"{app}/sends", json=request)["send_id"]
    eventually(lambda: instance.call("GET", f"{app}/sends/{send}")["status"] == "completed", "it ends", every=0.1)
    assert instance.sandbox.control_url == known["SANDBOX_URL"]
    (push,) = instance.sandbox.received(token=TOKEN)
    assert push["payload"]["aps"]["alert"]["title"] == "From a script"
