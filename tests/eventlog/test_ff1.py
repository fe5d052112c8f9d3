"""Encryption that keeps the form, against NIST's samples (CSRC, "Examples with Intermediate Values": FF1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.eventlog.ff1 import FF1

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94")
TEN, NINETEEN = "0123456789", "0123456789abcdefghi"

SAMPLES = [
    (128, 10, "", TEN, "2433477484"),
    (128, 10, "39383736353433323130", TEN, "6124200773"),
    (128, 36, "3737373770717273373737", NINETEEN, "a9tv40mll9kdu509eum"),
    (192, 10, "", TEN, "2830668132"),
    (192, 10, "39383736353433323130", TEN, "2496655549"),
    (192, 36, "3737373770717273373737", NINETEEN, "xbj3kv35jrawxv32ysr"),
    (256, 10, "", TEN, "6657667009"),
    (256, 10, "39383736353433323130", TEN, "1001623463"),
    (256, 36, "3737373770717273373737", NINETEEN, "xs8a0azh2avyalyzuwd"),
]
"""Bits of the key, which is the start of KEY; radix; tweak; what is encrypted; what that gives."""


def spelled(number: int, radix: int, length: int) -> str:
    return "".join(DIGITS[number // radix**place % radix] for place in reversed(range(length)))


@pytest.mark.parametrize(("bits", "radix", "tweak", "clear", "secret"), SAMPLES)
def test_it_gives_what_the_standards_samples_say(bits: int, radix: int, tweak: str, clear: str, secret: str) -> None:
    cipher = FF1(KEY[: bits // 8], radix, len(clear), bytes.fromhex(tweak))
    assert spelled(cipher.encrypt(int(clear, radix)), radix, len(clear)) == secret
    assert spelled(cipher.decrypt(int(secret, radix)), radix, len(clear)) == clear


@given(st.data())
def test_what_is_encrypted_is_decrypted_again(data: st.DataObject) -> None:
    radix = data.draw(st.integers(2, 2**16))
    shortest = next(length for length in range(2, 21) if radix**length >= 1_000_000)
    length = data.draw(st.integers(shortest, max(shortest, 192 // radix.bit_length())))
    cipher = FF1(data.draw(st.binary(min_size=32, max_size=32)), radix, length, data.draw(st.binary(max_size=40)))
    number = data.draw(st.integers(0, radix**length - 1))
    assert 0 <= cipher.encrypt(number) < radix**length
    assert cipher.decrypt(cipher.encrypt(number)) == number
    assert cipher.encrypt(cipher.decrypt(number)) == number


def test_it_permutes_all_strings() -> None:
    cipher = FF1(KEY, 10, 6)
    assert len({cipher.encrypt(number) for number in range(10**6)}) == 10**6


@pytest.mark.parametrize("number", [-1, 10**6])
def test_what_is_no_string_is_refused(number: int) -> None:
    cipher = FF1(KEY, 10, 6)
    with pytest.raises(ValueError, match="spells"):
        cipher.encrypt(number)
    with pytest.raises(ValueError, match="spells"):
        cipher.decrypt(number)


@pytest.mark.parametrize(("radix", "length"), [(10, 5), (2, 19), (256, 25), (2, 194)])
def test_strings_too_few_to_hide_among_or_too_long_for_a_block_are_refused(radix: int, length: int) -> None:
    with pytest.raises(ValueError, match="too few, or too long"):
        FF1(KEY, radix, length)
