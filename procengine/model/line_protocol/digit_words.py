"""How are thousands of decimal numbers in a text read without looking at one of them alone?

Eight characters are loaded as one little-endian 64-bit word, so that the first character is the lowest
byte; arithmetic on arrays of such words handles eight digits of every number at once. The words are
those before a number's end, so that its digits are aligned at the right: ``low`` holds its last eight
characters, ``high`` the eight before these. What lies before the number is blanked to zeros.

The parsers return ``bad``: which numbers are not spelled so, their values then being meaningless.

The float parser is exact: a mantissa of at most 15 digits and a power of ten of at most 22 are both
doubles, and one division rounds once. (Clinger, How to read floating point numbers accurately, 1990.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LONGEST_INTEGER = 19
LONGEST_FLOAT = 16

_ZEROS = np.uint64(0x3030303030303030)
_DOTS = np.uint64(ord(".") * 0x0101010101010101 ^ 0x3030303030303030)
_HIGH = np.uint64(0x8080808080808080)
_LOW7 = np.uint64(0x7F7F7F7F7F7F7F7F)
_OVER_NINE = np.uint64(0x7676767676767676)
_POWERS = np.array([10.0**exponent for exponent in range(25)])  # bad spellings reach past the 16


def _masks(characters_after: int) -> Words:
    """Return, by a text's length, the mask of its characters in the word before so many others."""
    kept = [min(max(length - characters_after, 0), 8) for length in range(characters_after + 9)]
    return np.array(
        [(0xFFFFFFFFFFFFFFFF << 8 * (8 - count)) & 0xFFFFFFFFFFFFFFFF for count in kept], np.uint64
    )


_MASKS = {0: _masks(0), 8: _masks(8), 16: _masks(16)}


def keep_text(word: Words, lengths: Positions, characters_after: int = 0) -> Words:
    """Return a word with zeros for the characters that stand before a text of a length.

    ``characters_after`` is how many of the text's characters follow the word: 0, 8 or 16.
    """
    return word & _MASKS[characters_after].take(lengths, mode="clip")


def _digits(word: Words, lengths: Positions, characters_after: int = 0) -> Words:
    """Return digits, a byte each, 0 to 9; other characters are something else."""
    digits = word ^ _ZEROS
    digits &= _MASKS[characters_after].take(lengths, mode="clip")
    return digits


def _not_digits(digits: Words) -> Flags:
    over = digits + _OVER_NINE
    over |= digits
    over &= _HIGH
    bad: Flags = over != 0
    return bad


def _value(digits: Words) -> Words:
    """Return the number that eight digits spell: pairs, then fours, then all; changes ``digits``."""
    digits *= np.uint64(2561)
    digits >>= np.uint64(8)
    digits &= np.uint64(0x00FF00FF00FF00FF)
    digits *= np.uint64(6553601)
    digits >>= np.uint64(16)
    digits &= np.uint64(0x0000FFFF0000FFFF)
    digits *= np.uint64(42949672960001)
    digits >>= np.uint64(32)
    return digits


def parse_unsigned(words: Sequence[Words], lengths: Positions) -> tuple[Words, Flags]:
    """Return the integers that 1 to 19 digits spell, as far as the words given go, last ones first."""
    longest = int(lengths.max())
    digits = _digits(words[0], lengths)
    bad = _not_digits(digits)
    bad |= lengths < 1
    if longest > min(LONGEST_INTEGER, 8 * len(words)):
        bad |= lengths > min(LONGEST_INTEGER, 8 * len(words))
    total = _value(digits)
    for after, scale, word in zip((8, 16), (10**8, 10**16), words[1:], strict=False):
        if longest > after:
            digits = _digits(word, lengths, after)
            bad |= _not_digits(digits)
            higher = _value(digits)
            higher *= np.uint64(scale)
            total += higher
    return total, bad


def parse_decimal(low: Words, high: Words, lengths: Positions) -> tuple[npt.NDArray[np.float64], Flags]:
    """Return the doubles that ``digits`` or ``digits.digits`` of at most 16 characters spell."""
    if int(lengths.max()) <= 8:
        mantissa, after, has_dot, bad = _short_mantissa(low, lengths)
    else:
        mantissa, after, has_dot, bad = _long_mantissa(low, high, lengths)
        bad |= lengths > LONGEST_FLOAT
    bad |= lengths - has_dot <= after  # a digit before the dot
    bad |= (after == 0) & has_dot  # and one after it
    values = mantissa.astype(np.float64)
    values /= _POWERS.take(after)
    return values, bad


def _short_mantissa(low: Words, lengths: Positions) -> tuple[Words, npt.NDArray[np.uint8], Flags, Flags]:
    digits = _digits(low, lengths)
    dot = _dot(digits)
    has_dot = dot != 0
    digits, after = _close_gap(digits, dot, has_dot)
    bad = _not_digits(digits)
    return _value(digits), after, has_dot, bad


def _long_mantissa(
    low: Words, high: Words, lengths: Positions
) -> tuple[Words, npt.NDArray[np.uint8], Flags, Flags]:
    low, high = _digits(low, lengths), _digits(high, lengths, 8)
    low_dot, high_dot = _dot(low), _dot(high)
    in_low, in_high = low_dot != 0, high_dot != 0
    low, low_after = _close_gap(low, low_dot, in_low)
    low |= (high >> np.uint64(56)) * in_low
    closed, high_after = _close_gap(high, high_dot, in_high)
    high = np.where(in_low, high << np.uint64(8), closed)
    bad = _not_digits(low)
    bad |= _not_digits(high)
    bad |= in_low & in_high
    mantissa = _value(high)
    mantissa *= np.uint64(10**8)
    mantissa += _value(low)
    return mantissa, low_after + high_after + np.uint8(8) * in_high, in_low | in_high, bad


def _dot(digits: Words) -> Words:
    """Return words with the high bit set in the byte that is a dot; a word without one is 0."""
    other = digits ^ _DOTS
    marks = other & _LOW7
    marks += _LOW7
    marks |= other
    marks |= _LOW7
    np.invert(marks, out=marks)
    return marks


def _close_gap(digits: Words, dot: Words, has_dot: Flags) -> tuple[Words, npt.NDArray[np.uint8]]:
    """Move the digits before the dot over it, and count those after it; a second dot stays."""
    before = dot >> np.uint64(7)
    before -= np.uint64(1)
    before &= digits
    before <<= has_dot.view(np.uint8) << np.uint8(3)
    after = dot << np.uint64(1)
    after -= np.uint64(1)
    np.invert(after, out=after)
    before |= digits & after
    count: npt.NDArray[np.uint8] = np.bitwise_count(after)
    count >>= np.uint8(3)
    return before, count
