"""How does a plugin put a line of line protocol together?

`LineBuilder` is a builtin name for plugins. Checks, escapes and texts are the original's, the gaps as well: tag
keys and newlines are not escaped, numbers are not checked for their range, ``nan`` and ``inf`` are written as
Python shows them, and such lines are refused when they are written.

Source: influxdb3_py_api/src/line_builder/line_builder.py.
Differs: the original makes all five classes anew for each run, here only `LineBuilder` itself is
    (`fresh_line_builder`): what a plugin sets on it is gone with the run.
"""

from __future__ import annotations

from collections import OrderedDict


class InfluxDBError(Exception):
    """The base of what `LineBuilder` raises, ValueError apart."""


class InvalidMeasurementError(InfluxDBError):
    """A measurement's name has a space."""


class InvalidKeyError(InfluxDBError):
    """A tag's or field's key is empty, or has a space, a comma or an equals sign."""


class InvalidLineError(InfluxDBError):
    """A line has no field."""


_FORBIDDEN_IN_KEYS = ((" ", "spaces"), (",", "commas"), ("=", "equals signs"))

# The backslash comes first, or it would double the ones that the others bring.
_VALUE_ESCAPES = ("\\", ",", "=", " ")
_STRING_ESCAPES = ("\\", '"')
_MEASUREMENT_ESCAPES = (",", " ")


def _escape(text: str, chars: tuple[str, ...]) -> str:
    # Repeated ``replace`` takes a third of the time of ``translate`` on names and values.
    for char in chars:
        text = text.replace(char, f"\\{char}")
    return text


def _check_key(key: str, kind: str) -> None:
    if not key:
        raise InvalidKeyError(f"{kind} key cannot be empty")
    for char, name in _FORBIDDEN_IN_KEYS:
        if char in key:
            raise InvalidKeyError(f"{kind} key '{key}' cannot contain {name}")


class LineBuilder:
    """Builds one line: tags and fields in the order in which they were first set.

    All methods but `build` return the builder. Setting a key again replaces its value.
    """

    def __init__(self, measurement: str) -> None:
        if " " in measurement:
            raise InvalidMeasurementError("Measurement name cannot contain spaces")
        self.measurement = measurement
        self.tags: OrderedDict[str, str] = OrderedDict()
        self.fields: OrderedDict[str, str] = OrderedDict()
        self._timestamp_ns: int | None = None

    def tag(self, key: str, value: str) -> LineBuilder:
        """Set a tag; the value is turned into text."""
        _check_key(key, "tag")
        self.tags[key] = str(value)
        return self

    def uint64_field(self, key: str, value: int) -> LineBuilder:
        """Set an unsigned integer field.

        Raises:
            ValueError: the value is negative.
        """
        _check_key(key, "field")
        if value < 0:
            raise ValueError(f"uint64 field '{key}' cannot be negative")
        self.fields[key] = f"{value}u"
        return self

    def int64_field(self, key: str, value: int) -> LineBuilder:
        """Set an integer field."""
        _check_key(key, "field")
        self.fields[key] = f"{value}i"
        return self

    def float64_field(self, key: str, value: float) -> LineBuilder:
        """Set a float field; a whole number gets ``.0`` and all its digits."""
        _check_key(key, "field")
        self.fields[key] = f"{int(value)}.0" if value % 1 == 0 else str(value)
        return self

    def string_field(self, key: str, value: str) -> LineBuilder:
        """Set a string field."""
        _check_key(key, "field")
        self.fields[key] = f'"{_escape(value, _STRING_ESCAPES)}"'
        return self

    def bool_field(self, key: str, value: bool) -> LineBuilder:
        """Set a boolean field, by the value's truth."""
        _check_key(key, "field")
        self.fields[key] = "t" if value else "f"
        return self

    def time_ns(self, timestamp_ns: int) -> LineBuilder:
        """Set the time, nanoseconds since the Unix epoch."""
        self._timestamp_ns = timestamp_ns
        return self

    def build(self) -> str:
        """Return the line.

        Raises:
            InvalidLineError: no field was set.
        """
        tags = [f",{key}={_escape(value, _VALUE_ESCAPES)}" for key, value in self.tags.items()]
        series = _escape(self.measurement, _MEASUREMENT_ESCAPES) + "".join(tags)
        if not self.fields:
            raise InvalidLineError(f"At least one field is required: {series}")
        fields = [f"{_escape(key, _VALUE_ESCAPES)}={value}" for key, value in self.fields.items()]
        time = "" if self._timestamp_ns is None else f" {self._timestamp_ns}"
        return f"{series} {','.join(fields)}{time}"


ERRORS = (InfluxDBError, InvalidMeasurementError, InvalidKeyError, InvalidLineError)

for _visible in (LineBuilder, *ERRORS):
    # Where plugins, tracebacks and the original have them.
    _visible.__module__ = "__main__"
del _visible

_BODY = {
    name: value for name, value in vars(LineBuilder).items() if name not in ("__dict__", "__weakref__")
}


def fresh_line_builder() -> type[LineBuilder]:
    """Return a class of its own, equal to `LineBuilder`, for one run."""
    made: type[LineBuilder] = type("LineBuilder", (), dict(_BODY))
    return made
