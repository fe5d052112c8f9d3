"""Arrays in PostgreSQL's binary form (the manual's array_recv and the receive functions of each type).

psycopg goes through a list element by element, which for a large append takes longer than the database needs to store
it; these are put together in a few steps.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiI")
_DIMENSION = struct.Struct("!ii")
_LENGTH = struct.Struct("!i")
_INT2 = struct.Struct("!ih")
_INT4 = struct.Struct("!ii")
_INT8 = struct.Struct("!iq")
_NULL = _LENGTH.pack(-1)
_UUID = _LENGTH.pack(16)


class Packed:
    """A parameter in PostgreSQL's binary form."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _PackedDumper(Dumper):
    format = Format.BINARY
    oid = 0
    """Left for the server to see from the cast beside the parameter."""

    def dump(self, obj: Packed) -> bytes:
        return obj.data


psycopg.adapters.register_dumper(Packed, _PackedDumper)


def _array(element: int, parts: list[bytes]) -> Packed:
    if not parts:
        return Packed(_HEADER.pack(0, 0, element))
    return Packed(b"".join((_HEADER.pack(1, 1, element), _DIMENSION.pack(len(parts), 1), *parts)))


def int2s(values: Iterable[int]) -> Packed:
    """smallint[]."""
    return _array(21, [_INT2.pack(2, value) for value in values])


def int4s(values: Iterable[int]) -> Packed:
    """integer[]."""
    return _array(23, [_INT4.pack(4, value) for value in values])


def int8s(values: Iterable[int]) -> Packed:
    """bigint[]."""
    return _array(20, [_INT8.pack(8, value) for value in values])


def uuids(values: Iterable[UUID | None]) -> Packed:
    """uuid[], in which None is null."""
    return _array(2950, [_NULL if value is None else _UUID + value.bytes for value in values])


def uuids_of(texts: Iterable[str]) -> Packed:
    """uuid[], of UUIDs in their canonical form, without an object for each of them."""
    return _array(2950, [_UUID + bytes.fromhex(text.replace("-", "")) for text in texts])


def byteas(values: Iterable[bytes | None]) -> Packed:
    """bytea[], in which None is null."""
    return _array(17, [_NULL if value is None else _LENGTH.pack(len(value)) + value for value in values])


def texts(values: Iterable[str]) -> Packed:
    """text[]."""
    known: dict[str, bytes] = {}
    return _array(25, [known.get(value) or known.setdefault(value, _text(value)) for value in values])


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded
