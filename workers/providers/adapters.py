"""From a credential to the adapter of its provider."""

from __future__ import annotations

from tocsin.workers.providers.apns import Apns
from tocsin.workers.providers.credentials import ApnsCredential, Credential, FcmCredential
from tocsin.workers.providers.fcm import Fcm
from tocsin.workers.providers.port import Provider
from tocsin.workers.providers.transport import Transport
from tocsin.workers.providers.wns import Wns


def open_provider(credential: Credential, transport: Transport) -> Provider:
    """The adapter for one credential. Keep it: its connections and its token are its own."""
    match credential:
        case ApnsCredential():
            return Apns(credential)
        case FcmCredential():
            return Fcm(credential, transport)
        case _:
            return Wns(credential, transport)
