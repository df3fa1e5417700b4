"""How does a column of values, given by their positions in a piece, become an Arrow array?

Every reader returns the array and which values are not spelled as the column's type wants them
(None: all are), so that those lines can be read on their own. It accepts no spelling that the grammar
refuses, and may refuse a rare one that the grammar accepts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.model.arrow_text import array_of, numbers_of
from procengine.model.column import ColumnType
from procengine.model.line_protocol.digit_words import (
    Flags,
    Positions,
    Words,
    keep_text,
    parse_decimal,
    parse_unsigned,
)
from procengine.model.line_protocol.piece import BACKSLASH, Piece

_FLOAT = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_INT64_MAX = np.uint64(2**63 - 1)
_MINUS = ord("-")
_BOOLEANS = {
    int.from_bytes(text.rjust(8, b"\0"), "little"): text[0] in b"tT"
    for text in (b"t", b"T", b"true", b"True", b"TRUE", b"f", b"F", b"false", b"False", b"FALSE")
}

Read = tuple[pa.Array, Flags | None]


@dataclass(frozen=True, slots=True)
class Values:
    """Texts of a piece, in order: their bounds, lengths, and the words before their ends, last first."""

    piece: Piece
    starts: Positions
    ends: Positions
    lengths: Positions
    words: tuple[Words, ...]

    def at(self, rows: Positions) -> pa.StringArray:
        """Return the texts of rows, which must ascend."""
        return self.piece.texts(self.starts[rows], self.ends[rows])


def read_column(kind: ColumnType, values: Values) -> Read:
    """Read values as an array of a column type; integers come without their letter."""
    match kind:
        case ColumnType.TAG:
            return _read_tags(values)
        case ColumnType.STRING:
            return _read_strings(values), None
        case ColumnType.FLOAT:
            return _read_floats(values)
        case ColumnType.BOOLEAN:
            return _read_booleans(values)
        case ColumnType.INTEGER:
            signed, bad = read_signed(values)
            return array_of(signed), bad
        case ColumnType.UINTEGER:
            unsigned, unfit = parse_unsigned(values.words, values.lengths)
            return array_of(unsigned), _flags(unfit)
        case ColumnType.TIME:
            raise ValueError("the time is no column of a line group")


def read_signed(values: Values) -> tuple[npt.NDArray[np.int64], Flags | None]:
    """Read integers of as many digits as the words hold; the smallest int64 is refused."""
    magnitudes, bad = parse_unsigned(values.words, values.lengths)
    signed = magnitudes.view(np.int64)
    if bad.any():
        at = _negative(values, bad)
        if len(at):
            words = [word[at] for word in values.words]
            magnitudes[at], bad[at] = parse_unsigned(words, values.lengths[at] - 1)
            bad |= magnitudes > _INT64_MAX
            signed[at] *= -1
            return signed, _flags(bad)
    bad |= signed < 0
    return signed, _flags(bad)


def _flags(bad: Flags) -> Flags | None:
    return bad if bad.any() else None


def _negative(values: Values, bad: Flags) -> Positions:
    """Return the rows, among the bad ones, that start with a minus sign."""
    at = np.flatnonzero(bad)
    negative: Flags = values.piece.octets[values.starts[at]] == _MINUS
    return at[negative]


def _read_floats(values: Values) -> Read:
    low, high = values.words[:2]
    floats, bad = parse_decimal(low, high, values.lengths)
    if bad.any():
        at = _negative(values, bad)
        if len(at):
            magnitudes, bad[at] = parse_decimal(low[at], high[at], values.lengths[at] - 1)
            floats[at] = -magnitudes
    if bad.any():
        at = np.flatnonzero(bad)
        floats[at], bad[at] = _read_any_floats(values.at(at))
    return array_of(floats), _flags(bad)


def _read_any_floats(texts: pa.StringArray) -> tuple[npt.NDArray[np.float64], Flags]:
    """Read floats with exponents, or with more digits than two words hold."""
    good = pc.match_substring_regex(texts, _FLOAT)
    spelled = pc.if_else(good, texts, "0")
    try:
        floats = spelled.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # out of a double's range; the grammar makes that an infinity or a zero
        floats = np.array([float(text) for text in spelled.to_pylist()])
    return floats, ~good.to_numpy(zero_copy_only=False)


def _read_strings(values: Values) -> pa.StringArray:
    texts = values.piece.texts(values.starts, values.ends)
    if values.piece.has_backslash and _has_backslash(texts):
        texts = pc.replace_substring_regex(texts, r'\\([\\"])', r"\1")
    return texts


def _has_backslash(texts: pa.StringArray) -> bool:
    data = texts.buffers()[2]
    return data is not None and bool((np.frombuffer(data, np.uint8) == BACKSLASH).any())


def _read_booleans(values: Values) -> Read:
    # A piece has no null characters, so a text of eight characters or more is no padded short one.
    spelled = array_of(keep_text(values.words[0], values.lengths)).dictionary_encode()
    meanings = [_BOOLEANS.get(word) for word in spelled.dictionary.to_pylist()]
    codes = numbers_of(spelled.indices, np.int32)
    bad = np.array([meaning is None for meaning in meanings])[codes]
    return array_of(np.array([bool(meaning) for meaning in meanings])[codes]), _flags(bad)


def _read_tags(values: Values) -> Read:
    codes = _codes(values)
    if codes is None:
        encoded = values.piece.texts(values.starts, values.ends).dictionary_encode()
        indices, texts = encoded.indices, encoded.dictionary
    else:
        indices, texts = array_of(codes), values.at(_first_rows(codes))
    if values.piece.has_backslash and _has_backslash(texts):
        indices, texts = _unescape_tags(indices, texts)
    return pa.DictionaryArray.from_arrays(indices, texts, safe=False), _flags(values.lengths < 1)


def _unescape_tags(indices: pa.Array, texts: pa.StringArray) -> tuple[pa.Array, pa.StringArray]:
    """Resolve escapes in a dictionary; two spellings of one text become one entry."""
    encoded = pc.replace_substring_regex(texts, r"\\([\\,= ])", r"\1").dictionary_encode()
    return encoded.indices.take(indices), encoded.dictionary


def _codes(values: Values) -> npt.NDArray[np.int32] | None:
    """Number the distinct texts in the order of their first rows; None when they are too long.

    Texts of more than eight bytes are told apart by a hash of two words, which is then proved.
    """
    lengths = values.lengths
    longest = int(lengths.max())
    if longest > 16:
        return None
    low = keep_text(values.words[0], lengths)
    if longest <= 8:
        return _first_seen(low)
    high = keep_text(values.words[1], lengths, 8)
    keys = high ^ (high >> np.uint64(29))
    keys *= np.uint64(0x9E3779B97F4A7C15)
    keys ^= low
    codes = _first_seen(keys)
    model = _first_rows(codes).take(codes)
    low ^= low.take(model)
    high ^= high.take(model)
    low |= high
    return None if low.any() else codes


def _first_seen(keys: Words) -> npt.NDArray[np.int32]:
    return numbers_of(array_of(keys).dictionary_encode().indices, np.int32)


def _first_rows(codes: npt.NDArray[np.int32]) -> Positions:
    """Return the first row of each code; codes are numbered from 0 without gaps."""
    rows = np.empty(int(codes.max()) + 1, dtype=np.int64)
    rows[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return rows
