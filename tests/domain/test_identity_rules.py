"""Ids that follow from what they name."""

from __future__ import annotations

from uuid import UUID

from tocsin.domain.identity import chunk_stream_id, exclusions_stream_id, receipt_stream_id, user_stream_id

SEND, OTHER = UUID(int=1), UUID(int=2)


def test_the_same_thing_is_named_the_same_by_whoever_names_it() -> None:
    assert chunk_stream_id(SEND, 3) == chunk_stream_id(SEND, 3)
    assert user_stream_id(SEND, b"digest") == user_stream_id(SEND, b"digest")


def test_different_things_have_different_names() -> None:
    names = {
        make(namespace, number)
        for make in (chunk_stream_id, exclusions_stream_id)
        for namespace in (SEND, OTHER)
        for number in range(3)
    }
    names |= {receipt_stream_id(send, device) for send in (SEND, OTHER) for device in (SEND, OTHER)}
    names |= {user_stream_id(app, digest) for app in (SEND, OTHER) for digest in (b"a", b"b")}
    assert len(names) == 12 + 4 + 4


def test_the_name_of_a_stream_is_for_ever() -> None:
    """These stand in records: another way of naming would lose every receipt, user and chunk."""
    assert str(chunk_stream_id(SEND, 0)) == "290dc03c-745b-547e-a7c9-53415fd8ca1b"
    assert str(receipt_stream_id(SEND, OTHER)) == "3b83fc91-2189-519d-9126-78f59af328a3"
    assert str(user_stream_id(SEND, b"\x01")) == "1a7cae41-95c8-5f77-8543-56a544aedd03"
    assert str(exclusions_stream_id(SEND, 0)) == "d5190ecf-9a61-5b06-9df1-ef8c2a8aa620"
