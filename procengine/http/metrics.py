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


class HttpMetrics:
    """Counts requests by method, path and kind of answer."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._durations: dict[tuple[str, str], Histogram] = {}

    def answered(self, method: str, path: str, status: int, duration_ns: int) -> None:
        """Count a request that was answered."""
        self._requests[method, path, _CLASSES.get(status // 100, "ok")] += 1
        durations = self._durations.get((method, path))
        if durations is None:
            durations = self._durations[method, path] = Histogram()
        durations.add(duration_ns / 1e9)

    def aborted(self, method: str, path: str) -> None:
        """Count a request whose client went away."""
        self._requests[method, path, "aborted"] += 1

    def exposition(self) -> str:
        """Return the counts in Prometheus' text format; from any thread."""
        requests = [
            ({"method": method, "path": path, "status": status}, count)
            for (method, path, status), count in list(self._requests.items())
        ]
        durations = [
            ({"method": method, "path": path}, one.read())
            for (method, path), one in list(self._durations.items())
        ]
        return counter("http_requests", "accumulated total requests", requests) + histogram(
            "http_request_duration_seconds", "distribution of request latencies", durations
        )
