"""Bad SQL is answered with an error of the query, whatever is wrong with it."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from procengine.errors import QueryError
from procengine.query import QueryExecutor
from procengine.query.sql_tokens import tokenize
from tests.query.doubles import MemoryCache, MemoryCaches, MemoryDatabases, executor_of, home_rows

RANGE = "time >= '2022-01-01T08:00:00Z' AND time < '2022-01-01T10:00:00Z'"

GAPFILL = "date_bin_gapfill(INTERVAL '1 hour', time) AS t"

TEXTS = [
    f"SELECT room, {GAPFILL}, locf(max(temp)) AS v FROM home WHERE {RANGE} GROUP BY room, t ORDER BY t, room LIMIT 5",
    f"WITH x AS (SELECT {GAPFILL}, interpolate(max(temp)) m FROM home WHERE {RANGE} GROUP BY 1) SELECT * FROM x",
    "SELECT tz(time, 'UTC'), temp FROM home UNION ALL SELECT now(), 1.0",
    "SELECT selector_last(temp, time)['value'] a, difference(max(co)) OVER (ORDER BY room) FROM home GROUP BY room",
    "SELECT derivative(temp, time, INTERVAL '1 s') OVER (PARTITION BY room ORDER BY time) FROM home",
    "SELECT date_bin_wallclock(INTERVAL '1 day', tz(time, 'Europe/Paris')) FROM home WHERE room = $x",
    "SELECT h.room, c.v FROM home h JOIN last_cache('home', 'l') c USING (room) WHERE c.room IN ('Kitchen', $x)",
    "SELECT room FROM distinct_cache('home') WHERE room = 'Kitchen' OR room = $x ORDER BY room",
]

PIECES = [
    *(
        "(",
        ")",
        ",",
        "'",
        '"',
        "`",
        "*",
        ".",
        "$x",
        "$$",
        "--",
        "/*",
        "[",
        "]",
        "::",
        ";",
        "\n",
        "é",
        "\x00",
    ),
    *(
        "SELECT",
        "FROM",
        "GROUP BY",
        "AS",
        "locf(",
        "date_bin_gapfill(",
        "tz(",
        "1",
        "WITH",
        "UNION",
        "EXCEPT",
    ),
    *("NULL", "time", "t", "now()", "current_date", "OVER", "FILTER", "HAVING", "last_cache('home')"),
]


def home_executor() -> QueryExecutor:
    """Return an executor over a table with a cache of each kind."""
    databases = MemoryDatabases()
    databases.put("d", "home", home_rows())
    last = pa.table({"room": ["Kitchen", "Attic"], "v": [1, 2]})
    distinct = pa.table({"room": pa.array(["Attic", "Kitchen"], pa.string_view())})
    return executor_of(
        databases,
        last_caches=MemoryCaches({("home", "l"): MemoryCache(last, ("room",))}),
        distinct_caches=MemoryCaches({("home", "d"): MemoryCache(distinct)}),
    )


def mutated(text: str, chance: random.Random) -> str:
    """Return a text with pieces of it gone, moved, put in or put in place of others; perhaps none."""
    for _ in range(chance.randrange(4)):
        first = chance.randrange(len(text) + 1)
        last = min(len(text), first + chance.randrange(1, 15))
        text = chance.choice(
            [
                text[:first] + text[last:],
                text[:first] + text[last : last + 12] + text[first:last] + text[last + 12 :],
                f"{text[:first]} {chance.choice(PIECES)} {text[first:]}",
                text[:first] + chance.choice(PIECES) + text[last:],
            ]
        )
    return text


@pytest.mark.parametrize("seed", range(3))
def test_mutated_statements_run_or_raise_query_errors(seed: int) -> None:
    """Nothing but QueryError comes out, and the executor lives."""
    chance = random.Random(seed)
    executor = home_executor()
    ran = 0
    texts: list[str] = []
    for _ in range(150):
        try:
            executor.query(mutated(chance.choice(TEXTS), chance), "d", {"x": "Kitchen"})
            ran += 1
        except QueryError as error:
            texts.append(str(error))
    assert 0 < ran < 150
    assert not any("DataFusion error" in text or "External error" in text for text in texts)
    assert executor.query("SELECT count(*) AS n FROM home", "d")["n"].to_pylist() == [6]
    executor.close()


@pytest.mark.parametrize("text", TEXTS)
def test_unchanged_statements_run(text: str) -> None:
    """The statements that are mutated are good ones."""
    executor = home_executor()
    assert executor.query(text, "d", {"x": "Kitchen"}).num_columns > 0
    executor.close()


@pytest.mark.parametrize("seed", range(3))
def test_tokens_cover_a_text(seed: int) -> None:
    """Tokens stand in their order where they say, and what lies between them is space or comment."""
    chance = random.Random(seed)
    for _ in range(200):
        text = mutated(chance.choice(TEXTS), chance)
        place = 0
        for token in tokenize(text):
            between = text[place : token.start]
            assert between.strip() == "" or "--" in between or "/*" in between
            assert text[token.start : token.end] == token.text
            place = token.end
