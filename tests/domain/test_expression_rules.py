"""Audience expressions: what they mean, how they are written back, and where a fault is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.errors import Invalid
from tocsin.domain.expression import MAX_DEPTH, MAX_TERMS, And, Expression, Not, Or, Tag, matches, names, parse, to_text
from tocsin.domain.tags import tag_name

A, B, C = Tag("a"), Tag("b"), Tag("c")

alphabet = "abzÄé漢٣_-.:@/ "
tag_names = st.text(alphabet, min_size=1, max_size=12).filter(lambda name: name == name.strip()).map(tag_name)
expressions = st.recursive(
    st.builds(Tag, tag_names),
    lambda inner: st.one_of(st.builds(Not, inner), st.builds(And, inner, inner), st.builds(Or, inner, inner)),
    max_leaves=20,
)


def meaning(expression: Expression, tags: frozenset[str]) -> bool:
    """The expression as Python itself would read it."""
    match expression:
        case Tag(name):
            return name in tags
        case Not(term):
            return not meaning(term, tags)
        case And(left, right):
            return all([meaning(left, tags), meaning(right, tags)])
        case Or(left, right):
            return any([meaning(left, tags), meaning(right, tags)])


@given(expressions)
def test_what_is_written_back_parses_to_the_same_expression(expression: Expression) -> None:
    assert parse(to_text(expression)) == expression


@given(expressions, st.data())
def test_an_expression_matches_what_its_operators_mean(expression: Expression, data: st.DataObject) -> None:
    tags = frozenset(data.draw(st.sets(st.sampled_from(sorted(names(expression))))))
    assert matches(expression, tags) == meaning(expression, tags)


def read(text: str) -> Expression | Invalid:
    try:
        return parse(text)
    except Invalid as fault:
        return fault


@given(st.text(alphabet + '!&|()"\\u0041', max_size=40))
def test_any_text_parses_or_is_refused_with_a_column_inside_or_right_after_it(text: str) -> None:
    result = read(text)
    if isinstance(result, Invalid):
        assert 0 <= result.facts["position"] <= len(text)
        assert result.facts["expected"]
    else:
        assert parse(to_text(result)) == result


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a", A),
        ("  a  ", A),
        ("a&&b||c", Or(And(A, B), C)),
        ("a||b&&c", Or(A, And(B, C))),
        ("(a||b)&&c", And(Or(A, B), C)),
        ("a || b || c", Or(Or(A, B), C)),
        ("a && (b && c)", And(A, And(B, C))),
        ("!a && b", And(Not(A), B)),
        ("!(a && b)", Not(And(A, B))),
        ("!!a", Not(Not(A))),
        ("\ta\n&&\nb", And(A, B)),
        ("(staff && !on-leave) || floor:3", Or(And(Tag("staff"), Not(Tag("on-leave"))), Tag("floor:3"))),
        ('"night shift" && a', And(Tag("night shift"), A)),
        (r'"caf\u00e9"', Tag("café")),
        (r'"\u0061\/b"', Tag("a/b")),
        ("cafe\u0301", Tag("caf\u00e9")),
    ],
)
def test_an_expression_reads_as_expected(text: str, expression: Expression) -> None:
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "a tag, '!' or '('"),
        ("   ", 3, "a tag, '!' or '('"),
        ("a b", 2, "'&&', '||' or the end"),
        ("a && && b", 5, "a tag, '!' or '('"),
        ("a &&", 4, "a tag, '!' or '('"),
        ("a & b", 2, "'&&', '||' or the end"),
        ("(a || b", 7, "'&&', '||' or ')'"),
        ("a)", 1, "'&&', '||' or the end"),
        ("a !b", 2, "'&&', '||' or the end"),
        ("!", 1, "a tag, '!' or '('"),
        ("a && $b", 5, "a tag, '!' or '('"),
        ('a && "b', 7, "a closing '\"'"),
        (r'"\q"', 1, "what a JSON string may hold"),
    ],
)
def test_a_fault_is_reported_with_its_column_and_what_may_stand_there(text: str, position: int, expected: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(text, "audience.expression")
    assert refusal.value.facts == {"field": "audience.expression", "position": position, "expected": expected}


@pytest.mark.parametrize("name", [json.dumps(""), json.dumps(" a"), json.dumps('a"b'), "x" * 65])
def test_a_name_no_tag_can_have_is_refused_where_it_begins(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(f"ok && {name}")
    assert refusal.value.facts["position"] == 6


def test_an_expression_has_at_most_two_thousand_characters() -> None:
    parse("a" + " " * 1999)
    with pytest.raises(Invalid) as refusal:
        parse("a" + " " * 2000)
    assert refusal.value.facts["position"] == 2000


def test_an_expression_has_at_most_a_hundred_names() -> None:
    parse("||".join("a" * MAX_TERMS))
    with pytest.raises(Invalid) as refusal:
        parse("||".join("a" * (MAX_TERMS + 1)))
    assert refusal.value.facts["position"] == 3 * MAX_TERMS


@pytest.mark.parametrize("opening", ["(", "!"])
def test_an_expression_is_at_most_fifty_levels_deep(opening: str) -> None:
    closing = ")" if opening == "(" else ""
    parse(opening * MAX_DEPTH + "a" + closing * MAX_DEPTH)
    with pytest.raises(Invalid) as refusal:
        parse(opening * (MAX_DEPTH + 1) + "a" + closing * (MAX_DEPTH + 1))
    assert refusal.value.facts["position"] == MAX_DEPTH + 1


def test_the_names_of_an_expression_are_all_it_speaks_of() -> None:
    assert names(parse("a && !(b || a)")) == {"a", "b"}


def test_a_device_without_tags_matches_a_negation() -> None:
    assert matches(parse("!a"), frozenset())
