"""What every answer of every provider means, as data.

A row is found by provider, HTTP status and the provider's code; failing that by provider and status alone; failing
that by the class of the status. The sources are the providers' own manual pages, by title:

- APNs: "Handling notification responses from APNs"
- FCM: "ErrorCode" of the FCM v1 REST reference, and "FCM error codes"
- WNS: "Push notification service request and response headers"
"""

from __future__ import annotations

from typing import NamedTuple

from tocsin.workers.providers.port import Verdict

APNS_MANUAL = "Handling notification responses from APNs"
FCM_MANUAL = "FCM v1 REST reference: ErrorCode"
WNS_MANUAL = "WNS: push notification service request and response headers"
OWN_RULE = "Tocsin"

DELIVERED, FAILED, RETRY, UNKNOWN = Verdict.DELIVERED, Verdict.FAILED, Verdict.RETRY, Verdict.UNKNOWN


class Rule(NamedTuple):
    """What an answer means. ``retry_after``: seconds to wait where the provider names none but its manual does."""

    verdict: Verdict
    source: str
    retire: bool = False
    pause: bool = False
    throttle: bool = False
    retry_after: float | None = None


APNS = {
    (200, ""): Rule(DELIVERED, APNS_MANUAL),
    (400, "BadCollapseId"): Rule(FAILED, APNS_MANUAL),
    (400, "BadDeviceToken"): Rule(FAILED, APNS_MANUAL, retire=True),
    (400, "BadExpirationDate"): Rule(FAILED, APNS_MANUAL),
    (400, "BadMessageId"): Rule(FAILED, APNS_MANUAL),
    (400, "BadPriority"): Rule(FAILED, APNS_MANUAL),
    (400, "BadTopic"): Rule(RETRY, APNS_MANUAL, pause=True),
    (400, "DeviceTokenNotForTopic"): Rule(FAILED, APNS_MANUAL, retire=True),
    (400, "DuplicateHeaders"): Rule(FAILED, APNS_MANUAL),
    (400, "IdleTimeout"): Rule(RETRY, APNS_MANUAL),
    (400, "InvalidPushType"): Rule(FAILED, APNS_MANUAL),
    (400, "MissingDeviceToken"): Rule(FAILED, APNS_MANUAL, retire=True),
    (400, "MissingTopic"): Rule(RETRY, APNS_MANUAL, pause=True),
    (400, "PayloadEmpty"): Rule(FAILED, APNS_MANUAL),
    (400, "TopicDisallowed"): Rule(RETRY, APNS_MANUAL, pause=True),
    (403, ""): Rule(RETRY, APNS_MANUAL, pause=True),
    (403, "BadCertificate"): Rule(RETRY, APNS_MANUAL, pause=True),
    (403, "BadCertificateEnvironment"): Rule(RETRY, APNS_MANUAL, pause=True),
    (403, "BadEnvironmentKeyIdInToken"): Rule(RETRY, APNS_MANUAL, pause=True),
    (403, "ExpiredProviderToken"): Rule(RETRY, APNS_MANUAL, pause=True),
    (403, "Forbidden"): Rule(FAILED, APNS_MANUAL, pause=True),
    (403, "InvalidProviderToken"): Rule(RETRY, APNS_MANUAL, pause=True),
    (403, "MissingProviderToken"): Rule(RETRY, APNS_MANUAL, pause=True),
    (403, "UnrelatedKeyIdInToken"): Rule(RETRY, APNS_MANUAL, pause=True),
    (404, "BadPath"): Rule(FAILED, APNS_MANUAL),
    (405, "MethodNotAllowed"): Rule(FAILED, APNS_MANUAL),
    (410, ""): Rule(FAILED, APNS_MANUAL, retire=True),
    (410, "ExpiredToken"): Rule(FAILED, APNS_MANUAL, retire=True),
    (410, "Unregistered"): Rule(FAILED, APNS_MANUAL, retire=True),
    (413, "PayloadTooLarge"): Rule(FAILED, APNS_MANUAL),
    (429, "TooManyProviderTokenUpdates"): Rule(RETRY, APNS_MANUAL, throttle=True),
    (429, "TooManyRequests"): Rule(RETRY, APNS_MANUAL),
    (500, "InternalServerError"): Rule(RETRY, APNS_MANUAL),
    (503, "ServiceUnavailable"): Rule(RETRY, APNS_MANUAL, throttle=True),
    (503, "Shutdown"): Rule(RETRY, APNS_MANUAL),
}

INVALID_DEVICE = "INVALID_ARGUMENT message.token"
"""INVALID_ARGUMENT whose field violation or message names the registration token, not the message."""

FCM = {
    (200, ""): Rule(DELIVERED, FCM_MANUAL),
    (400, "INVALID_ARGUMENT"): Rule(FAILED, FCM_MANUAL),
    (400, INVALID_DEVICE): Rule(FAILED, FCM_MANUAL, retire=True),
    (401, "THIRD_PARTY_AUTH_ERROR"): Rule(RETRY, FCM_MANUAL, pause=True),
    (401, "UNAUTHENTICATED"): Rule(RETRY, FCM_MANUAL, pause=True),
    (401, ""): Rule(RETRY, FCM_MANUAL, pause=True),
    (403, "PERMISSION_DENIED"): Rule(RETRY, FCM_MANUAL, pause=True),
    (403, "SENDER_ID_MISMATCH"): Rule(FAILED, FCM_MANUAL),
    (404, "NOT_FOUND"): Rule(FAILED, FCM_MANUAL, retire=True),
    (404, "UNREGISTERED"): Rule(FAILED, FCM_MANUAL, retire=True),
    (429, "QUOTA_EXCEEDED"): Rule(RETRY, FCM_MANUAL, throttle=True, retry_after=60.0),
    (429, "RESOURCE_EXHAUSTED"): Rule(RETRY, FCM_MANUAL, throttle=True, retry_after=60.0),
    (500, "INTERNAL"): Rule(RETRY, FCM_MANUAL),
    (500, "UNSPECIFIED_ERROR"): Rule(RETRY, FCM_MANUAL),
    (503, "UNAVAILABLE"): Rule(RETRY, FCM_MANUAL, throttle=True),
}

WNS = {
    (200, "received"): Rule(DELIVERED, WNS_MANUAL),
    (200, "dropped"): Rule(FAILED, WNS_MANUAL),
    (200, "channelthrottled"): Rule(RETRY, WNS_MANUAL),
    (200, ""): Rule(DELIVERED, WNS_MANUAL),
    (400, ""): Rule(FAILED, WNS_MANUAL),
    (401, ""): Rule(RETRY, WNS_MANUAL, pause=True),
    (403, ""): Rule(FAILED, WNS_MANUAL),
    (404, ""): Rule(FAILED, WNS_MANUAL, retire=True),
    (405, ""): Rule(FAILED, WNS_MANUAL),
    (406, ""): Rule(RETRY, WNS_MANUAL, throttle=True),
    (410, ""): Rule(FAILED, WNS_MANUAL, retire=True),
    (413, ""): Rule(FAILED, WNS_MANUAL),
    (500, ""): Rule(RETRY, WNS_MANUAL),
    (503, ""): Rule(RETRY, WNS_MANUAL, throttle=True),
}

ROWS: dict[str, dict[tuple[int, str], Rule]] = {"apns": APNS, "fcm": FCM, "wns": WNS}

STATUSES = {
    429: Rule(RETRY, OWN_RULE, throttle=True),
    500: Rule(RETRY, OWN_RULE),
    # A gateway spoke, not the provider: whether the provider took the push before, nobody knows.
    502: Rule(UNKNOWN, OWN_RULE),
    503: Rule(RETRY, OWN_RULE, throttle=True),
    504: Rule(UNKNOWN, OWN_RULE),
}

CLASSES = {
    2: Rule(DELIVERED, OWN_RULE),
    3: Rule(FAILED, OWN_RULE),
    4: Rule(FAILED, OWN_RULE),
    5: Rule(RETRY, OWN_RULE),
}

NOT_SENT = Rule(RETRY, OWN_RULE)
IN_DOUBT = Rule(UNKNOWN, OWN_RULE)


def rule(provider: str, status: int, code: str) -> Rule:
    """The meaning of an answer: its own row, else the provider's row for the status, else the status's default."""
    rows = ROWS[provider]
    return (
        rows.get((status, code))
        or rows.get((status, ""))
        or STATUSES.get(status)
        or CLASSES.get(status // 100)
        or IN_DOUBT
    )
