"""The claims table says nothing that the record does not."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.commands.apps import create_app
from tocsin.commands.claims import claims_of
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential, revoke_credential
from tocsin.commands.devices import Registration, change_device, register_devices, update_device
from tocsin.commands.engine import Engine
from tocsin.domain.device import RetireDevice

TOKENS = [f"{number:064x}" for number in range(4)]


def stored(engine: Engine) -> set[tuple[UUID, str, bytes, UUID]]:
    with engine.record.sessions.connection() as connection:
        return set(connection.execute("select app_id, kind, digest, stream_id from record.claims").fetchall())


def derived(engine: Engine) -> set[tuple[UUID, str, bytes, UUID | None]]:
    streams = {event.originator_id for event in engine.record.read(0, 10_000)}
    found = engine.record.load_many(streams).values()
    return {
        (claim.app_id, claim.kind, claim.digest, claim.stream_id)
        for entries in found
        for claim in claims_of(engine, entries)
    }


registrations = st.builds(
    Registration,
    platform=st.just("ios"),
    token=st.sampled_from(TOKENS),
    external_id=st.sampled_from([None, "one", "two", "three"]),
)


@settings(max_examples=25)
@given(batches=st.lists(st.lists(registrations, min_size=1, max_size=5), min_size=1, max_size=4))
def test_whatever_devices_report_the_claims_follow_from_the_record(
    engine: Engine, context: Context, batches: list[list[Registration]]
) -> None:
    app_id = create_app(engine, Context(context.actor), "An app").result.app_id
    for batch in batches:
        register_devices(engine, Context(context.actor), app_id, batch)
    assert stored(engine) == derived(engine)


def test_what_is_changed_retired_and_revoked_is_claimed_as_the_record_says(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    create_app(engine, context, "Second", hosts=["alerts.example.org"])
    lines = [Registration(platform="ios", token=token, external_id=token[-1]) for token in TOKENS]
    devices = [line.device.device_id for line in register_devices(engine, context, app_id, lines).result if line.device]
    change_device(engine, context, app_id, devices[0], RetireDevice())
    update_device(engine, context, app_id, devices[1], token=TOKENS[2])
    update_device(engine, context, app_id, devices[3], token=None)
    for public_id in ("one", "two"):
        issued = issue_credential(
            engine, context, app_id, kind="hmac", dialect="moxie", name="key", public_id=public_id
        ).result
    revoke_credential(engine, context, app_id, issued.credential.credential_id)
    assert stored(engine) == derived(engine)
    assert len(stored(engine)) == 8
