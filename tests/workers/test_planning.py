"""An audience divided into portions."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.events.send import Exclusion
from tocsin.projections.audience import AudienceRow
from tocsin.workers.planning import MAX_EXCLUDED, Excluded, Portion, Portions, chunk_size


def _order(pair: tuple[str | None, Exclusion | None]) -> tuple[bool, str]:
    """Those to send to first, by provider."""
    provider, exclusion = pair
    reachable = exclusion is None and provider is not None
    return not reachable, (provider or "") if reachable else ""


rows = st.lists(
    st.tuples(st.sampled_from(["apns", "fcm", "wns", None]), st.sampled_from([None, None, *Exclusion])), max_size=200
).map(
    lambda pairs: [
        AudienceRow(UUID(int=number), "any", provider, exclusion)
        for number, (provider, exclusion) in enumerate(sorted(pairs, key=_order))
    ]
)
sizes = st.integers(1, 20)


@given(rows, sizes)
def test_every_row_is_in_exactly_one_portion(audience: list[AudienceRow], size: int) -> None:
    found: list[UUID] = []
    for portion in Portions(lambda _: size).divide(audience):
        devices = portion.devices
        found += [entry if isinstance(entry, UUID) else entry[0] for entry in devices]
    assert sorted(found) == [row.device_id for row in audience]


@given(rows, sizes)
def test_a_chunk_has_one_provider_and_no_more_devices_than_it_may(audience: list[AudienceRow], size: int) -> None:
    reachable = {row.device_id: row.provider for row in audience if row.exclusion is None}
    chunks = [portion for portion in Portions(lambda _: size).divide(audience) if isinstance(portion, Portion)]
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert 1 <= len(chunk.devices) <= size
        assert {reachable[device] for device in chunk.devices} == {chunk.provider}


@given(rows, sizes)
def test_the_counts_are_those_of_the_portions(audience: list[AudienceRow], size: int) -> None:
    portions = Portions(lambda _: size)
    divided = list(portions.divide(audience))
    reached = sum(len(portion.devices) for portion in divided if isinstance(portion, Portion))
    left_out = sum(len(portion.devices) for portion in divided if isinstance(portion, Excluded))
    assert portions.counts.by_provider.total() == reached
    assert portions.counts.excluded.total() == left_out
    assert portions.counts.providers == [portion.provider for portion in divided if isinstance(portion, Portion)]


@given(rows, sizes)
def test_the_same_rows_give_the_same_portions(audience: list[AudienceRow], size: int) -> None:
    first, second = Portions(lambda _: size).divide(audience), Portions(lambda _: size).divide(iter(audience))
    assert list(first) == list(second)


def test_no_more_than_a_thousand_excluded_devices_are_named_in_one_event() -> None:
    audience = [AudienceRow(UUID(int=n), "web", None, Exclusion.NO_PROVIDER) for n in range(MAX_EXCLUDED * 2 + 1)]
    portions = list(Portions().divide(audience))
    assert [len(portion.devices) for portion in portions] == [MAX_EXCLUDED, MAX_EXCLUDED, 1]
    assert [portion.ordinal for portion in portions] == [0, 1, 2]


def test_small_sends_have_small_chunks_and_large_ones_large() -> None:
    sizes = [chunk_size(ordinal) for ordinal in range(100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] == 1000


@given(rows, st.data(), sizes)
def test_a_plan_gone_on_with_takes_in_everyone_once_though_some_are_no_longer_found(
    audience: list[AudienceRow], data: st.DataObject, size: int
) -> None:
    before = list(Portions(lambda _: size).divide(audience))
    recorded = before[: data.draw(st.integers(0, len(before)), "portions recorded")]
    lost = data.draw(st.sets(st.sampled_from(audience)) if audience else st.just(set()), "rows no longer found")
    again = Portions(lambda _: size)
    for portion in recorded:
        again.go_on_after(portion)
    planned = [*recorded, *again.divide(row for row in audience if row not in lost)]
    named = [device if isinstance(device, UUID) else device[0] for portion in planned for device in portion.devices]
    kept = {device if isinstance(device, UUID) else device[0] for portion in recorded for device in portion.devices}
    assert sorted(named) == sorted(row.device_id for row in audience if row not in lost or row.device_id in kept)
    for kind in (Portion, Excluded):
        ordinals = [portion.ordinal for portion in planned if isinstance(portion, kind)]
        assert ordinals == list(range(len(ordinals)))
    firsts = [portion.first for portion in planned if isinstance(portion, Portion)]
    chunks = [len(portion.devices) for portion in planned if isinstance(portion, Portion)]
    assert firsts == [sum(chunks[:number]) for number in range(len(chunks))]
    assert again.counts.by_provider.total() == sum(chunks)
