"""Which fields does a query string or a JSON body have?

The original reads both by serde; clients see its texts. Fields that nobody asks for are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from procengine.http.failures import HttpError

T = TypeVar("T")

_REQUIRED: Final = object()

_TYPES: Final = {
    str: "a string",
    bool: "a boolean",
    int: "u64",
    list: "a sequence",
    dict: "a map",
}


class FormError(Exception):
    """A field of a query string is missing, there twice, or not accepted; the text is serde's."""


class Form:
    """The fields of a query string."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def optional(self, name: str) -> str | None:
        """Return a field's value, None where there is none.

        Raises: FormError: it is there twice.
        """
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise FormError(f"duplicate field `{name}`")
        return values[0]

    def required(self, name: str) -> str:
        """Return a field's value.

        Raises: FormError: it is missing, or there twice.
        """
        value = self.optional(name)
        if value is None:
            raise FormError(f"missing field `{name}`")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a field that is ``true`` or ``false``.

        Raises: FormError: it is something else.
        """
        value = self.optional(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise FormError("provided string was not `true` or `false`")
        return value == "true"

    def choice(self, name: str, choices: Mapping[str, T]) -> T | None:
        """Return what a field's value stands for, None where there is none.

        Raises: FormError: it stands for nothing.
        """
        value = self.optional(name)
        return None if value is None else choice(value, choices)


def choice(value: str, choices: Mapping[str, T]) -> T:
    """Return what a value stands for.

    Raises: FormError, with the values that are accepted.
    """
    if value not in choices:
        accepted = ", ".join(f"`{one}`" for one in choices)
        raise FormError(f"unknown variant `{value}`, expected one of {accepted}")
    return choices[value]


class JsonObject:
    """The fields of a JSON object; ``end`` is where it ends, as serde says it."""

    def __init__(self, fields: Mapping[str, Any], end: str) -> None:
        self.fields = fields
        self._end = end

    def required(self, name: str, kind: type[T]) -> T:
        """Return a field of a type: str, bool, int (not negative), list or dict.

        Raises: HttpError (400): it is missing, or of another type.
        """
        value = self._field(name, kind, _REQUIRED)
        assert value is not None
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """Return a field of a type, None where it is missing or null; raises as `required` does."""
        return self._field(name, kind, None)

    def choice(self, name: str, choices: Mapping[str, T]) -> T | None:
        """Return what a field's text stands for, None where it is missing or null; raises as `required` does."""
        value = self.optional(name, str)
        return None if value is None else self._chosen(value, choices)

    def required_choice(self, name: str, choices: Mapping[str, T]) -> T:
        """Return what a field's text stands for; raises as `required` does."""
        return self._chosen(self.required(name, str), choices)

    def _chosen(self, value: str, choices: Mapping[str, T]) -> T:
        try:
            return choice(value, choices)
        except FormError as error:
            raise json_fault(str(error)) from error

    def texts(self, name: str) -> dict[str, str] | None:
        """Return a field that maps text to text, None where it is missing or null; raises as `required` does."""
        value = self.optional(name, dict)
        for one in (value or {}).values():
            self._check(one, str)
        return value

    def strings(self, name: str) -> list[str]:
        """Return a field that lists text; raises as `required` does."""
        return self._all_text(self.required(name, list))

    def optional_strings(self, name: str) -> list[str] | None:
        """Return a field that lists text, None where it is missing or null; raises as `required` does."""
        value = self.optional(name, list)
        return None if value is None else self._all_text(value)

    def map(self, name: str) -> JsonObject:
        """Return a field that is an object; raises as `required` does."""
        return JsonObject(self.required(name, dict), "")

    def maps(self, name: str) -> list[JsonObject]:
        """Return a field that lists objects; raises as `required` does."""
        value = self.required(name, list)
        for one in value:
            self._check(one, dict)
        return [JsonObject(one, "") for one in value]

    def _field(self, name: str, kind: type[T], default: object) -> T | None:
        if isinstance(self.fields, _Fields) and name in self.fields.repeated:
            raise json_fault(f"duplicate field `{name}`")
        value = self.fields.get(name, default)
        if value is _REQUIRED:
            raise json_fault(f"missing field `{name}`{self._end}")
        if value is None and default is None:
            return None
        self._check(value, kind)
        return value  # type: ignore[no-any-return]

    def _all_text(self, values: list[str]) -> list[str]:
        for one in values:
            self._check(one, str)
        return values

    def _check(self, value: object, kind: type) -> None:
        fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if not fits or (isinstance(value, int) and value < 0):
            raise json_fault(f"invalid type: {described(value)}, expected {_TYPES[kind]}")


class _Fields(dict[str, Any]):
    """The fields of an object, and the names of those that are there twice, of which the last stands."""

    repeated: frozenset[str] = frozenset()


def _fields(pairs: list[tuple[str, Any]]) -> _Fields:
    fields = _Fields(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        fields.repeated = frozenset(name for name in fields if names.count(name) > 1)
    return fields


def read_json_object(body: bytes) -> JsonObject:
    """Return a body that is a JSON object.

    Raises: HttpError (400): it is none, or not JSON.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        raise json_fault(f"invalid type: {described(value)}, expected a map")
    text = body.rstrip()
    before, _, last_line = text.rpartition(b"\n")
    line = 1 if before == b"" else before.count(b"\n") + 2
    return JsonObject(value, f" at line {line} column {len(last_line)}")


def read_json(body: bytes) -> Any:
    """Return what a JSON text says.

    Raises: HttpError (400).
    """
    if not body.strip():
        raise json_fault("EOF while parsing a value at line 1 column 0")
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_fields)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except json.JSONDecodeError as error:
        raise json_fault(f"{error.msg} at line {error.lineno} column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise json_fault("invalid unicode code point") from error
    except UnicodeEncodeError as error:
        raise json_fault("lone leading surrogate in hex escape") from error
    except RecursionError as error:
        raise json_fault("recursion limit exceeded") from error
    except ValueError as error:
        raise json_fault(f"number out of range: {error}") from error
    return value


def json_fault(text: str) -> HttpError:
    """Return the error for a JSON body that is not accepted."""
    return HttpError(400, f"serde json error: {text}")


def _refuse_constant(text: str) -> NoReturn:
    raise json.JSONDecodeError("expected value", text, 0)


def described(value: object) -> str:
    """Return what a value is, as serde says it."""
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f"string {json.dumps(value, ensure_ascii=False)}"
        case list():
            return "sequence"
    return "map"
