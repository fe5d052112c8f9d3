"""Settings of a message: what each may be. All of them are optional, and null is as good as nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tocsin.api.bodies import decoded
from tocsin.api.dialects.mobilefirst.errors import invalid
from tocsin.api.problems import Malformed


class Settings:
    """The settings for one provider. A value of another kind is refused by its name; names nobody knows are not."""

    def __init__(self, given: Mapping[str, Any], path: str) -> None:
        self._given = given
        self._path = path

    @classmethod
    def of(cls, given: Any, path: str) -> Settings:
        """Those of an object; null has none. Raises Refusal."""
        if given is not None and not isinstance(given, dict):
            raise invalid(path)
        return cls(given or {}, path)

    def __contains__(self, name: str) -> bool:
        return self._given.get(name) is not None

    def below(self, name: str) -> Settings:
        """Settings within these. Raises Refusal."""
        return Settings.of(self._given.get(name), f"{self._path}.{name}")

    def several(self, name: str) -> list[Settings]:
        """Settings within these, of which there may be a list. Raises Refusal."""
        value = self._given.get(name)
        found = value if isinstance(value, list) else [] if value is None else [value]
        return [Settings.of(one, f"{self._path}.{name}") for one in found]

    def text(self, *names: str) -> str | None:
        """A string, or a number as one; of several names the first that says something. Raises Refusal."""
        for name in names:
            value = self._given.get(name)
            if isinstance(value, bool) or not isinstance(value, str | int | None):
                raise self._refused(name)
            if value not in (None, ""):
                return str(value)
        return None

    def word(self, name: str, *known: str) -> str | None:
        """One of these words, in any case. Raises Refusal."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in known:
            raise self._refused(name)
        return value.lower()

    def number(self, name: str, lowest: int, highest: int) -> int | None:
        """A whole number, which may be a string of digits. Raises Refusal."""
        value = self._given.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value in (None, ""):
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise self._refused(name)
        return value

    def flag(self, name: str) -> bool | None:
        """True or false, which may be a string. Raises Refusal."""
        value = self._given.get(name)
        if isinstance(value, str):
            value = {"true": True, "false": False, "": None}.get(value.lower(), value)
        if value is not None and not isinstance(value, bool):
            raise self._refused(name)
        return value

    def texts(self, name: str) -> list[str] | None:
        """A list of strings, or of numbers as such. Raises Refusal."""
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(_is_text(one) for one in value):
            raise self._refused(name)
        return [str(one) for one in value]

    def json_object(self, name: str) -> dict[str, Any] | None:
        """An object, or a string that holds one as JSON. Raises Refusal."""
        value = self._given.get(name)
        if isinstance(value, str):
            value = self._read(name, value) if value.strip() else None
        if value is not None and not isinstance(value, dict):
            raise self._refused(name)
        return value

    def _read(self, name: str, text: str) -> Any:
        try:
            return decoded(text.encode("utf-8", "surrogatepass"))
        except Malformed as error:
            raise self._refused(name) from error

    def _refused(self, name: str) -> Exception:
        return invalid(f"{self._path}.{name}")


def as_json(value: Any) -> str:
    """A value as JSON in a string."""
    return msgspec.json.encode(value).decode()


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are set."""
    return {name: value for name, value in values.items() if value is not None}


def _is_text(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
