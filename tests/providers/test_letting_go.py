"""A credential that was replaced or taken back is not kept by a worker that lives on."""

from __future__ import annotations

import gc
from weakref import ref

import pytest
from provider_tools import Opener, good_token, push

from tocsin.sandbox.handle import SandboxHandle
from tocsin.workers.providers import apns
from tocsin.workers.providers.gateway import Gateway
from tocsin.workers.providers.transport import Transport


@pytest.mark.parametrize("name", ["apns", "fcm", "wns"])
def test_a_gateway_keeps_nothing_of_a_provider_that_nobody_uses_any_more(
    sandbox: SandboxHandle, transport: Transport, opened: Opener, name: str
) -> None:
    gateway, provider = Gateway(transport), opened(name)
    gateway.send(provider, [push(good_token(sandbox, name))])
    while gateway.in_flight:
        gateway.answers(30)
    seen = ref(provider)
    del provider
    gc.collect()
    assert seen() is None


def test_a_signing_key_is_kept_as_long_as_somebody_uses_it(opened: Opener) -> None:
    before = len(apns._signed)
    first, second = opened("apns", key_id="KEEPSAKE01"), opened("apns", key_id="KEEPSAKE01", topic="com.example.other")
    token = first.tokens.current(1000.0)
    del first
    gc.collect()
    assert second.tokens.current(1000.0) is token
    assert len(apns._signed) == before + 1
    del second
    gc.collect()
    assert len(apns._signed) == before
