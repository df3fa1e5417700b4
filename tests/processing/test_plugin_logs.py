"""The processing engine logs: section 10."""

from __future__ import annotations

import threading

from procengine.model.log_columns import LOG_COLUMNS
from procengine.model.run import LogEntry, LogLevel
from procengine.processing.plugin_logs import ProcessingEngineLogs


def entry(number: int, **changes: object) -> LogEntry:
    values: dict[str, object] = {
        "time_ns": number,
        "database": "db",
        "trigger": "watch",
        "level": LogLevel.INFO,
        "text": str(number),
        "run_id": number,
    }
    return LogEntry(**(values | changes))  # type: ignore[arg-type]


def test_ring_keeps_the_newest_ten_thousand() -> None:
    """Section 10: a ring of 10,000 rows for all triggers."""
    logs = ProcessingEngineLogs()
    for number in range(10_005):
        logs.append(entry(number))
    kept = logs.entries()
    assert (len(kept), kept[0].time_ns, kept[-1].time_ns, logs.appended) == (10_000, 5, 10_004, 10_005)


def test_lines_as_rows() -> None:
    """Lines stand as rows, oldest first, of one database or of all."""
    logs = ProcessingEngineLogs()
    logs.append(entry(1))
    logs.append(entry(2, database="other", level=LogLevel.ERROR, text="é"))
    table = logs.table()
    assert table.schema == LOG_COLUMNS
    assert table.column("log_level").to_pylist() == ["INFO", "ERROR"]
    assert logs.table("other").column("log_text").to_pylist() == ["é"]


def test_entries_by_condition() -> None:
    """Lines can be had by database, trigger, run and level."""
    logs = ProcessingEngineLogs()
    for number, database in enumerate(["a", "a", "b"]):
        logs.append(entry(number, database=database, trigger=f"t{number}"))
    logs.append(entry(3, level=LogLevel.WARN))
    assert [line.time_ns for line in logs.entries("a")] == [0, 1]
    assert [line.time_ns for line in logs.entries("a", "t1")] == [1]
    assert [line.time_ns for line in logs.entries(run_id=2)] == [2]
    assert [line.time_ns for line in logs.entries(level=LogLevel.WARN)] == [3]


def test_subscribers_hear_until_they_leave() -> None:
    """A subscriber gets each line from now on, until it ends that."""
    logs = ProcessingEngineLogs()
    logs.append(entry(1))
    heard: list[int] = []
    leave = logs.subscribe(lambda line: heard.append(line.time_ns))
    logs.append(entry(2))
    leave()
    logs.append(entry(3))
    assert heard == [2]


def test_any_thread_appends() -> None:
    """Lines of several threads are all kept, while others read."""
    logs = ProcessingEngineLogs()

    def write() -> None:
        for number in range(1000):
            logs.append(entry(number))
            if number % 100 == 0:
                logs.entries(run_id=1)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(logs.entries()) == 4000
