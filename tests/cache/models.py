"""What caches hold, worked out row by row with dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Row = Mapping[str, object]
Key = tuple[object, ...]


@dataclass(slots=True)
class _Series:
    newest_ns: int = 0
    rows: list[tuple[int, Row]] = field(default_factory=list)
    """(inserted, row), newest first."""


@dataclass(slots=True)
class LastModel:
    """A last-value cache; a row is a dictionary with ``time`` (nanoseconds) and the columns that it has."""

    keys: Sequence[str]
    count: int
    ttl_ns: int
    series: dict[Key, _Series] = field(default_factory=dict)

    def apply(self, rows: Sequence[Row], now_ns: int) -> None:
        for row in rows:
            if any(row.get(key) is None for key in self.keys):
                continue
            series = self.series.setdefault(tuple(row[key] for key in self.keys), _Series())
            time_ns = row["time"]
            assert isinstance(time_ns, int)
            if time_ns > series.newest_ns:
                series.newest_ns = time_ns
                series.rows = [(now_ns, row), *series.rows][: self.count]

    def evict(self, now_ns: int) -> None:
        for series in self.series.values():
            alive = [at for at, one in enumerate(series.rows) if now_ns - one[0] < self.ttl_ns]
            series.rows = series.rows[: max(alive, default=-1) + 1]
            if not series.rows:
                series.newest_ns = 0

    def read(self, now_ns: int) -> dict[Key, list[Row]]:
        found = {
            key: [row for inserted, row in series.rows if now_ns - inserted < self.ttl_ns]
            for key, series in self.series.items()
        }
        return {key: rows for key, rows in found.items() if rows}


@dataclass(slots=True)
class DistinctModel:
    """A distinct-value cache; a row is a dictionary as above."""

    columns: Sequence[str]
    max_cardinality: int
    max_age_ns: int
    last_seen_ns: dict[Key, int] = field(default_factory=dict)

    def apply(self, rows: Sequence[Row]) -> None:
        for row in rows:
            time_ns = row["time"]
            assert isinstance(time_ns, int)
            self.last_seen_ns[tuple(row.get(column) for column in self.columns)] = time_ns

    def prune(self, now_ns: int) -> None:
        limit_ns = now_ns - self.max_age_ns
        held = {key: seen for key, seen in self.last_seen_ns.items() if seen > limit_ns}
        newest = sorted(held, key=lambda key: held[key], reverse=True)[: self.max_cardinality]
        self.last_seen_ns = {key: held[key] for key in newest}

    def read(self, now_ns: int) -> list[Key]:
        limit_ns = now_ns - self.max_age_ns
        seen = [key for key, seen in self.last_seen_ns.items() if seen > limit_ns]
        return sorted(seen, key=lambda key: [(one is not None, str(one).encode()) for one in key])
