"""How does DataFusion read exactly these Parquet files, and no others?

It reads one file or one folder, so a set of files becomes a folder of links, made once and read by every query that
sees the same files. A folder goes when neither a query nor the cache holds its set any longer.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from procengine.bucket import LOCAL_PLACES, ParquetPlaces
from procengine.query.stored_rows import StoredFile

KEPT_SETS = 256
"""How many sets are kept ready; the least recently used goes first."""

_Key = tuple[tuple[str, ...], pa.Schema]


class ParquetSet:
    """A set of files as a DataFusion table. Hold it for as long as a plan made from ``table`` may run."""

    def __init__(self, table: Any, folder: Path | None) -> None:
        self.table = table
        if folder is not None:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


class ParquetSets:
    """Keeps sets of Parquet files ready as tables.

    Any thread may ask, but not from within planning, where DataFusion cannot look at files.
    """

    def __init__(self, context: Any, places: ParquetPlaces = LOCAL_PLACES) -> None:
        self._context = context
        self._places = places
        # Guards the cache and the folder's making.
        self._lock = threading.Lock()
        self._ready: OrderedDict[_Key, ParquetSet] = OrderedDict()
        self._folder: Path | None = None
        self._names = itertools.count()

    def get(self, files: Sequence[StoredFile], schema: pa.Schema) -> ParquetSet:
        """Return the rows of all these files, as columns of ``schema``; a file that lacks one has nulls there."""
        key = (tuple(file.path for file in files), schema)
        with self._lock:
            ready = self._ready.get(key)
            if ready is not None:
                self._ready.move_to_end(key)
                return ready
        made = self._make(*key)
        with self._lock:
            self._ready[key] = made
            while len(self._ready) > KEPT_SETS:
                self._ready.popitem(last=False)
        return made

    def close(self) -> None:
        """Forget the sets and remove the folder of links."""
        with self._lock:
            self._ready.clear()
            folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _make(self, paths: tuple[str, ...], schema: pa.Schema) -> ParquetSet:
        addresses = [self._places.url(path) for path in paths]
        if addresses != list(paths):
            return ParquetSet(self._joined(addresses, schema), None)
        name = f"set_{next(self._names)}"
        folder = None if len(paths) == 1 else self._link(name, paths)
        self._context.register_parquet(name, str(folder or paths[0]), schema=schema)
        try:
            return ParquetSet(self._context.table_provider(name), folder)
        finally:
            self._context.deregister_table(name)

    def _joined(self, addresses: Sequence[str], schema: pa.Schema) -> Any:
        """Return a table of the rows of files of which some lie in an object store, where nothing can be linked."""
        parts = []
        for address in addresses:
            name = f"set_{next(self._names)}"
            self._context.register_parquet(name, address, schema=schema)
            try:
                parts.append(self._context.table(name))
            finally:
                self._context.deregister_table(name)
        whole = parts[0]
        for part in parts[1:]:
            whole = whole.union(part)
        return whole.into_view()

    def _link(self, name: str, paths: tuple[str, ...]) -> Path:
        """Make a folder with one link a file, named so that they are read in their order."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="procengine-sets-"))
            folder = self._folder / name
        folder.mkdir()
        for number, path in enumerate(paths):
            _link(Path(path).resolve(), folder / f"{number:06}.parquet")
        return folder


def _link(path: Path, link: Path) -> None:
    """Make a link that reads as the file; where links to other volumes are not allowed, a hard one."""
    try:
        link.symlink_to(path)
    except OSError:
        os.link(path, link)
