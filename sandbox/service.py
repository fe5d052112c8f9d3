"""Takes a request to where it belongs, spoils the answer where a fault says so, and keeps the journal."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tocsin.sandbox.access_tokens import AccessTokens, GoogleTokenEndpoint, WnsTokenEndpoint, refuse_token
from tocsin.sandbox.apns import Apns
from tocsin.sandbox.device_groups import DeviceGroups, refuse_group
from tocsin.sandbox.exchange import Answer, Ending, Refused, Request, json_answer
from tocsin.sandbox.faults import Fault, FaultScript
from tocsin.sandbox.fcm import Fcm
from tocsin.sandbox.journal import Journal, Push
from tocsin.sandbox.provider import PushProvider
from tocsin.sandbox.provider_tokens import ProviderTokens
from tocsin.sandbox.settings import Identity, Settings
from tocsin.sandbox.wns import Wns


class PushService:
    """The three providers behind one port. Nothing here waits: a delay or a hang is said in the answer."""

    def __init__(
        self, directory: Path, identity: Identity, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self._settings_at_start = asdict(settings)
        self.faults = FaultScript()
        self.journal = Journal(clock, settings.keep)
        tokens = AccessTokens(clock, settings)
        self.apns = Apns(_provider_tokens(directory, identity, settings, clock), identity.apns_topic, clock)
        self.fcm = Fcm(tokens, identity.fcm_project, clock)
        self.wns = Wns(tokens)
        self.groups = DeviceGroups(tokens)
        google_key = load_pem_public_key((directory / "sa.pub").read_bytes())
        assert isinstance(google_key, RSAPublicKey)
        self._google = GoogleTokenEndpoint(google_key, identity.fcm_client_email, tokens, clock)
        self._microsoft = WnsTokenEndpoint(identity, tokens)

    def respond(self, request: Request) -> Answer:
        """The answer to any request on the push ports."""
        path = request.path
        if path.startswith("/3/"):
            return self._push(self.apns, request)
        if path.startswith("/v1/"):
            return self._push(self.fcm, request)
        if path.startswith("/wns/"):
            return self._push(self.wns, request)
        return self._respond_otherwise(request)

    def reset(self) -> None:
        """Forget what was received, the faults and the device groups, and set all as at the start.

        Access tokens stay good: a client that holds one need not know of the reset.
        """
        self.journal.reset()
        self.faults.clear()
        self.groups.reset()
        for name, value in self._settings_at_start.items():
            setattr(self.settings, name, value)

    def _respond_otherwise(self, request: Request) -> Answer:
        match request.path:
            case "/token":
                return self._token("fcm", self._google.answer, request)
            case "/accesstoken.srf":
                return self._token("wns", self._microsoft.answer, request)
            case "/fcm/notification":
                return _answer_or_refuse(self.groups.answer, request, refuse_group)
        return json_answer(404, {"error": f"the sandbox serves nothing at {request.path}"})

    def _token(self, provider: str, endpoint: Callable[[Request], Answer], request: Request) -> Answer:
        self.journal.record_token_request(provider)
        fault = self.faults.take(provider, "token", "")
        if fault is None:
            return _answer_or_refuse(endpoint, request, refuse_token)
        if fault.action == "status":
            return _spoilt(fault, Answer(fault.status or 0))
        if not fault.refuses:
            return _spoilt(fault, _answer_or_refuse(endpoint, request, refuse_token))
        refused = Refused(fault.status or 503, fault.reason or "temporarily_unavailable", "scripted fault")
        refused.retry_after = fault.retry_after
        return _spoilt(fault, refuse_token(refused))

    def _push(self, provider: PushProvider, request: Request) -> Answer:
        push = Push(request)
        try:
            provider.examine(push)
        except Refused as refused:
            answer = self._refuse(provider, push, refused, delivered=False)
        else:
            fault = self._fault(provider, push.token)
            answer = self._accept(provider, push) if fault is None else self._fail(provider, push, fault)
        answer.delay += self.settings.latency_ms / 1000
        return answer

    def _fault(self, provider: PushProvider, token: str) -> Fault | None:
        """A scripted fault comes before one that the token asks for."""
        scripted = self.faults.take(provider.name, "push", token)
        if scripted is not None or not self.settings.prefix_faults:
            return scripted
        return provider.prefix_fault(token)

    def _accept(self, provider: PushProvider, push: Push) -> Answer:
        answer = provider.accept(push)
        self.journal.record(provider.name, push, str(answer.status), push.delivers)
        return answer

    def _refuse(self, provider: PushProvider, push: Push, refused: Refused, delivered: bool) -> Answer:
        answer = provider.refuse(refused, push.request)
        self.journal.record(provider.name, push, f"{refused.status} {refused.reason}".strip(), delivered)
        return answer

    def _fail(self, provider: PushProvider, push: Push, fault: Fault) -> Answer:
        if fault.action in ("answer", "goaway"):
            return _spoilt(fault, self._scripted_answer(provider, push, fault))
        delivered = fault.delivered and push.delivers
        if delivered:
            provider.accept(push)
        label = str(fault.status) if fault.action == "status" else fault.action
        self.journal.record(provider.name, push, label, delivered)
        return _spoilt(fault, Answer(fault.status or 0))

    def _scripted_answer(self, provider: PushProvider, push: Push, fault: Fault) -> Answer:
        if not fault.refuses:
            return self._accept(provider, push)
        refused = provider.scripted_refusal(fault.status, fault.reason)
        refused.retry_after, refused.timestamp_ms = fault.retry_after, fault.timestamp_ms
        return self._refuse(provider, push, refused, fault.delivered and push.delivers)


def _spoilt(fault: Fault, answer: Answer) -> Answer:
    """The answer, ended and delayed as the fault says."""
    if fault.action not in ("answer", "status"):
        answer.ending = Ending(fault.action)
    answer.delay = fault.delay_ms / 1000
    answer.error_code = fault.error_code
    return answer


def _answer_or_refuse(
    endpoint: Callable[[Request], Answer], request: Request, refuse: Callable[[Refused], Answer]
) -> Answer:
    try:
        return endpoint(request)
    except Refused as refused:
        return refuse(refused)


def _provider_tokens(
    directory: Path, identity: Identity, settings: Settings, clock: Callable[[], float]
) -> ProviderTokens:
    key = load_pem_public_key((directory / "apns.pub").read_bytes())
    assert isinstance(key, EllipticCurvePublicKey)
    interval = settings.provider_token_interval_seconds
    return ProviderTokens(key, identity.apns_key_id, identity.apns_team_id, clock, interval)
