"""Tables whose rows are structs: read by key, written as sets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec
from psycopg import Connection, Cursor
from psycopg.rows import args_row
from psycopg.types.json import set_json_dumps

from tocsin.projections.pages import Conditions
from tocsin.projections.projection import Target

R = TypeVar("R", bound=msgspec.Struct)

_TYPES: Mapping[Any, str] = {
    UUID: "uuid",
    str: "text",
    int: "int8",
    bool: "bool",
    bytes: "bytea",
    datetime: "timestamptz",
    list[str]: "text[]",
    dict[str, Any]: "jsonb",
    Any: "jsonb",
}


class Table(Generic[R]):
    """A table of the schema ``schema``, whose columns are the fields of ``row`` in order, with ``key`` its primary key.

    Folds name the target they write to; queries (``select``) read the live schema.
    """

    def __init__(self, schema: str, name: str, row: type[R], *key: str) -> None:
        self.schema = schema
        self.name = name
        self.row = row
        self.key = key
        self.key_of: Callable[[R], Any] = attrgetter(*key)
        """A row's key: a value, or a tuple where several columns make it."""

    @cached_property
    def columns(self) -> str:
        """The columns in the order of the struct's fields, for a select list."""
        return ", ".join(f'"{name}"' for name in self.row.__struct_fields__)

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The columns' types."""
        hints = get_type_hints(self.row)
        return tuple(_TYPES[_bare(hints[name])] for name in self.row.__struct_fields__)

    def load(self, target: Target, keys: Collection[Any]) -> dict[Any, R]:
        """The rows of these keys; one that does not exist is not in the answer."""
        if not keys:
            return {}
        rows = self.select(target.connection, f"where {self._among}", *self._arrays(keys), schema=target.schema)
        return {self.key_of(row): row for row in rows}

    def copy(self, target: Target, rows: Iterable[R]) -> None:
        """Insert rows that are certainly new."""
        statement = f"copy {target.schema}.{self.name} ({self.columns}) from stdin (format binary)"
        with target.connection.cursor() as cursor:
            set_json_dumps(msgspec.json.encode, cursor)
            self._copy(cursor, statement, rows)

    def _copy(self, cursor: Cursor[Any], statement: str, rows: Iterable[R]) -> None:
        with cursor.copy(statement.encode()) as copy:
            copy.set_types(self.types)
            for row in rows:
                copy.write_row(msgspec.structs.astuple(row))

    def delete(self, target: Target, keys: Collection[Any]) -> None:
        """Remove the rows of these keys."""
        if keys:
            target.run(f"delete from {{schema}}.{self.name} where {self._among}", *self._arrays(keys))

    def save(self, target: Target, before: Collection[Any], after: Mapping[Any, R | None]) -> None:
        """Write the rows of ``after``; those whose keys are in ``before`` replace what is there, None removes."""
        self.delete(target, [key for key in before if key in after])
        if rows := [row for row in after.values() if row is not None]:
            self.copy(target, rows)

    def select(
        self, connection: Connection[Any], condition: str, *parameters: Any, schema: str | None = None
    ) -> list[R]:
        """Rows of the live schema, by what follows the ``from`` clause; the table's alias is ``t``."""
        statement = f"select {self.columns} from {schema or self.schema}.{self.name} t {condition}"
        with connection.cursor(row_factory=args_row(self.row), binary=True) as cursor:
            return cursor.execute(statement.encode(), parameters).fetchall()

    def slice(
        self, connection: Connection[Any], conditions: Conditions, order: str, offset: int, limit: int
    ) -> tuple[list[R], int]:
        """So many rows from the ``offset``-th on in this order, and how many meet the conditions."""
        counting = f"select count(*) from {self.schema}.{self.name} t {conditions.where}"
        total: int = connection.execute(counting.encode(), conditions.parameters).fetchall()[0][0]
        if offset >= total:
            return [], total
        rest = f"{conditions.where} order by {order} offset %s limit %s"
        return self.select(connection, rest, *conditions.parameters, offset, limit), total

    def first(self, connection: Connection[Any], condition: str, *parameters: Any) -> R | None:
        """The first row of ``select``, or None."""
        rows = self.select(connection, f"{condition} limit 1", *parameters)
        return rows[0] if rows else None

    @cached_property
    def _among(self) -> str:
        if len(self.key) == 1:
            return f"{self.key[0]} = any(%s::{self._key_types[0]}[])"
        arrays = ", ".join(f"%s::{kind}[]" for kind in self._key_types)
        return f"({', '.join(self.key)}) in (select * from unnest({arrays}))"

    @cached_property
    def _key_types(self) -> Sequence[str]:
        types = dict(zip(self.row.__struct_fields__, self.types, strict=True))
        return [types[name] for name in self.key]

    def _arrays(self, keys: Collection[Any]) -> list[list[Any]]:
        if len(self.key) == 1:
            return [list(keys)]
        return [list(column) for column in zip(*keys, strict=True)]


def _bare(hint: Any) -> Any:
    """The type without its None."""
    choices = [choice for choice in get_args(hint) if choice is not type(None)]
    return choices[0] if type(None) in get_args(hint) and len(choices) == 1 else hint
