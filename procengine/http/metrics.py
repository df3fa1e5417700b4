"""How many requests were answered, how, and how fast?

Counted on the server's loop alone; read by whoever writes them down.

Source: core/trace_http/src/metrics.rs (names and labels).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from procengine.http.exposition import counter, histogram
from procengine.model.histogram import Histogram

_CLASSES: Final = {2: "ok", 3: "ok", 4: "client_error", 5: "server_error"}


class _Answers:
    """The answers of one method and path."""

    __slots__ = ("by_status", "durations")

    def __init__(self) -> None:
        self.by_status: dict[int, int] = {}
        self.durations = Histogram()


class HttpMetrics:
    """Counts requests by method, path and kind of answer."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], _Answers] = {}
        self._aborted: Counter[tuple[str, str]] = Counter()

    def answered(self, method: str, path: str, status: int, duration_ns: int) -> None:
        """Count a request that was answered."""
        answers = self._answers.get((method, path))
        if answers is None:
            answers = self._answers[method, path] = _Answers()
        answers.by_status[status] = answers.by_status.get(status, 0) + 1
        answers.durations.add(duration_ns / 1e9)

    def aborted(self, method: str, path: str) -> None:
        """Count a request whose client went away."""
        self._aborted[method, path] += 1

    def exposition(self) -> str:
        """Return the counts in Prometheus' text format; from any thread."""
        answers = list(self._answers.items())
        counts: Counter[tuple[str, str, str]] = Counter()
        for (method, path), one in answers:
            for status, count in list(one.by_status.items()):
                counts[method, path, _CLASSES.get(status // 100, "ok")] += count
        for (method, path), count in list(self._aborted.items()):
            counts[method, path, "aborted"] = count
        requests = [
            ({"method": method, "path": path, "status": status}, count)
            for (method, path, status), count in counts.items()
        ]
        durations = [
            ({"method": method, "path": path}, one.durations.read()) for (method, path), one in answers
        ]
        return counter("http_requests", "accumulated total requests", requests) + histogram(
            "http_request_duration_seconds", "distribution of request latencies", durations
        )
