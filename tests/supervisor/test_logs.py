"""Log lines are JSON where no terminal listens, carry their correlation, and never show a secret."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.logs import LogHandler, LogWriter, correlation_id
from tocsin.redaction import MASK, masked, masked_text, names_a_secret

SECRET_NAMES = [
    "password",
    "push_token",
    "tokens",
    "client_secret",
    "Authorization",
    "api-key",
    "private_key",
    "cookie",
]
ORDINARY_NAMES = ["token_count", "idempotency_key", "collapse_key", "device", "key_id", "position", "secretary"]


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger of its own that writes where no terminal listens."""
    stream = io.StringIO()
    handler = LogHandler("api", LogWriter(stream))
    logger = logging.getLogger("tocsin.tested")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)
    logger.propagate = True


def test_a_line_says_when_who_and_what_and_carries_extra_fields(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    logger.warning("%s devices left", 3, extra={"app": "campus", "position": 41})
    entry = json.loads(stream.getvalue())
    assert entry.pop("ts").endswith("Z")
    assert entry == {
        "level": "WARNING",
        "role": "api",
        "logger": "tocsin.tested",
        "message": "3 devices left",
        "app": "campus",
        "position": 41,
    }


def test_every_line_of_a_request_carries_its_correlation(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    token = correlation_id.set("request-7")
    logger.warning("within")
    correlation_id.reset(token)
    logger.warning("after")
    within, after = map(json.loads, stream.getvalue().splitlines())
    assert within["correlation_id"] == "request-7"
    assert "correlation_id" not in after


def test_a_traceback_stays_in_its_line_and_hides_the_password_in_it(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    try:
        raise ConnectionError("cannot reach postgresql://tocsin:hunter2@db/tocsin")
    except ConnectionError:
        logger.exception("no database")
    (line,) = stream.getvalue().splitlines()
    assert "ConnectionError: cannot reach postgresql://tocsin:***@db/tocsin" in json.loads(line)["exception"]


def test_secrets_in_extra_fields_are_masked_at_any_depth(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    logger.warning("set", extra={"provider": [{"private_key": "hunter2", "team": "T"}], "api_key": "hunter2"})
    entry = json.loads(stream.getvalue())
    assert entry["provider"] == [{"private_key": MASK, "team": "T"}]
    assert entry["api_key"] == MASK


_LEAVES = st.none() | st.booleans() | st.integers() | st.text("xyz =:/'\"", max_size=5)
_SECRETS = st.text("abc123", min_size=12, max_size=20)


@given(
    _SECRETS,
    st.sampled_from(SECRET_NAMES),
    st.lists(st.sampled_from([*ORDINARY_NAMES, None]), max_size=4),
    st.dictionaries(st.sampled_from(ORDINARY_NAMES), _LEAVES),
)
def test_what_goes_under_a_secret_name_is_never_shown_however_deep(
    secret: str, name: str, path: list[str | None], others: dict[str, Any]
) -> None:
    value: Any = {**others, name: secret}
    for step in path:
        value = [value] if step is None else {step: value}
    shown = masked(value)
    assert secret not in str(shown)
    for step in reversed(path):
        shown = shown[0] if step is None else shown[step]
    assert shown == {**{key: masked(other) for key, other in others.items()}, name: MASK}


@pytest.mark.parametrize("name", ORDINARY_NAMES)
def test_a_name_that_only_resembles_a_secrets_hides_nothing(name: str) -> None:
    assert not names_a_secret(name)
    assert masked({name: "plain"}) == {name: "plain"}
    assert masked_text(f"{name}=plain") == f"{name}=plain"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://tocsin:hunter2hunter2hunter2@db/tocsin",
        "Authorization: Bearer hunter2hunter2hunter2",
        "{'Authorization': 'Basic hunter2hunter2hunter2'}",
        "sent Bearer hunter2hunter2hunter2 along",
        'password="hunter2hunter2hunter2 and more", user=x',
        '{"client_secret": "hunter2hunter2hunter2"}',
        "token=hunter2hunter2hunter2&x=1",
        "-----BEGIN PRIVATE KEY-----\nhunter2hunter2hunter2\n-----END PRIVATE KEY-----",
        "eyJhbGciOiJFUzI1NiJ9.hunter2hunter2hunter2.c2ln",
    ],
)
def test_a_secret_in_prose_is_known_by_its_form(text: str) -> None:
    assert "hunter2" not in masked_text(text)
    assert MASK in masked_text(text)


@pytest.mark.parametrize("text", ["token: expired", "Bearer authentication is needed", "5 tokens retired", "a=b"])
def test_prose_about_secrets_is_left_alone(text: str) -> None:
    assert masked_text(text) == text


def test_an_error_that_ends_a_program_is_one_more_json_line() -> None:
    program = "from tocsin.logs import configure_logging; configure_logging('relay'); raise OSError('disk full')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    entry = json.loads(line)
    assert (done.returncode, entry["role"], entry["level"]) == (1, "relay", "CRITICAL")
    assert "OSError: disk full" in entry["exception"]


REFUSED = """duplicate key value violates unique constraint "device_pkey"
DETAIL:  Key (token, user_name)=(hunter2
hunter2, Ada) already exists.
{}CONTEXT:  COPY device, line 3, column token: "hunter2\n\n2" """


@pytest.mark.parametrize("advice", ["", "HINT:  Ask somebody.\n"])
def test_of_a_row_that_postgresql_refused_no_value_is_shown(advice: str) -> None:
    shown = masked_text(f"the read model has stopped: {REFUSED.format(advice)}")
    assert 'violates unique constraint "device_pkey"\nDETAIL: ***' in shown
    assert advice.strip() in shown
    assert "hunter2" not in shown
    assert "Ada" not in shown


def test_what_follows_in_a_traceback_is_shown_all_the_same(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    try:
        try:
            raise LookupError(REFUSED.format(""))
        except LookupError as error:
            raise OSError("nor that") from error
    except OSError:
        logger.exception("neither")
    shown = json.loads(stream.getvalue())["exception"]
    assert "hunter2" not in shown
    assert "DETAIL: ***\n\nThe above exception was the direct cause" in shown
    assert shown.endswith("OSError: nor that")


@pytest.mark.parametrize(
    "text",
    ['invalid input syntax for type uuid: "hunter2"', 'invalid input value for enum a.state: "hunter2"\nLINE 1: …'],
)
def test_a_value_that_postgresql_cannot_read_is_not_shown(text: str) -> None:
    assert "hunter2" not in masked_text(text)
    assert "invalid input" in masked_text(text)
