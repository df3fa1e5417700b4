"""Which version of InfluxDB 3 is this as?"""

from __future__ import annotations

from typing import Final

ORIGINAL_VERSION: Final = "3.10.0"
"""The version whose behaviour is reproduced. A plugin's ``database_version`` must include it."""
