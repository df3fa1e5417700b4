"""How long do the crash tests take?

Their short form runs with the suite. The long form has more kills, more moments and more ways of a crash:
``PROCENGINE_LONG_CRASH_TESTS=1 pytest tests/crash``.
"""

from __future__ import annotations

import os

LONG = os.environ.get("PROCENGINE_LONG_CRASH_TESTS") == "1"
