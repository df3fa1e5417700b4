"""The notebook face of procengine: magics, cards and completion.

``%load_ext procengine`` loads it; so does ``%load_ext procengine_jupyter``.
"""

from __future__ import annotations

from typing import Any

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics with a shell, start the engine and show its card."""
    from procengine_jupyter.loading import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Stop the engine and take everything back that loading changed."""
    from procengine_jupyter.loading import unload

    unload(ipython)
