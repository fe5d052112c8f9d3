"""Which provider reaches which platform."""

from __future__ import annotations

import pytest

from tocsin.domain.platforms import PLATFORMS, PROVIDERS, check_token, provider_for


@pytest.mark.parametrize(
    ("platform", "provider"),
    [("ios", "apns"), ("macos", "apns"), ("tvos", "apns"), ("watchos", "apns"), ("android", "fcm"), ("windows", "wns"),
     ("huawei", None), ("web", None), ("sms", None), ("symbian", None)],
)  # fmt: skip
def test_a_platform_is_reached_by_its_provider_if_any(platform: str, provider: str | None) -> None:
    assert provider_for(platform) == provider


def test_every_provider_reaches_some_platform() -> None:
    assert {provider_for(platform) for platform in PLATFORMS} == {*PROVIDERS, None}


@pytest.mark.parametrize(
    ("platform", "token"),
    [
        ("ios", "0F" * 32),
        ("ios", "0f" * 100),
        ("android", "fIAe0YS9S1-FyQDlQ24Edu:APA91bF2NDdGgK8"),
        ("windows", "https://db5.notify.windows.com/?token=AwYAAA%3d"),
        ("huawei", "anything"),
    ],
)
def test_a_token_of_its_providers_form_is_taken(platform: str, token: str) -> None:
    check_token(platform, token)
