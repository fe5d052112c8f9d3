"""Points in time, as callers give them: whatever is recorded can be kept in every table, and read from it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tocsin.domain.errors import Invalid
from tocsin.domain.rules import moment


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:00", "0001-01-01T14:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_a_time_may_lie_in_any_year_of_four_digits(text: str) -> None:
    value = datetime.fromisoformat(text)
    assert moment(value, "at") == value


@pytest.mark.parametrize("text", ["0001-01-01T13:59:59+14:00", "9999-12-31T23:59:59-00:01"])
def test_a_time_that_its_offset_leads_out_of_these_years_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="years 1 to 9999") as refusal:
        moment(datetime.fromisoformat(text), "at")
    assert refusal.value.facts == {"field": "at"}


def test_a_time_says_its_offset() -> None:
    with pytest.raises(Invalid, match="offset"):
        moment(datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None), "at")
