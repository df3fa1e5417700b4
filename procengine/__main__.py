"""``python -m procengine`` is the command `procengine`."""

from __future__ import annotations

from procengine.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
