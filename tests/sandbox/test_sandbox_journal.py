"""The journal: bounded in what it keeps, complete in what it counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.sandbox.exchange import Request
from tocsin.sandbox.journal import Journal, Push, Selection

REQUESTS = st.lists(
    st.tuples(st.sampled_from(["apns", "fcm"]), st.sampled_from(["", "x", "y"]), st.booleans()), max_size=30
)


def journal_of(requests: list[tuple[str, str, bool]], keep: int) -> Journal:
    ticks = iter(range(len(requests) + 1))
    journal = Journal(lambda: next(ticks), keep)
    for provider, token, delivered in requests:
        journal.record(provider, Push(Request("POST", "/"), token), "200" if delivered else "400", delivered)
    return journal


@given(REQUESTS, st.integers(1, 10))
def test_the_counters_know_all_and_the_list_the_latest(requests: list[tuple[str, str, bool]], keep: int) -> None:
    journal = journal_of(requests, keep)
    stats = journal.stats()
    assert stats["total"] == sum(stats["by_provider"].values()) == len(requests)
    assert sum(count for answers in stats["by_answer"].values() for count in answers.values()) == len(requests)
    kept = journal.select(Selection(answer="all"))
    assert [(entry.provider, entry.push.token, entry.delivered) for entry in kept] == requests[-keep:]


@given(REQUESTS, st.integers(1, 5))
def test_a_reader_that_pages_by_sequence_sees_everything_once(
    requests: list[tuple[str, str, bool]], limit: int
) -> None:
    journal = journal_of(requests, keep=100)
    seen, since = [], 0
    while page := journal.select(Selection(since=since, limit=limit)):
        seen += page
        since = page[-1].sequence
    assert seen == journal.select(Selection())
    assert len(seen) == sum(delivered for _, _, delivered in requests)


@given(REQUESTS)
def test_every_named_device_is_counted_apart(requests: list[tuple[str, str, bool]]) -> None:
    journal = journal_of(requests, keep=1)
    devices = {(device.provider, device.token): device for device in journal.select_devices(Selection())}
    for key, device in devices.items():
        mine = [delivered for provider, token, delivered in requests if (provider, token) == key]
        assert (device.received, device.refused) == (mine.count(True), mine.count(False))
    assert set(devices) == {(provider, token) for provider, token, _ in requests if token}
    assert journal.stats()["distinct_tokens"] == len(devices)
