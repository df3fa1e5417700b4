"""What querying imports, and when."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, sys
import procengine.query
assert "datafusion" not in sys.modules, "importing the package imports DataFusion"
from procengine.catalog import Catalog
from procengine.clock import VirtualClock
from procengine.model.column import Column, ColumnType
from procengine.write.table_view import TableView
catalog = Catalog(None, clock=VirtualClock())
catalog.start()
database = catalog.evolve("d", {"home": [Column("room", ColumnType.TAG), Column("temp", ColumnType.FLOAT)]})
view = TableView(schema=database.tables["home"].schema)
executor = procengine.query.QueryExecutor(catalog, lambda table_id: view, clock=VirtualClock())
assert "datafusion" not in sys.modules, "making an executor imports DataFusion"
assert executor.query("SELECT * FROM home WHERE room = 'Kitchen' AND temp > 20", "d").num_rows == 0
assert os.environ["MIMALLOC_PURGE_DELAY"] == "-1"
assert "pandas" not in sys.modules, "querying imports pandas"
executor.close()
import datafusion.functions
assert datafusion.functions.spark.avg is not None
"""


def test_datafusion_comes_with_the_first_query_and_pandas_does_not() -> None:
    """Importing and making an executor is cheap; a query brings in DataFusion, but not pandas (parameters do)."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
