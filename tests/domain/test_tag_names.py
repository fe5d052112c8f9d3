"""What a tag may be called."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.errors import Invalid
from tocsin.domain.tags import MAX_TAG, tag_name


@pytest.mark.parametrize(
    "name", ["a", "floor:3", "Push.ALL", "on-leave", "a/b@c_d", "night shift", "Ärzte", "हिन्दी", "東京", "x" * 64]
)
def test_letters_digits_some_punctuation_and_spaces_inside_make_a_tag(name: str) -> None:
    assert tag_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("name", "column"),
    [(" a", 0), ("a ", 1), ("a\tb", 1), ("a\u00a0b", 1), ("a!b", 1), ('a"b', 1), ("a\0", 1), ("😀", 0), (" ", 0)],
)
def test_any_other_character_is_refused_with_its_column(name: str, column: int) -> None:
    with pytest.raises(Invalid) as refusal:
        tag_name(name, "audience.tags")
    assert refusal.value.facts == {"field": "audience.tags", "column": column}


@pytest.mark.parametrize("name", ["", "x" * (MAX_TAG + 1), "é" * (MAX_TAG + 1), None, 7])
def test_a_tag_is_a_string_of_one_to_sixty_four_characters(name: object) -> None:
    with pytest.raises(Invalid):
        tag_name(name)


def test_length_is_counted_in_normal_form() -> None:
    assert len(tag_name("e\u0301" * MAX_TAG)) == MAX_TAG


@given(st.text(max_size=70))
def test_a_name_that_was_taken_is_taken_again_as_it_is(name: str) -> None:
    try:
        taken = tag_name(name)
    except Invalid:
        return
    assert tag_name(taken) == taken
