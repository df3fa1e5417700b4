"""How is one value of a query's result written, as text and as JSON?

To the letter of the original: digits, exponents, ``P0D`` and the rest are those of the libraries that it writes with.

Source: arrow-rs 57 (`arrow-cast` display.rs, `arrow-json` writer/encoder.rs), chrono, ryu, lexical-core.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from procengine.errors import QueryError
from procengine.model.arrow_names import display_name


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type whose values are written: Python's own instants have fewer digits."""
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_date64(kind):
        return pa.int64()
    if pa.types.is_time(kind):
        return pa.int32() if pa.types.is_time32(kind) else pa.int64()
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(plain_type(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(
            kind.key_field.with_type(plain_type(kind.key_type)),
            kind.item_field.with_type(plain_type(kind.item_type)),
        )
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(plain_type(kind.value_type)))
    if _is_list(kind):
        return pa.list_(kind.value_field.with_type(plain_type(kind.value_type)))
    return kind


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def text_writer(kind: pa.DataType) -> Callable[[Any], str]:
    """Return what writes values of a type, as `plain_type` has them, for ``pretty`` and ``csv``."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_timestamp(kind) or pa.types.is_date64(kind):
        return _instant_writer(kind)
    if pa.types.is_duration(kind):
        return lambda value: _duration_text(value * (10**9 // _PER_SECOND[kind.unit]))
    if pa.types.is_time(kind):
        return lambda value: _time_text(value * (10**9 // _PER_SECOND[kind.unit]))
    if pa.types.is_floating(kind):
        return format_float if kind.bit_width == 64 else lambda value: format_float(_narrow(value))
    if pa.types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if _is_binary(kind):
        return lambda value: bytes(value).hex()
    if pa.types.is_interval(kind):
        return _interval_text
    if _is_list(kind):
        item = text_writer(kind.value_type)
        return lambda value: "[" + ", ".join("" if v is None else item(v) for v in value) + "]"
    if pa.types.is_map(kind):
        key, entry = text_writer(kind.key_type), text_writer(kind.item_type)
        return lambda value: (
            "{" + ", ".join(f"{key(k)}: {'' if v is None else entry(v)}" for k, v in value) + "}"
        )
    if pa.types.is_struct(kind):
        fields = [(field.name, text_writer(field.type)) for field in kind]
        return lambda value: (
            "{" + ", ".join(f"{n}: {'' if value[n] is None else w(value[n])}" for n, w in fields) + "}"
        )
    return str


def _instant_writer(kind: pa.DataType) -> Callable[[Any], str]:
    """Return what writes instants; one that no calendar reaches is an error's text in its place."""
    date, unit, zone = pa.types.is_date64(kind), "ms", None
    if not date:
        unit, zone = kind.unit, kind.tz
    name = "Date64" if date else f"Timestamp({unit}{f', {json.dumps(zone)}' if zone else ''})"

    def write(value: int) -> str:
        try:
            return format_instant(value, unit, zone=zone)
        except OverflowError:
            return f"ERROR: Cast error: Failed to convert {value} to datetime for {name}"

    return write


def json_writer(kind: pa.DataType) -> Callable[[Any], str]:
    """Return what writes values of a type, as `plain_type` has them, for ``json`` and ``jsonl``.

    Raises: QueryError: the type has no form in JSON: a map whose keys are no texts.
    """
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return str
    if pa.types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if pa.types.is_floating(kind):
        wide = kind.bit_width == 64
        return lambda value: (
            _json_float(value if wide else _narrow(value)) if math.isfinite(value) else "null"
        )
    if _is_list(kind):
        item = json_writer(kind.value_type)
        return lambda value: "[" + ",".join("null" if v is None else item(v) for v in value) + "]"
    if pa.types.is_map(kind):
        return _json_map_writer(kind)
    if pa.types.is_struct(kind):
        fields = [(field.name, json_writer(field.type)) for field in kind]
        return lambda value: (
            "{"
            + ",".join(f"{json.dumps(n)}:{w(value[n])}" for n, w in fields if value[n] is not None)
            + "}"
        )
    text = text_writer(kind)
    return lambda value: json.dumps(text(value), ensure_ascii=False)


def _json_map_writer(kind: pa.DataType) -> Callable[[Any], str]:
    if not (pa.types.is_string(kind.key_type) or pa.types.is_large_string(kind.key_type)):
        raise QueryError(
            "Arrow error: Json error: Only UTF8 keys supported by JSON MapArray Writer: "
            f"got {display_name(kind.key_type)}"
        )
    item = json_writer(kind.item_type)
    return lambda value: (
        "{"
        + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{item(v)}" for k, v in value if v is not None)
        + "}"
    )


def _duration_text(nanoseconds: int) -> str:
    """Return a span of time as ISO 8601 has it, with the digits that it needs."""
    if nanoseconds == 0:
        return "P0D"
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{'-' if nanoseconds < 0 else ''}PT{seconds}{digits}S"


def _time_text(nanoseconds: int) -> str:
    """Return a time of day."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{_fraction(fraction)}"


def _narrow(value: float) -> float:
    """Return the number that is written like a float of 32 bits: by no more digits than that has."""
    return float(str(np.float32(value)))


def _interval_text(value: pa.MonthDayNano) -> str:
    """Return an interval as arrow-rs draws it: ``1 mons 2 days 3 hours 4 mins 5.000000000 secs``, without zeros."""
    sign = "-" if value.nanoseconds < 0 else ""
    seconds, fraction = divmod(abs(value.nanoseconds), 10**9)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(f"{value.months}", "mons"), (f"{value.days}", "days")]
    parts += [(f"{sign}{hours}", "hours"), (f"{sign}{minutes}", "mins")]
    if seconds or fraction:
        parts.append((f"{sign}{seconds}.{fraction:09d}", "secs"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number not in ("0", "-0"))


_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def format_instant(value: int, unit: str, *, zone: str | None = None) -> str:
    """Return an instant as ISO 8601, with as many digits after the second as it needs: none, 3, 6 or 9.

    ``value`` counts units since the epoch, UTC. Without a zone nothing follows; UTC is written ``Z``.

    Raises: OverflowError: the year has more than six digits, which the original cannot write either.
    """
    import datetime
    import zoneinfo

    per_second = _PER_SECOND[unit]
    seconds, fraction = divmod(value, per_second)
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        return _far_instant(seconds) + _fraction(fraction * (10**9 // per_second)) + _far_suffix(zone)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    suffix = ""
    if zone is not None:
        aware = moment.replace(tzinfo=datetime.UTC)
        local = aware.astimezone(_fixed_zone(zone) or zoneinfo.ZoneInfo(zone))
        offset = local.strftime("%z")
        suffix = "Z" if zone.upper() in {"UTC", "Z"} else f"{offset[:3]}:{offset[3:5]}"
        moment = local.replace(tzinfo=None)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + _fraction(fraction * (10**9 // per_second)) + suffix


_FIRST_SECOND, _LAST_SECOND = -62_135_510_400, 253_402_214_400
"""The instants that Python's calendar reaches in every zone, in seconds since the epoch."""
_FIRST_FAR, _LAST_FAR = -8_334_601_228_800, 8_210_266_876_799
"""Those that the original's calendar reaches: years -262143 to 262142."""


def _far_instant(seconds: int) -> str:
    """Return an instant of a year that is signed, or has more digits than four."""
    if not _FIRST_FAR <= seconds <= _LAST_FAR:
        raise OverflowError(f"{seconds} seconds are beyond the calendar")
    text = str(np.datetime64(seconds, "s"))
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    year, rest = digits.split("-", 1)
    return f"{sign or ('+' if len(year) > 4 else '')}{year:>04}-{rest}"


def _far_suffix(zone: str | None) -> str:
    """Return what follows a far instant: zones' rules end before it, so that it is written in UTC."""
    return "" if zone is None else "Z"


def _fixed_zone(zone: str) -> Any:
    import datetime

    if zone[:1] not in "+-" or len(zone) != 6:
        return None
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return datetime.timezone(datetime.timedelta(minutes=-minutes if zone[0] == "-" else minutes))


def _fraction(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return ""
    for digits, divisor in ((3, 1_000_000), (6, 1_000)):
        if nanoseconds % divisor == 0:
            return f".{nanoseconds // divisor:0{digits}d}"
    return f".{nanoseconds:09d}"


def format_float(value: float) -> str:
    """Return the shortest text that reads back as the same number, in the original's form.

    Exponents have neither a plus sign nor leading zeros: ``1e22``, ``1e-7``; they begin at 1e16 and below 1e-5.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    mantissa, e, exponent = repr(value).partition("e")
    if not e:
        return mantissa
    if exponent == "-05":
        sign, digits = ("-", mantissa[1:]) if value < 0 else ("", mantissa)
        return f"{sign}0.0000{digits.replace('.', '')}"
    return f"{mantissa}e{int(exponent)}"


def _json_float(value: float) -> str:
    """Return a number as JSON: exponents begin at 1e10 and below 1e-5, and their mantissa has a point.

    Source: arrow-json, whose numbers lexical-core writes.
    """
    text = format_float(value)
    mantissa, e, exponent = text.partition("e")
    if not e and abs(value) >= 1e10:
        sign, digits = ("-", text[1:]) if value < 0 else ("", text)
        whole, _, fraction = digits.partition(".")
        figures = (whole + ("" if fraction == "0" else fraction)).rstrip("0")
        mantissa, e, exponent = f"{sign}{figures[0]}.{figures[1:]}".rstrip("."), "e", str(len(whole) - 1)
    if not e:
        return text
    return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}e{exponent}"
