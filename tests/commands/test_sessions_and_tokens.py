"""Sessions that last while they are used, access tokens that are signed and not kept, webhooks, segments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from tocsin.commands.apps import change_app
from tocsin.commands.context import Context
from tocsin.commands.credentials import issue_credential, revoke_credential
from tocsin.commands.engine import Engine
from tocsin.commands.providers import configure_provider
from tocsin.commands.secrets import SecretChecks
from tocsin.commands.sends import request_send, with_segments, withdraw_send
from tocsin.commands.tokens import issue_access_token, read_access_token, revoke_access_token
from tocsin.commands.users import (
    change_password,
    create_user,
    extend_session,
    load_user,
    open_session,
    session_lasts,
    session_secret_id,
)
from tocsin.commands.webhooks import create_webhook, delete_webhook, update_webhook
from tocsin.domain.app import SaveSegment
from tocsin.domain.audience import Audience, Criteria, Segment
from tocsin.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from tocsin.domain.events.token import TokenIssued
from tocsin.domain.message import Message
from tocsin.domain.payloads import PayloadTooLarge
from tocsin.domain.send import RequestSend

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMEOUT = timedelta(minutes=20)


def at(engine: Engine, moment: datetime) -> Engine:
    return Engine(engine.record, lambda: moment)


def anew(context: Context) -> Context:
    return Context(context.actor)


def test_a_session_is_known_by_its_token_and_by_nothing_that_is_recorded(
    engine: Engine, context: Context, app_id: UUID
) -> None:
    user = create_user(engine, context, app_id, "ada", password="correct horse", roles=("admin",)).result
    assert user.user.roles == ("admin",)
    opened = open_session(engine, anew(context), app_id, user.user_id, timeout=TIMEOUT).result
    state = load_user(engine, app_id, user.user_id).state
    assert state is not None
    session = state.sessions[opened.session_id]
    assert session.secret_id == session_secret_id(engine.digest, opened.token)
    assert session_secret_id(engine.digest, opened.token + "x") != session.secret_id


def test_using_a_session_is_an_event_only_so_often(engine: Engine, context: Context, app_id: UUID) -> None:
    user = create_user(engine, context, app_id, "ada").result.user_id
    session = open_session(at(engine, NOW), anew(context), app_id, user, timeout=TIMEOUT).result.session_id

    def expires_at() -> datetime:
        state = load_user(engine, app_id, user).state
        assert state is not None
        ends = state.sessions[session].expires_at
        assert ends is not None
        return ends

    assert session_lasts(expires_at(), NOW + timedelta(minutes=5), TIMEOUT)
    later = NOW + timedelta(minutes=6)
    assert not session_lasts(expires_at(), later, TIMEOUT)
    assert extend_session(at(engine, later), anew(context), app_id, user, session, TIMEOUT).changed
    assert expires_at() == later + timedelta(minutes=25)
    with pytest.raises(NotFound):
        extend_session(at(engine, expires_at()), anew(context), app_id, user, session, TIMEOUT)
    assert session_lasts(None, later, TIMEOUT)


def test_a_new_password_ends_open_sessions(engine: Engine, context: Context, app_id: UUID) -> None:
    user = create_user(engine, context, app_id, "ada", password="one").result.user_id
    open_session(engine, anew(context), app_id, user, timeout=TIMEOUT)
    assert not change_password(engine, anew(context), app_id, user, "two").result.user.sessions


def client(engine: Engine, context: Context, app_id: UUID, scope: str | None = "devices.* tags.read") -> UUID:
    issued = issue_credential(
        engine, anew(context), app_id, kind="client", dialect="some", name="backend", scope=scope, public_id="backend"
    )
    return issued.result.credential.credential_id


def test_a_token_says_what_it_is_good_for_until_it_ends(engine: Engine, context: Context, app_id: UUID) -> None:
    credential = client(engine, context, app_id)
    wanted = ["devices.read", "tags.write"]
    done = issue_access_token(at(engine, NOW), anew(context), app_id, credential, wanted)
    found = read_access_token(at(engine, NOW), done.result.text)
    assert found == done.result.token
    assert (found.app_id, found.credential_id, found.scope) == (app_id, credential, ("devices.read",))
    last = NOW + timedelta(minutes=59, seconds=59)
    assert read_access_token(at(engine, last), done.result.text) == found
    with pytest.raises(Unauthenticated, match="expired"):
        read_access_token(at(engine, NOW + timedelta(hours=1)), done.result.text)


def test_that_a_token_was_issued_is_recorded_without_it(engine: Engine, context: Context, app_id: UUID) -> None:
    credential = client(engine, context, app_id)
    done = issue_access_token(engine, anew(context), app_id, credential, ["tags.read"])
    [entry] = engine.record.load(done.result.token.token_id)
    assert isinstance(entry.fact, TokenIssued)
    assert entry.root_id == credential
    assert done.result.text.partition(".")[2] not in msgspec.json.encode(entry.fact).decode()


def test_a_token_that_was_altered_is_not_ours(engine: Engine, context: Context, app_id: UUID) -> None:
    credential = client(engine, context, app_id)
    text = issue_access_token(engine, anew(context), app_id, credential, ["tags.read"]).result.text
    body, _, seal = text.partition(".")
    forged = [f"{body[:-2]}AA.{seal}", f"{body}.{seal[::-1]}", body, f".{seal}", "", ".", "é.é", f"{text}.x", "\0.\0"]
    for one in forged:
        with pytest.raises(Unauthenticated):
            read_access_token(engine, one)


def test_a_client_gets_no_token_for_what_it_may_not_do(engine: Engine, context: Context, app_id: UUID) -> None:
    credential = client(engine, context, app_id)
    with pytest.raises(Forbidden):
        issue_access_token(engine, anew(context), app_id, credential, ["messages.write"])
    with pytest.raises(NotFound):
        issue_access_token(engine, anew(context), app_id, uuid4(), ["tags.read"])
    revoke_credential(engine, anew(context), app_id, credential)
    with pytest.raises(NotFound):
        issue_access_token(engine, anew(context), app_id, credential, ["tags.read"])


def test_a_token_is_revoked_by_its_app_alone(engine: Engine, context: Context, app_id: UUID) -> None:
    credential = client(engine, context, app_id, scope=None)
    token = issue_access_token(engine, anew(context), app_id, credential, []).result.token
    with pytest.raises(NotFound):
        revoke_access_token(engine, anew(context), uuid4(), token.token_id)
    assert revoke_access_token(engine, anew(context), app_id, token.token_id).changed
    assert not revoke_access_token(engine, anew(context), app_id, token.token_id).changed


def test_a_credential_is_of_a_kind_that_can_be_checked(engine: Engine, context: Context, app_id: UUID) -> None:
    issued = issue_credential(engine, context, app_id, kind="device-secret", dialect="some", name="phones").result
    assert SecretChecks(engine).stored(issued.credential.secret_id) != issued.secret.encode()
    with pytest.raises(Invalid):
        issue_credential(engine, anew(context), app_id, kind="magic", dialect="some", name="x")


def test_a_webhooks_secret_is_shown_when_it_is_new(engine: Engine, context: Context, app_id: UUID) -> None:
    made = create_webhook(engine, context, app_id, "audit", "https://example.org/hook", ["device.*"]).result
    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    kept = made.webhook.secret_id
    assert kept is not None
    assert engine.record.vault.open(kept).decode() == made.secret
    webhook_id = made.webhook.webhook_id
    moved = update_webhook(engine, anew(context), app_id, webhook_id, url="https://example.org/other").result
    assert (moved.secret, moved.webhook.secret_id) == (None, kept)
    renewed = update_webhook(engine, anew(context), app_id, webhook_id, new_secret=True).result
    assert renewed.secret not in (None, made.secret)
    with pytest.raises(Conflict):
        create_webhook(engine, anew(context), app_id, "audit", "https://example.org/hook", ["*"])
    assert delete_webhook(engine, anew(context), app_id, webhook_id).changed
    with pytest.raises(NotFound):
        delete_webhook(engine, anew(context), app_id, webhook_id)


def test_a_send_keeps_what_its_segments_were(engine: Engine, context: Context, app_id: UUID) -> None:
    criteria = Criteria(tags=("staff",))
    change_app(engine, context, app_id, SaveSegment(name="staff", criteria=criteria))
    audience = Audience(segments=(Segment(name="staff"), Segment(name="nobody")))
    meant = (Segment(name="staff", criteria=criteria), Segment(name="nobody"))
    assert with_segments(engine, app_id, audience).segments == meant
    request = RequestSend(message=Message(body="x"), audience=audience, now=engine.clock())
    assert request_send(engine, anew(context), app_id, request).result.send.request.audience.segments == meant


def test_a_withdrawn_send_is_stopped(engine: Engine, context: Context, app_id: UUID) -> None:
    request = RequestSend(message=Message(body="x"), audience=Audience(everyone=True), now=engine.clock())
    send = request_send(engine, context, app_id, request).result
    gone = withdraw_send(engine, anew(context), app_id, send.send_id, "a mistake").result.send
    assert (gone.status, gone.withdrawn) == ("cancelled", True)


def test_only_the_profile_a_send_goes_through_limits_its_size(engine: Engine, context: Context, app_id: UUID) -> None:
    configuration = {"client_id": "ms-app://x"}
    configure_provider(engine, context, app_id, "wns", configuration, b"secret", profile="second")
    long = Message(body="x" * 4096, title="x" * 2000)

    def requesting(profile: str) -> None:
        audience = Audience(everyone=True, profile=profile)
        request_send(engine, anew(context), app_id, RequestSend(message=long, audience=audience, now=engine.clock()))

    requesting("default")
    with pytest.raises(PayloadTooLarge):
        requesting("second")
