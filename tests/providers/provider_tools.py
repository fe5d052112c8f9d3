"""What the tests of providers do over and over: make requests and pushes, and wait for what becomes of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from patience import PATIENCE
from scripted_provider import Deed, Reply, ScriptedProvider, Seen

from tocsin.domain.message import Message
from tocsin.sandbox.handle import SandboxHandle
from tocsin.workers.providers.exchange import HttpRequest, HttpResult, Pool
from tocsin.workers.providers.gateway import Gateway
from tocsin.workers.providers.port import Answer, Provider, Push
from tocsin.workers.providers.transport import Transport

Script = Callable[..., ScriptedProvider]
Opener = Callable[..., Provider]

ALARM = Message(title="Evacuate", body="Leave the building by the nearest exit")
APNS_TOKEN = "a1" * 32


def pool_of(provider: ScriptedProvider, **options: Any) -> Pool:
    return Pool(owner="test", ca_path=provider.ca_path, **options)


def request(
    provider: ScriptedProvider, pool: Pool, path: str = "/", body: bytes = b"{}", **options: Any
) -> HttpRequest:
    given = {"timeout": PATIENCE, **options}
    return HttpRequest(url=provider.url + path, headers=["a: b"], body=body, pool=pool, **given)


def exchange(transport: Transport, requests: list[HttpRequest]) -> list[HttpResult]:
    """Sends all at once; the results in the order of the requests."""
    channel = transport.channel(len(requests))
    channel.submit_all([(one, number, time.monotonic() + one.timeout) for number, one in enumerate(requests)])
    results: list[HttpResult] = []
    while len(results) < len(requests):
        results += channel.results(30)
    assert sorted(result.tag for result in results) == list(range(len(requests)))
    return sorted(results, key=lambda result: int(result.tag))


def warm(transport: Transport, provider: ScriptedProvider, pool: Pool) -> None:
    """One answer, after which the pool sends more than one request at a time."""
    assert transport.call(request(provider, pool, "/warm")).failure is None


def after_warming(behave: Callable[[Seen], Deed]) -> Callable[[Seen], Deed]:
    return lambda seen: Reply() if seen.path == "/warm" else behave(seen)


def answers(_seen: Seen) -> Deed:
    return Reply()


def push(token: str, index: int = 0, message: Message = ALARM, **options: Any) -> Push:
    return Push(index=index, push_id=uuid4(), token=token, message=message, **options)


def deliver(
    transport: Transport, provider: Provider, pushes: Iterable[Push], timeout: float = PATIENCE
) -> list[Answer]:
    """Sends all and collects an answer for each, in the order of the pushes."""
    gateway = Gateway(transport, timeout=timeout)
    listed = list(pushes)
    gateway.send(provider, listed)
    answers: list[Answer] = []
    while gateway.in_flight:
        answers += gateway.answers(30)
    assert sorted(answer.index for answer in answers) == sorted(one.index for one in listed)
    return sorted(answers, key=lambda answer: answer.index)


def channel(sandbox: SandboxHandle, token: str) -> str:
    return str(sandbox.providers["wns"]["channel_url"]) + token


def good_token(sandbox: SandboxHandle, provider: str, number: int = 0) -> str:
    tokens = {"apns": f"{number + (10 << 252):064x}", "fcm": f"device-{number}"}
    return tokens.get(provider) or channel(sandbox, f"ok{number}")


def configuration(sandbox: SandboxHandle, provider: str) -> tuple[dict[str, Any], bytes]:
    """What an operator would enter to reach the sandbox."""
    given = sandbox.providers[provider]
    ca = {"ca_path": str(sandbox.ca_path)}
    if provider == "apns":
        names = ("topic", "key_id", "team_id", "base_url")
        return {**ca, **{name: given[name] for name in names}}, given["key"].encode()
    if provider == "fcm":
        return {**ca, "base_url": given["base_url"]}, json.dumps(given["service_account"]).encode()
    wns = {
        "client_id": given["client_id"],
        "token_url": given["token_url"],
        "allowed_hosts": ["127.0.0.1", "localhost"],
    }
    return {**ca, **wns}, given["client_secret"].encode()
