"""Run InfluxDB 3 Processing Engine plugins in your own process.

::

    from procengine import Engine

    with Engine(plugin_dir="plugins") as engine:
        engine.write("home", "room,name=Kitchen temp=21.0")
        engine.query("SELECT * FROM room", "home")  # a pyarrow.Table

In a notebook, ``%load_ext procengine`` starts an engine and brings the magics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from procengine.engine import Engine

__version__ = "0.1.0"

__all__ = ["Engine", "__version__", "load_ipython_extension", "unload_ipython_extension"]


def __getattr__(name: str) -> Any:
    """Import the engine when it is asked for, so that importing the package costs nothing."""
    if name == "Engine":
        from procengine.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(ipython: Any) -> None:
    """Load the notebook extension (``%load_ext procengine``)."""
    import procengine_jupyter

    procengine_jupyter.load_ipython_extension(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Unload the notebook extension (``%unload_ext procengine``)."""
    import procengine_jupyter

    procengine_jupyter.unload_ipython_extension(ipython)
