"""How is DataFusion brought in?

Late, because it costs a third of a second; and by this door alone, because two things must be so before its first
import. mimalloc, which it links, must not hand memory back at each scan: that cost 25 to 70 ms of system time a
query, off and on. And pandas must stay out: ``datafusion.functions.spark`` makes a pyarrow scalar when it is
executed, at which pyarrow looks for pandas; so that module is executed when it is first used, which is never.
(Values bound to parameters bring pandas in at last, inside DataFusion.)
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import Any

_SPARK = "datafusion.functions.spark"
# Held while DataFusion is imported: two threads must not both prepare for it.
_importing = threading.Lock()


def datafusion() -> Any:
    """Return the DataFusion package, imported at the first call."""
    loaded = sys.modules.get("datafusion")
    if loaded is not None and hasattr(loaded, "SessionContext"):
        return loaded
    with _importing:
        os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")
        if "datafusion" not in sys.modules:
            _delay_spark_functions()
        import datafusion as package

    return package


def _delay_spark_functions() -> None:
    """Put a module that executes at its first use where DataFusion will import its Spark functions from.

    `importlib.util.LazyLoader` is of no use: the import statement itself looks at the module and wakes it.
    """
    package = importlib.util.find_spec("datafusion")
    if package is None or not package.submodule_search_locations:
        return
    path = Path(package.submodule_search_locations[0], "functions", "spark.py")
    spec = importlib.util.spec_from_file_location(_SPARK, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        return
    module, loader = importlib.util.module_from_spec(spec), spec.loader

    def execute_and_get(name: str) -> Any:
        del module.__dict__["__getattr__"]
        loader.exec_module(module)
        return getattr(module, name)

    module.__dict__["__getattr__"] = execute_and_get
    sys.modules[_SPARK] = module
