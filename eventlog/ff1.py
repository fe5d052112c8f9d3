"""Encryption that keeps the form of what it encrypts: FF1 (NIST SP 800-38G, sections 5.1 and 5.2)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

_BLOCK = 16
_ROUNDS = 10
_WIDEST = 12
"""Bytes of half a string at most: up to there one block of AES is all that a round draws (step 6.iii)."""

_SMALLEST = 1_000_000
"""Fewer strings than this could be tried one by one (section 5.1, as of revision 1)."""


class FF1:
    """A secret permutation of the strings of ``length`` numerals of a ``radix``: another for each key and tweak.

    A string is given as the number it spells, the first numeral being the most significant. ``key``: 16, 24 or 32
    bytes, for AES. Raises ValueError for strings that are too few or too long, and for a key of another length.
    Threads may share one.
    """

    def __init__(self, key: bytes, radix: int, length: int, tweak: bytes = b"") -> None:
        left, right = length // 2, length - length // 2
        width = -(-(radix**right - 1).bit_length() // 8)
        if radix**length < _SMALLEST or width > _WIDEST:
            raise ValueError(f"strings of {length} numerals of radix {radix} are too few, or too long")
        self._count: int = radix**length
        self._split: int = radix**right
        self._left_over = 8 * (_BLOCK - (4 * -(-width // 4) + 4))
        # AES itself, a block at a time: what chains the blocks is FF1.
        self._aes = Cipher(AES(key), ECB())  # noqa: S305
        parameters = b"\1\2\1" + radix.to_bytes(3) + bytes([_ROUNDS, left % 256]) + length.to_bytes(4)
        whole = parameters + len(tweak).to_bytes(4) + tweak + bytes((-len(tweak) - width - 1) % _BLOCK + 1 + width)
        # Of what a round's value is drawn from, all but the end is the same for every string: it is chained once.
        chained = Cipher(AES(key), CBC(bytes(_BLOCK))).encryptor().update(whole[:-_BLOCK])
        start = int.from_bytes(chained[-_BLOCK:]) ^ int.from_bytes(whole[-_BLOCK:])
        self._rounds: list[tuple[int, int]] = [
            (start ^ number << 8 * width, radix ** (right if number % 2 else left)) for number in range(_ROUNDS)
        ]

    def encrypt(self, number: int) -> int:
        """The string that stands for this one. Raises ValueError for what is none."""
        left, right = self._halves(number)
        draw = self._aes.encryptor().update
        for start, modulus in self._rounds:
            drawn = int.from_bytes(draw((start ^ right).to_bytes(_BLOCK))) >> self._left_over
            left, right = right, (left + drawn) % modulus
        return left * self._split + right

    def decrypt(self, number: int) -> int:
        """The string that ``encrypt`` made this of. Raises ValueError for what is none."""
        left, right = self._halves(number)
        draw = self._aes.encryptor().update
        for start, modulus in reversed(self._rounds):
            drawn = int.from_bytes(draw((start ^ left).to_bytes(_BLOCK))) >> self._left_over
            left, right = (right - drawn) % modulus, left
        return left * self._split + right

    def _halves(self, number: int) -> tuple[int, int]:
        if not 0 <= number < self._count:
            raise ValueError("a number that no string of this length spells")
        return divmod(number, self._split)
