"""Two readers, one meaning: whatever the body, `read_lines` gives what the general reader gives."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.model.line_group import ParsedLines
from procengine.model.line_protocol import ReadingSizes, read_general, read_lines
from procengine.model.line_protocol.piece import index_piece
from procengine.model.line_protocol.uniform_reader import read_uniform
from procengine.model.precision import Precision

NOW_NS = 1_700_000_000_123_456_789
TOKENS = [
    b",",
    b" ",
    b"=",
    b'"',
    b"\\",
    b"\n",
    b"#",
    b"\t",
    b"\0",
    b"\r",
    b"\xff",
    b"\xc3\xa4",
    b".",
    b"-",
    b"e",
]
TOKENS += [
    b"+",
    b"i",
    b"u",
    b"t",
    b"0",
    b"7",
    b"x",
    b'="',
    b'",',
    b"\\ ",
    b'\\"',
    b"\\\n",
    b"9999999999999999999",
]


class Source(Random):
    """Random choices, now and then a rare spelling among them."""

    rare_rate = 0.0


def words(random: Source) -> str:
    return "".join(random.choices("ab12_-/äß", k=random.choice([1, 3, 8, 9, 16, 17, 40])))


def number(random: Source) -> str:
    return random.choice(
        [
            str(random.randrange(10 ** random.randrange(1, 20))),
            f"{random.uniform(-1000, 1000):.{random.randrange(1, 9)}f}",
            repr(random.random()),
            f"{random.randrange(1000)}e{random.randrange(-9, 9)}",
            f"-{random.randrange(10**6)}",
            "0.0",
            "-0",
            "1e400",
            "1e-400",
        ]
    )


RARE_NUMBERS = [
    "",
    ".5",
    "5.",
    ".",
    "-",
    "--1",
    "+1",
    "1.2.3",
    "1e",
    "1.e5",
    "1e5",
    "nan",
    "12345678.",
    ".12345678",
]
RARE_NUMBERS += [
    "1234567.12345678",
    "123456789.1234567",
    "-.5",
    "-5.",
    "1_0",
    "12:34",
    "1/2",
    "1i",
    "t",
    '"x"',
]
RARE_WORDS = ["", "a=b", "a\\,b", "a\\=b", "a\\b", "with\ttab", "\0", "a\\ b", "x" * 17]
RARE_BOOLEANS = ["", "truth", "tr", "falsetto", "TrUe", "\0\0t", "1"]
RARE_INTEGERS = [
    "",
    "i",
    "-i",
    "1",
    "1.5i",
    "-0i",
    "9223372036854775808i",
    "-9223372036854775808i",
    "123456789012345678i",
]


def usually(random: Source, usual: str, rare: list[str]) -> str:
    return random.choice(rare) if random.random() < random.rare_rate else usual


def decimals(random: Source) -> str:
    return usually(random, f"{random.uniform(-100, 100):.2f}", RARE_NUMBERS)


def string(random: Source) -> str:
    texts = [
        "",
        "plain",
        "commas, = and spaces",
        'a \\"quote\\"',
        "two\nlines",
        "back\\slash",
        words(random),
    ]
    return random.choice(texts)


def timestamp(random: Source) -> str:
    return random.choice([" 1", " 1700000000", " 1700000000123", " -5", " 1700000000123456789", ""])


def cpu(random: Source) -> str:
    host = usually(random, f"h{random.randrange(9)}", RARE_WORDS)
    count = usually(random, f"{random.randrange(-9, 999)}i", RARE_INTEGERS)
    fields = f"a={decimals(random)},b={decimals(random)},n={count}"
    return f'cpu,host={host},zone={words(random)} {fields},s="ok" {random.randrange(10**18)}'


def mem(random: Source) -> str:
    ok = usually(random, random.choice(["t", "True", "false"]), RARE_BOOLEANS)
    fields = f"used={random.randrange(2**63)}u,free={number(random)},ok={ok}"
    return f"mem,host=h{random.randrange(99)} {fields}{timestamp(random)}"


def log(random: Source) -> str:
    return f'log level="{string(random)}",text="{string(random)}" {random.randrange(10**9)}'


def escaped(random: Source) -> str:
    level = random.randrange(1 - 2**63, 2**63)
    return f"h2o\\ feet,sea\\=name=a\\ {random.randrange(3)} level\\ description={number(random)},c={level}i"


def other_types(random: Source) -> str:
    return f"cpu,host={words(random)},zone=z a={number(random)},b=1i 5"


def odd(random: Source) -> str:
    lines = [
        "# comment",
        "",
        "  indented f=1 1",
        '# "',
        "m f=1,",
        "m  f=1  2 ",
        "m a,b=1",
        'm,t="q" f=1',
        "bad",
    ]
    return random.choice(lines)


LINES: list[Callable[[Source], str]] = [cpu, mem, log, escaped, other_types, odd]


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Uniform, interleaved and mixed bodies, most of them then damaged at a few places."""
    random = Source(draw(st.integers(0, 2**32)))
    random.rare_rate = draw(st.sampled_from([0.0, 0.01, 0.1]))
    makers = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=3))
    lines = [makers[row % len(makers)](random) for row in range(draw(st.integers(1, 60)))]
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(random.randrange(len(lines) + 1), odd(random))
    body = bytearray("\n".join(lines).encode())
    for _ in range(draw(st.integers(0, 4))):
        mutate(body, random)
    return bytes(body)


def mutate(body: bytearray, random: Source) -> None:
    place = random.randrange(len(body) + 1)
    match random.randrange(4):
        case 0:
            body[place : place + 1] = random.choice(TOKENS)
        case 1:
            body[place:place] = random.choice(TOKENS)
        case 2:
            del body[place : place + random.randrange(1, 6)]
        case _:
            end = body.find(b"\n", place)
            del body[place : end if end >= 0 else len(body)]


def facts(parsed: ParsedLines) -> object:
    """Everything that two results must have in common, floats by their bits."""
    groups = [
        (
            group.table,
            group.columns,
            [array.type for array in group.arrays],
            [[cell(value) for value in array.to_pylist()] for array in group.arrays],
            group.times_ns.tolist(),
            group.line_numbers.tolist(),
        )
        for group in parsed.groups
    ]
    return groups, parsed.errors


def cell(value: object) -> object:
    return struct.pack("d", value) if isinstance(value, float) else value


@settings(max_examples=600, deadline=None)
@given(
    body=bodies(),
    piece_bytes=st.sampled_from([1 << 20, 1000, 150]),
    precision=st.sampled_from(Precision),
)
def test_readers_agree(body: bytes, piece_bytes: int, precision: Precision) -> None:
    """Groups, values, times, line numbers and errors are those of the general reader."""
    sizes = ReadingSizes(small_body_bytes=0, piece_bytes=piece_bytes, fewest_lines=2)
    general = read_general(body, precision=precision, default_time_ns=NOW_NS)
    assert facts(read_lines(body, precision=precision, default_time_ns=NOW_NS, sizes=sizes)) == facts(
        general
    )


RARE_STRINGS = ["", 'a"b', "a\\", '\\"', "\n", ",", " ", 'x",y="z', "\\\\", "tab\t", "\0", '" ']
RARE_TIMES = [
    "",
    "-",
    "-5",
    "1 ",
    " 1",
    "1.5",
    "9223372036854775807",
    "-9223372036854775808",
    "12345678901234567890",
]
RARE_LINES = [
    "",
    "#",
    '# x y="1',
    " m f=1",
    "m,t=a f=1,",
    "m,t=a f=1,g=2",
    "m f=1",
    "m,t=a,t=b f=1",
    "m,t=a f=1 1 ",
]


@pytest.mark.parametrize("size", ["short", "long"])
@pytest.mark.parametrize(
    ("line", "rare"),
    [
        ("m,t={} f=1.5 5", RARE_WORDS),
        ("m,t=a f={} 5", RARE_NUMBERS),
        ("m,t=a f={}", RARE_NUMBERS),
        ("m,t=a b={} 5", RARE_BOOLEANS),
        ("m,t=a i={},j=1i 5", RARE_INTEGERS),
        ("m,t=a i={},j=1u 5", [text.replace("i", "u") for text in RARE_INTEGERS]),
        ('m,t=a s="{}" 5', RARE_STRINGS),
        ('m,t=a s="{}",f=1 5', RARE_STRINGS),
        ("m,t=a f=1 {}", RARE_TIMES),
        ("{}", RARE_LINES),
    ],
)
def test_readers_agree_on_each_rare_spelling(line: str, rare: list[str], size: str) -> None:
    """One unusual value among uniform lines is read, or refused, as the general reader does."""
    usual = {
        "{}": "m,t=a f=1 1",
        "m,t={} f=1.5 5": "a",
        'm,t=a s="{}" 5': "a",
        'm,t=a s="{}",f=1 5': "a",
    }
    plain = usual.get(line) or {"b": "t", "i": "1i"}.get(line[6], "1")
    if line.startswith("m,t=a i={},j=1u"):
        plain = "1u"
    elif size == "long" and line.startswith("m,t=a f={}"):
        plain = "123456.123456"
    sizes = ReadingSizes(small_body_bytes=0, fewest_lines=2)
    for text in rare:
        lines = [line.format(plain)] * 9
        lines[4] = line.format(text)
        body = "\n".join(lines).encode()
        general = read_general(body, default_time_ns=NOW_NS)
        assert facts(read_lines(body, default_time_ns=NOW_NS, sizes=sizes)) == facts(general), text


@settings(max_examples=100, deadline=None)
@given(body=st.lists(st.sampled_from([*TOKENS, b"m f=1", b"m,a=b"]), max_size=60).map(b"".join))
def test_readers_agree_on_rubble(body: bytes) -> None:
    """The readers agree on text that has little to do with line protocol."""
    sizes = ReadingSizes(small_body_bytes=0, piece_bytes=40, fewest_lines=1)
    general = read_general(body, default_time_ns=NOW_NS)
    assert facts(read_lines(body, default_time_ns=NOW_NS, sizes=sizes)) == facts(general)


@pytest.mark.parametrize("maker", [cpu, mem])
def test_two_threads_change_nothing(maker: Callable[[Source], str]) -> None:
    """Pieces that two threads read make the groups that the general reader makes."""
    random = Source(7)
    body = "\n".join(maker(random) for _ in range(3000)).encode()
    sizes = ReadingSizes(small_body_bytes=0, piece_bytes=20_000)
    general = read_general(body, default_time_ns=NOW_NS)
    assert facts(read_lines(body, default_time_ns=NOW_NS, sizes=sizes)) == facts(general)


def test_a_string_that_spans_pieces_is_read_whole() -> None:
    """Where a cut falls into a quoted newline, the pieces after it start anew at the line's end."""
    body = b"".join(b'm f="%s" %d\n' % (b"x\nm f=1 1\n" * (row % 50), row) for row in range(300))
    sizes = ReadingSizes(small_body_bytes=0, piece_bytes=700, fewest_lines=2)
    general = read_general(body, default_time_ns=NOW_NS)
    assert general.row_count == 300
    assert facts(read_lines(body, default_time_ns=NOW_NS, sizes=sizes)) == facts(general)


@pytest.mark.parametrize("makers", [[cpu], [cpu, log], [cpu, escaped]])
def test_uniform_lines_are_read_by_columns(makers: list[Callable[[Source], str]]) -> None:
    """Plain lines of one shape, or of two in turn, leave nothing over for the general reader."""
    random = Source(1)
    body = "".join(f"{makers[row % len(makers)](random)}\n" for row in range(400)).encode()
    piece = index_piece(memoryview(body))
    assert piece is not None
    read = read_uniform(piece, precision=Precision.AUTO, default_time_ns=NOW_NS)
    assert read is not None
    assert len(read.groups) == len(makers)
    assert read.left_over == ()


def test_one_odd_line_does_not_spoil_a_piece() -> None:
    """A bad line without quotes is left over alone, and the lines around it are read by columns."""
    lines = [f"m,t=a f={row} {row}" for row in range(200)]
    lines[100] = "m,t= f=1"
    piece = index_piece(memoryview("\n".join(lines).encode()))
    assert piece is not None
    read = read_uniform(piece, precision=Precision.AUTO, default_time_ns=NOW_NS)
    assert read is not None
    assert [group.row_count for group in read.groups] == [199]
    assert read.left_over == (("m,t= f=1\n", 101),)


def test_tags_of_several_pieces_share_a_dictionary() -> None:
    """Pieces of one shape become one group, whose tags have one dictionary without repeats."""
    body = "".join(f"m,host=h{row % 10} f=1 {row}\n" for row in range(2000)).encode()
    parsed = read_lines(body, default_time_ns=NOW_NS, sizes=ReadingSizes(piece_bytes=4000))
    (group,) = parsed.groups
    assert len(group.arrays[0].dictionary) == 10
    assert group.line_numbers.tolist() == list(range(1, 2001))


def test_errors_of_later_pieces_are_numbered_from_the_start() -> None:
    """Line numbers count from the body's start, whatever piece a line is in."""
    lines = [f"m f={row} {row}" for row in range(3000)]
    lines[2500] = "broken"
    parsed = read_lines("\n".join(lines), default_time_ns=NOW_NS, sizes=ReadingSizes(piece_bytes=5000))
    assert [error.line_number for error in parsed.errors] == [2501]
    assert parsed.original_line(2501) == "broken"
