"""Are rows past their period gone everywhere at once, and is what was deleted refused until it is restored?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from pyarrow import flight

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.http import Server
from procengine.http.flight.ticket import format_ticket
from tests.http.conftest import START_NS

DATABASE = "/api/v3/configure/database"
TABLE_PERIOD = "/api/v3/enterprise/configure/table/retention_period"
HOUR_NS = 3600 * 10**9
WRITES = (
    ("/api/v3/write_lp", "db", {"precision": "nanosecond"}),
    ("/api/v2/write", "bucket", {}),
    ("/write", "db", {}),
)

Seen = Callable[[], list[int]]


@pytest.fixture
def seen(server: Server, api: httpx.Client, engine: Engine) -> Iterator[Seen]:
    """Return the ages of the rows that are answered, in hours; HTTP, Flight and the engine agree on them."""
    sql = f"SELECT (CAST({START_NS} AS BIGINT) - CAST(time AS BIGINT)) / {HOUR_NS} AS age FROM home ORDER BY age"
    assert server.url is not None
    headers = [(b"authorization", b"Bearer " + server.token().encode())]
    call = flight.FlightCallOptions(headers=headers, timeout=60)
    with flight.connect(server.url.replace("http", "grpc")) as connection:

        def ages() -> list[int]:
            answer = api.get("/api/v3/query_sql", params={"db": "house", "q": sql})
            assert answer.status_code == 200, answer.text
            found = [row["age"] for row in answer.json()]
            ticket = flight.Ticket(format_ticket("house", sql))
            assert connection.do_get(ticket, call).read_all()["age"].to_pylist() == found
            assert engine.query(sql, "house")["age"].to_pylist() == found
            return found

        yield ages


@pytest.fixture(autouse=True)
def home(engine: Engine) -> None:
    """Rows that are now, 2, 30 and 100 hours old."""
    lines = [f"home age={age} {START_NS - age * HOUR_NS}" for age in (0, 2, 30, 100)]
    engine.write("house", "\n".join(lines), precision="ns")


def test_retention_over_http_hides_rows_at_once(
    api: httpx.Client, seen: Seen, clock: VirtualClock
) -> None:
    """By each route that sets a period: the shorter one's, of table and database, counts; time goes on."""
    assert seen() == [0, 2, 30, 100]
    period = f"{DATABASE}/retention_period"
    assert api.post(period, params={"db": "house", "duration": "3d"}).status_code == 204
    assert seen() == [0, 2, 30]
    table = {"db": "house", "table": "home"}
    assert api.post(TABLE_PERIOD, params=table | {"duration": "1d"}).status_code == 204
    assert seen() == [0, 2]
    assert api.put(DATABASE, json={"db": "house", "retention_period": "1h"}).status_code == 200
    assert api.delete(TABLE_PERIOD, params=table).status_code == 204
    assert seen() == [0]
    clock.advance(2 * 3600)
    assert seen() == []


def test_retention_over_http_takes_late_rows_that_nobody_sees(api: httpx.Client, seen: Seen) -> None:
    """A row that is too old already is taken, as by the original, and is not answered."""
    period = f"{DATABASE}/retention_period"
    assert api.post(period, params={"db": "house", "duration": "1h"}).status_code == 204
    for route, name, more in WRITES:
        line = f"home age=50 {START_NS - 50 * HOUR_NS}"
        assert api.post(route, params={name: "house"} | more, content=line).status_code == 204
    assert seen() == [0]


def test_deleted_database_is_refused_and_had_back(api: httpx.Client, engine: Engine, seen: Seen) -> None:
    """All three routes refuse it in section 11's words until it is restored; then rows are there and more come."""
    assert api.delete(DATABASE, params={"db": "house"}).status_code == 200
    [gone] = [one.name for one in engine.catalog.all_databases() if one.deleted]
    text = f"cannot write to soft-deleted database '{gone}' - it is marked for deletion"
    for route, name, more in WRITES:
        answer = api.post(route, params={name: gone} | more, content=f"home age=1 {START_NS - HOUR_NS}")
        assert (answer.status_code, text in answer.text) == (400, True), (route, answer.text)
    lost = api.get("/api/v3/query_sql", params={"db": "house", "q": "SELECT 1"})
    assert lost.status_code == 404
    engine.catalog.restore_database(gone)
    assert seen() == [0, 2, 30, 100]
    for age, (route, name, more) in enumerate(WRITES, start=3):
        line = f"home age={age} {START_NS - age * HOUR_NS}"
        answer = api.post(route, params={name: "house"} | more, content=line)
        assert answer.status_code == 204, answer.text
    assert seen() == [0, 2, 3, 4, 5, 30, 100]
