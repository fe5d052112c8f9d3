"""From one result of the transport to one answer of a provider, by the table."""

from __future__ import annotations

import email.utils
import json
import time
from typing import Any

from tocsin.workers.providers import table
from tocsin.workers.providers.exchange import Failure, HttpResult
from tocsin.workers.providers.port import Answer, Push, Verdict
from tocsin.workers.providers.tokens import TokenFailure

LONGEST_REASON = 500
"""Characters kept of what a provider wrote."""

LONGEST_PAUSE = 86_400.0
"""Seconds: whoever asks to be left alone for longer is asked again after a day."""


def no_answer(push: Push, result: HttpResult) -> Answer:
    """A request that got no answer: tried again if it certainly never left, unknown otherwise."""
    not_sent = result.failure is Failure.NOT_SENT
    return Answer(
        index=push.index,
        push_id=push.push_id,
        verdict=Verdict.RETRY if not_sent else Verdict.UNKNOWN,
        status=result.status,
        code=f"{result.failure}.{result.cause}",
        reason=clean(result.error, push),
        pause_credential=not_sent and result.cause == "certificate",
        sent_at=result.sent_at,
    )


def unreadable(push: Push, result: HttpResult) -> Answer:
    """A request whose answer makes no sense: by its status alone the provider may have taken the message."""
    return Answer(
        index=push.index,
        push_id=push.push_id,
        verdict=Verdict.UNKNOWN,
        status=result.status,
        code="unreadable",
        reason="the provider's answer could not be read",
        sent_at=result.sent_at,
        answered_at=result.answered_at,
    )


def no_token(push: Push, failure: TokenFailure) -> Answer:
    """A push for which no access token could be had: nothing left this machine."""
    return Answer(
        index=push.index,
        push_id=push.push_id,
        verdict=Verdict.RETRY,
        code=clean(f"not-sent.{failure.code}", push),
        reason=clean(failure.reason, push),
        retry_after=failure.retry_after,
        pause_credential=failure.permanent,
    )


def refused_here(push: Push, code: str, reason: str) -> Answer:
    """A push that must not be sent at all."""
    return Answer(
        index=push.index,
        push_id=push.push_id,
        verdict=Verdict.FAILED,
        code=code,
        reason=clean(reason, push),
    )


def judged(
    push: Push, result: HttpResult, rule: table.Rule, *, code: str, reason: str = "", message_id: str | None = None
) -> Answer:
    """An answer the provider gave, with the meaning the table gives it."""
    waits = rule.verdict is Verdict.RETRY
    named = retry_after(result) if waits else None
    return Answer(
        index=push.index,
        push_id=push.push_id,
        verdict=rule.verdict,
        provider_message_id=None if message_id is None else clean(message_id, push),
        status=result.status,
        code=clean(code, push),
        reason=clean(reason, push),
        retry_after=rule.retry_after if waits and named is None else named,
        retire_token=rule.retire,
        pause_credential=rule.pause,
        throttle=rule.throttle,
        sent_at=result.sent_at,
        answered_at=result.answered_at,
    )


def retry_after(result: HttpResult) -> float | None:
    """Seconds to wait by the Retry-After header, given as seconds or as a date (RFC 9110, 10.2.3)."""
    value = result.header("retry-after")
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_PAUSE)
    try:
        seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), LONGEST_PAUSE)


def json_body(result: HttpResult) -> dict[str, Any]:
    """The body as a JSON object; an empty one where it is anything else, such as a gateway's HTML page."""
    try:
        body = json.loads(result.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def clean(text: str, push: Push) -> str:
    """Printable, short, and without the device's token, which providers like to repeat."""
    if not text:
        return ""
    if push.token and push.token in text:
        text = text.replace(push.token, "<token>")
    return "".join(character if character.isprintable() else " " for character in text[: LONGEST_REASON + 1]).strip()[
        :LONGEST_REASON
    ]
