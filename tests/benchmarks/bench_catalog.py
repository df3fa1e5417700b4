"""What do catalog and validation add to a write?"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from procengine.catalog import Catalog
from procengine.clock import SystemClock
from procengine.model.column import Column, ColumnType
from procengine.model.line_group import LineGroup, ParsedLines
from procengine.model.trigger import Trigger
from procengine.write.validator import validate
from tests.benchmarks.measurement import Measurement, alternate, seconds

COLUMNS = (
    *(Column(f"tag{number}", ColumnType.TAG) for number in range(3)),
    *(Column(f"float{number}", ColumnType.FLOAT) for number in range(4)),
    Column("integer", ColumnType.INTEGER),
    Column("string", ColumnType.STRING),
)
REPEATS = 500


def run() -> list[Measurement]:
    """Measure validation of one line and of a million, and commits to disk as the catalog grows."""
    return [*validation(), *commits()]


def validation() -> list[Measurement]:
    """Validation against a catalog that has all columns."""
    catalog = Catalog(None, clock=SystemClock())
    catalog.start()
    one, million = uniform_lines(1), uniform_lines(1_000_000)

    def write(parsed: ParsedLines) -> None:
        validate(parsed, catalog=catalog, database="home", accept_partial=True)

    def write_one() -> None:
        for _ in range(REPEATS):
            write(one)

    write(one)
    one_seconds, million_seconds = alternate(7, write_one, lambda: write(million))
    return [
        Measurement(
            name="validate one line, no new column",
            value=one_seconds / REPEATS * 1e6,
            budget=30,
            unit="us",
            baseline="none",
        ),
        Measurement(
            name="validate 1,000,000 uniform lines",
            value=million_seconds * 1e3,
            budget=50,
            unit="ms",
            baseline="none",
        ),
    ]


def commits() -> list[Measurement]:
    """A commit among 10,000 triggers against a bare append with fdatasync, and against one among few."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder) / "catalog", clock=SystemClock())
        catalog.start()
        catalog.create_database("home")
        numbers = iter(range(1_000_000))

        def create(count: int) -> None:
            for _ in range(count):
                name = f"trigger{next(numbers)}"
                catalog.create_trigger(
                    Trigger(database="home", name=name, plugin_filename="p.py", spec="every:1h")
                )

        few = seconds(lambda: create(1000)) / 1000
        create(8000)
        many = seconds(lambda: create(1000)) / 1000
        descriptor = os.open(Path(folder) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        bare, create_seconds = alternate(
            5, lambda: append_and_sync(descriptor, 200), lambda: create(200)
        )
        os.close(descriptor)
        catalog.close()
    details = {"bare_us": bare / 200 * 1e6, "first_1000_us": few * 1e6, "tenth_1000_us": many * 1e6}
    return [
        Measurement(
            name="create a trigger among 10,000",
            value=create_seconds / bare,
            budget=4,
            unit="x",
            baseline="append of as many bytes and fdatasync",
            details=details,
        )
    ]


def append_and_sync(descriptor: int, count: int) -> None:
    """Make 300 bytes durable, so many times."""
    for _ in range(count):
        os.write(descriptor, bytes(300))
        getattr(os, "fdatasync", os.fsync)(descriptor)


def uniform_lines(count: int) -> ParsedLines:
    """Lines of one shape, as a reader would hand them over."""
    numbers = np.arange(count)
    values = {
        ColumnType.TAG: pa.DictionaryArray.from_arrays(
            pa.array(numbers % 50 % count, pa.int32()),
            pa.array([f"v{n}" for n in range(min(50, count))]),
        ),
        ColumnType.FLOAT: pa.array(numbers * 0.5),
        ColumnType.INTEGER: pa.array(numbers),
        ColumnType.STRING: pa.array(["text"] * count),
    }
    group = LineGroup(
        table="cpu",
        columns=COLUMNS,
        arrays=tuple(values[column.type] for column in COLUMNS),
        times_ns=numbers,
        line_numbers=numbers + 1,
    )
    return ParsedLines(groups=(group,), errors=(), original_line=str)
