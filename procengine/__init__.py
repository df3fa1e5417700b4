"""InfluxDB 3 Processing Engine plugins, run in your own process."""

from __future__ import annotations

__version__ = "0.1.0"
