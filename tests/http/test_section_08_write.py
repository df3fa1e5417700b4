"""Section 8, writing: three routes, their parameters, and what each answers to a bad body.

Source: influxdb3/tests/server/{write,limits}.rs; core/iox_http/src/write (texts).
"""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import pytest

from procengine import Engine

V3 = "/api/v3/write_lp"
V2 = "/api/v2/write"
V1 = "/write"
GOOD = "cpu,host=a usage=0.5 1700000000"
BAD = "cpu,host=a usage=0.5 1700000000\ncpu,host=b usage=oops 1700000001"


def times(engine: Engine, database: str = "foo") -> list[int]:
    table = engine.query("SELECT time FROM cpu ORDER BY time", database)
    return [value.value for value in table["time"]]


@pytest.mark.parametrize(
    ("path", "params"), [(V3, {"db": "foo"}), (V2, {"bucket": "foo"}), (V1, {"db": "foo"})]
)
def test_write_stores_rows(api: httpx.Client, engine: Engine, path: str, params: dict[str, str]) -> None:
    """Each route stores a body durably and answers 204 with nothing; ``org`` and unknown names are passed over."""
    answer = api.post(path, params=params | {"precision": "s", "org": "x", "y": "z"}, content=GOOD)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    assert times(engine) == [1_700_000_000_000_000_000]


@pytest.mark.parametrize(
    ("precision", "unit"),
    [
        ("auto", 10**9),
        ("s", 10**9),
        ("second", 10**9),
        ("ms", 10**6),
        ("millisecond", 10**6),
        ("us", 10**3),
        ("u", 10**3),
        ("microsecond", 10**3),
        ("ns", 1),
        ("n", 1),
        ("nanosecond", 1),
    ],
)
def test_write_precision(api: httpx.Client, engine: Engine, precision: str, unit: int) -> None:
    """Timestamps count the unit that is asked for, by its name or a short form."""
    for path, name in ((V3, "db"), (V2, "bucket"), (V1, "db")):
        if precision == "auto" and path != V3:
            continue
        answer = api.post(
            path, params={name: "foo", "precision": precision}, content="cpu v=1 1700000000"
        )
        assert answer.status_code == 204, (path, answer.text)
    assert times(engine) == [1_700_000_000 * unit]


def test_write_default_precision(api: httpx.Client, engine: Engine) -> None:
    """Without a precision version 3 infers it, the others count nanoseconds."""
    api.post(V3, params={"db": "a"}, content="cpu v=1 1700000000")
    api.post(V2, params={"bucket": "b"}, content="cpu v=1 1700000000")
    api.post(V1, params={"db": "c"}, content="cpu v=1 1700000000")
    assert times(engine, "a") == [1_700_000_000_000_000_000]
    assert times(engine, "b") == times(engine, "c") == [1_700_000_000]


@pytest.mark.parametrize(
    ("policy", "database"),
    [("", "foo"), ("''", "foo"), ("autogen", "foo"), ("DEFAULT", "foo"), ("Month", "foo/month")],
)
def test_write_retention_policy(api: httpx.Client, engine: Engine, policy: str, database: str) -> None:
    """A retention policy that is named becomes a part of the database's name, in lower case."""
    assert api.post(V1, params={"db": "foo", "rp": policy}, content="cpu v=1").status_code == 204
    assert engine.catalog.find_database(database) is not None


def test_write_gzip(api: httpx.Client, engine: Engine) -> None:
    """A body may be compressed, in one member or several; ``identity`` says that it is not."""
    one, other = gzip.compress(b"cpu v=1 1\n", mtime=0), gzip.compress(b"cpu v=2 2\n", mtime=0)
    for encoding, body in (("gzip", one + other), ("identity", b"cpu v=3 3\n")):
        answer = api.post(
            V3,
            params={"db": "foo", "precision": "ns"},
            content=body,
            headers={"Content-Encoding": encoding},
        )
        assert answer.status_code == 204
    assert times(engine) == [1, 2, 3]


def test_write_partial(api: httpx.Client, engine: Engine) -> None:
    """Version 3 stores the good lines and tells of the others, their beginnings cut to 20 bytes."""
    answer = api.post(V3, params={"db": "foo"}, content=BAD)
    told = answer.json()
    assert answer.status_code == 400
    assert told["error"] == "partial write of line protocol occurred"
    assert [(one["line_number"], one["original_line"]) for one in told["data"]] == [
        (2, "cpu,host=b usage=oop")
    ]
    assert list(told["data"][0]) == ["error_message", "line_number", "original_line"]
    assert times(engine) == [1_700_000_000_000_000_000]


def test_write_quoted_line_ends_with_a_whole_character(api: httpx.Client) -> None:
    """The cut of a line that is quoted falls between characters."""
    answer = api.post(V3, params={"db": "foo"}, content="ääääääääääääääää usage=oops")
    assert answer.json()["data"][0]["original_line"] == "ä" * 10
    answer = api.post(V3, params={"db": "foo"}, content="aääääääääääääääää usage=oops")
    assert answer.json()["data"][0]["original_line"] == "a" + "ä" * 9


def test_write_all_lines_bad(api: httpx.Client) -> None:
    """When no line is good the answer is the same."""
    answer = api.post(V3, params={"db": "foo"}, content="nonsense")
    assert answer.status_code == 400
    assert answer.json()["error"] == "partial write of line protocol occurred"


def test_write_not_partial(api: httpx.Client, engine: Engine) -> None:
    """With ``accept_partial=false`` the first bad line rejects all."""
    answer = api.post(V3, params={"db": "foo", "accept_partial": "false"}, content=BAD)
    told = answer.json()
    assert answer.status_code == 400
    assert told["error"] == "line protocol parsing error"
    assert told["data"]["line_number"] == 2
    assert engine.catalog.find_database("foo") is None


def test_write_v1_and_v2_are_never_partial(api: httpx.Client, engine: Engine) -> None:
    """The older routes reject all, each in its own form."""
    answer = api.post(V1, params={"db": "foo"}, content=BAD)
    assert answer.status_code == 400
    assert answer.json()["error"] == "line protocol parsing error"
    answer = api.post(V2, params={"bucket": "foo"}, content=BAD)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (400, "invalid")
    assert told["message"].startswith("write buffer error: line protocol parse failed: ")
    assert engine.catalog.find_database("foo") is None


def test_write_no_sync(api: httpx.Client, engine: Engine) -> None:
    """With ``no_sync`` the answer does not wait for the flush; the rows come."""
    answer = api.post(V3, params={"db": "foo", "no_sync": "true"}, content=GOOD)
    assert answer.status_code == 204
    engine.flush()
    assert len(times(engine)) == 1


@pytest.mark.parametrize(
    ("path", "query", "status", "text"),
    [
        (V3, "", 400, "missing query parameter 'db'"),
        (V3, "x=1", 400, "serde error: missing field `db`"),
        (V3, "db=a&db=b", 400, "serde error: duplicate field `db`"),
        (
            V3,
            "db=a&no_sync=yes",
            400,
            "serde error: provided string was not `true` or `false`",
        ),
        (
            V3,
            "db=a&precision=h",
            400,
            (
                "serde error: unknown variant `h`, expected one of `auto`, `s`, `second`, `millisecond`, `ms`, "
                "`microsecond`, `u`, `us`, `n`, `nanosecond`, `ns`"
            ),
        ),
        (V3, "db=", 400, '{"error":"db name cannot be empty"}'),
        (V3, "db=_a", 400, '{"error":"db name did not start with a number or letter"}'),
        (
            V3,
            "db=a%20b",
            400,
            (
                '{"error":"invalid character in database or rp name: must be ASCII, containing only letters, '
                'numbers, underscores, or hyphens"}'
            ),
        ),
        (
            V3,
            "db=a/b/c",
            400,
            (
                '{"error":"db name with invalid retention policy, if providing a retention policy name, must be '
                "of form '<db_name>/<rp_name>'\"}"
            ),
        ),
        (V3, f"db={'a' * 512}", 400, '{"error":"db name too long: max 511"}'),
        (V1, "", 400, '{"error":"no db destination provided"}'),
        (
            V1,
            "rp=x",
            400,
            '{"error":"failed to deserialize db/rp/precision in request: missing field `db`"}',
        ),
        (V2, "", 400, '{"code":"invalid","message":"no org/bucket destination provided"}'),
        (V2, "org=a", 400, '{"code":"invalid","message":"missing bucket value"}'),
        (
            V2,
            "bucket=_a",
            400,
            '{"code":"invalid","message":"db name did not start with a number or letter"}',
        ),
    ],
)
def test_write_bad_parameters(api: httpx.Client, path: str, query: str, status: int, text: str) -> None:
    """Parameters that are missing or not accepted are refused before the body is looked at."""
    answer = api.post(f"{path}?{query}" if query else path, content=b"\xff")
    assert (answer.status_code, answer.text) == (status, text)


@pytest.mark.parametrize(
    ("body", "headers", "status", "text"),
    [
        (b"", {}, 400, "incoming write was empty"),
        (b"\n# only a comment\n", {}, 400, "incoming write was empty"),
        (
            b"cpu v=1\ncpu v=\xff",
            {},
            400,
            "body content is not valid utf8: invalid utf-8 sequence of 1 bytes from index 14",
        ),
        (
            b"cpu v=\xe2\x82",
            {},
            400,
            "body content is not valid utf8: incomplete utf-8 byte sequence from index 6",
        ),
        (b"cpu v=1", {"Content-Encoding": "br"}, 400, "unacceptable content-encoding: br"),
        (
            b"cpu v=1",
            {"Content-Encoding": "gzip"},
            400,
            "error decoding gzip stream: invalid gzip header",
        ),
        (
            gzip.compress(b"cpu v=1", mtime=0)[:-4],
            {"Content-Encoding": "gzip"},
            400,
            "error decoding gzip stream: unexpected end of file",
        ),
        (
            gzip.compress(b"cpu v=1", mtime=0)[:-8] + b"\0" * 8,
            {"Content-Encoding": "gzip"},
            400,
            "error decoding gzip stream: corrupt gzip stream does not have a matching checksum",
        ),
        (b"", {"Content-Encoding": "gzip"}, 400, "error decoding gzip stream: unexpected end of file"),
    ],
)
def test_write_bad_bodies(
    api: httpx.Client, body: bytes, headers: dict[str, str], status: int, text: str
) -> None:
    """A body that is empty, no UTF-8, or not as encoded as it says, is refused."""
    answer = api.post(V3, params={"db": "foo"}, content=body, headers=headers)
    assert (answer.status_code, answer.text) == (status, text)


def test_write_to_a_deleted_database(api: httpx.Client, engine: Engine) -> None:
    """A database that is marked for deletion, and has another name since, takes no writes."""
    engine.write("foo", "cpu v=1")
    name = engine.catalog.delete_database("foo").name
    text = f"cannot write to soft-deleted database '{name}' - it is marked for deletion"
    answer = api.post(V3, params={"db": name}, content=GOOD)
    assert (answer.status_code, answer.json()) == (400, {"error": text})
    answer = api.post(V2, params={"bucket": name}, content=GOOD)
    assert (answer.status_code, answer.json()) == (
        400,
        {"code": "invalid", "message": f"write buffer error: {text}"},
    )


def test_write_limits(api: httpx.Client, engine: Engine) -> None:
    """Limits of the catalog are 422: of databases for the whole write, of columns for lines."""
    wide = ",".join(f"f{number}=1" for number in range(engine.catalog.limits.columns_per_table + 1))
    answer = api.post(V3, params={"db": "foo"}, content=f"cpu {wide}\nmem v=1")
    assert answer.status_code == 422
    assert answer.json()["error"] == "partial write of line protocol occurred"
    assert answer.json()["data"][0]["error_message"].startswith(
        "Update to schema would exceed number of columns per table limit of 500 columns"
    )
    for number in range(engine.catalog.limits.databases - engine.catalog.state.database_count):
        engine.catalog.create_database(f"db{number}")
    limit = "Adding a new database would exceed limit of 100 databases"
    answer = api.post(V3, params={"db": "more"}, content=GOOD)
    assert (answer.status_code, answer.json()) == (422, {"error": limit})
    answer = api.post(V2, params={"bucket": "more"}, content=GOOD)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


class TestSmallBodies:
    """A server that takes bodies of a thousand bytes."""

    @pytest.fixture
    def options(self) -> dict[str, object]:
        return {"max_http_request_size": 1000}

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (b"#" * 1001, {}),
            (b"#" * 100_000, {}),
            (gzip.compress(b"#" * 1001, mtime=0), {"Content-Encoding": "gzip"}),
            (gzip.compress(b"#" * 50_000_000, mtime=0), {"Content-Encoding": "gzip"}),
        ],
    )
    def test_write_too_large(self, api: httpx.Client, body: bytes, headers: dict[str, str]) -> None:
        """A body of more bytes, as sent or decompressed, is 413, and the server goes on."""
        text = "max request size (1000 bytes) exceeded"
        answer = api.post(V3, params={"db": "foo"}, content=body, headers=headers)
        assert (answer.status_code, answer.text) == (413, text)
        answer = api.post(V2, params={"bucket": "foo"}, content=body, headers=headers)
        assert answer.json() == {"code": "request too large", "message": text}
        assert api.post(V3, params={"db": "foo"}, content=b"cpu v=1").status_code == 204

    def test_write_too_large_in_pieces(self, api: httpx.Client) -> None:
        """A body whose length nobody announced is bounded as well."""

        def pieces() -> Any:
            yield from [b"#" * 400] * 3

        answer = api.post(V3, params={"db": "foo"}, content=pieces())
        assert answer.status_code == 413

    def test_write_of_just_the_largest_size(self, api: httpx.Client) -> None:
        """The limit itself is accepted."""
        body = b"cpu v=1 1\n#" + b"x" * 989
        assert len(body) == 1000
        assert api.post(V3, params={"db": "foo"}, content=body).status_code == 204
