"""How does a plugin of several files run?

Its directory is imported as a package, once, and its modules' state persists from run to run, until one of its
files changes: then the package is imported anew as a whole, and its state begins anew.

Its name in ``sys.modules`` is the directory's, as in the original, while that is free; a directory that is called
like an installed module, like one of the standard library or like another plugin is imported under a name of its
own, and finds itself under the plain one. An import that fails leaves ``sys.modules`` as it was.

Source: influxdb3_py_api/src/system_py.rs, load_function_from_module.
Differs: reloads; names do not collide; the parent directory stands at the end of ``sys.path`` while the package
    is imported, not at its beginning, so that a plugin's neighbours cannot hide other modules.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import itertools
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from procengine.errors import PluginSourceError
from procengine.model.line_builder import LineBuilder, fresh_line_builder
from procengine.model.trigger import TriggerKind
from procengine.processing.entry_point import check_entry_point, find_entry_point
from procengine.processing.plugin_builtins import Mentions, Namespace, plugin_builtins
from procengine.processing.plugin_origins import PluginOrigins
from procengine.processing.plugin_path import INIT, is_inside
from procengine.processing.plugin_source import FileStamp, PluginSource, read_text
from procengine.processing.plugin_versions import version_of
from procengine.processing.single_file import source_error

PYCACHE: Final = "__pycache__"

# ``sys.path`` and ``sys.modules`` are one for all engines. Held while a package is imported, plugin code
# included, as the original does: two imports at the same time would see each other's half-made modules.
_importing = threading.RLock()


def python_files(folder: Path) -> Iterator[Path]:
    """Return the Python files below a folder, links to folders not followed, ``__pycache__`` left out."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name != PYCACHE and not path.is_symlink():
                yield from python_files(path)
        elif path.suffix == ".py" and path.is_file():
            yield path


class LoadedOrigins:
    """The origins of a package's files, with the names under which they were loaded."""

    def __init__(self, origins: PluginOrigins) -> None:
        self._origins = origins
        self.names: set[str] = set()

    def source(self, path: Path) -> PluginSource:
        """Return a file's text with its place."""
        source = self._origins.source(path)
        self.names.add(source.display_filename)
        return source


class PackageLoader(importlib.machinery.SourceFileLoader):
    """Loads a module of a plugin from its text, with the builtins of plugins, and never from cached byte code.

    Byte code files are told apart by seconds and sizes, which an edit may leave unchanged.
    """

    def __init__(self, name: str, path: str, names: Namespace, origins: LoadedOrigins) -> None:
        super().__init__(name, path)
        self._names = names
        self._origins = origins

    def get_code(self, fullname: str) -> CodeType:
        """Compile the module's text, under the name of the place that it came from."""
        return self._origins.source(Path(self.get_filename(fullname))).compiled()

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module's text with the builtins of plugins."""
        vars(module)["__builtins__"] = self._names
        exec(self.get_code(module.__name__), vars(module))


class PackageFinder:
    """Finds the modules of one plugin's package; stands in ``sys.meta_path`` while the package is loaded."""

    def __init__(self, name: str, folder: Path, names: Namespace, origins: LoadedOrigins) -> None:
        self._name = name
        self._folder = folder
        self._names = names
        self._origins = origins

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a module of the package is; None for all others, and for what is not Python text."""
        top, *parts = fullname.split(".")
        if top != self._name:
            return None
        place = self._folder.joinpath(*parts)
        if (place / INIT).is_file():
            return self._spec(fullname, place / INIT, locations=[str(place)])
        file = place.with_name(place.name + ".py")
        if parts and file.is_file():
            return self._spec(fullname, file, locations=None)
        return None

    def _spec(
        self, fullname: str, file: Path, *, locations: list[str] | None
    ) -> importlib.machinery.ModuleSpec | None:
        if not is_inside(self._folder, file):
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            file,
            loader=PackageLoader(fullname, str(file), self._names, self._origins),
            submodule_search_locations=locations,
        )


class PluginPackage:
    """A directory plugin, in one state of its files. A changed file makes another one.

    ``private`` packages are apart from those that triggers use, module state included: for dry runs.
    ``replaces`` is the package in its former state; it makes room when this one is imported, and comes back if
    that fails.
    """

    def __init__(
        self,
        filename: str,
        folder: Path,
        origins: PluginOrigins,
        *,
        private: bool = False,
        replaces: PluginPackage | None = None,
    ) -> None:
        self.filename = filename
        self.folder = folder
        self._stamps = stamps(folder)
        self._digest = digest(folder)
        self.texts = _texts(folder)
        self.version = version_of(self.texts)
        self._prefix = f"{folder}/"
        self._origins = LoadedOrigins(origins)
        self._private = private
        # A state that never could be imported is passed over: what makes room is the one before it.
        unused = replaces is not None and replaces._module is None
        self._replaces: PluginPackage | None = replaces._replaces if replaces and unused else replaces
        self._name = folder.name
        self._names: Namespace = {}
        self._module: ModuleType | None = None
        self._finder: PackageFinder | None = None
        self._mentions_line_builder = False

    def still_holds(self) -> bool:
        """Tell whether the files say what they said; a directory that is gone counts as unchanged."""
        try:
            now = stamps(self.folder)
            if now == self._stamps and all(stamp.settled for stamp in self._stamps.values()):
                return True
            if digest(self.folder) != self._digest:
                return False
        except OSError:
            return True
        self._stamps = now
        return True

    def entry_point(
        self,
        kind: TriggerKind,
        opened: Callable[[Namespace], None] | None = None,  # noqa: ARG002 - its modules have names
    ) -> Any:
        """Import the package if that was not done before; return its entry point.

        Raises:
            PluginSourceError: the import failed, or there is no entry point.
            KeyboardInterrupt: the run was cancelled during the import.
        """
        module = self._module or self._imported()
        if self._mentions_line_builder:
            self._names[LineBuilder.__name__] = fresh_line_builder()
        return find_entry_point(vars(module), kind)

    def has_name(self, top_name: str) -> bool:
        """Tell whether the package, as it is or as it was before, was imported by a name."""
        if self._module is not None and self._name == top_name:
            return True
        return self._replaces is not None and self._replaces.has_name(top_name)

    def module(self, inside: str) -> ModuleType:
        """Return a module of the package by its name in there, empty for the top; imports what is missing.

        Raises:
            PluginSourceError: the package cannot be imported.
            Exception: whatever the import of the module raises.
        """
        top = self._module or self._imported()
        if not inside:
            return top
        with _importing:
            return importlib.import_module(f"{self._name}.{inside}")

    def check(self, kind: TriggerKind) -> None:
        """Accept files that can be compiled, and an entry point that can be called as far as it shows.

        Raises:
            PluginSourceError: otherwise, with the file and line.
        """
        for path in python_files(self.folder):
            source = self._origins.source(path)
            try:
                source.compiled()
            except (SyntaxError, PluginSourceError, RecursionError, MemoryError) as error:
                raise source_error(error, source.display_filename) from error
        init = self._origins.source(self.folder / INIT)
        tree = ast.parse(init.text, init.display_filename)
        check_entry_point(tree, kind, filename=init.display_filename, first_line=init.first_line)

    def owns(self, filename: str) -> bool:
        """Tell whether code with a file name is the plugin's own."""
        return filename.startswith(self._prefix) or filename in self._origins.names

    def close(self) -> None:
        """Take the package out of ``sys.modules``; runs that are inside it go on with what they hold."""
        with _importing:
            self._step_aside()
            if self._replaces is not None:
                self._replaces.close()

    def _imported(self) -> ModuleType:
        with _importing:
            if self._module is None:
                former = self._replaces
                aside = {} if former is None else former._step_aside()
                try:
                    self._module = self._import()
                except BaseException as error:
                    self._step_aside()
                    if former is not None:
                        former._step_back(aside)
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    raise PluginSourceError(import_failure_text(self.folder.name, error)) from error
                self._replaces = None
            return self._module

    def _import(self) -> ModuleType:
        texts = [read_text(path) for path in python_files(self.folder)]
        self._name = self._free_name()
        mentions = Mentions.of(texts)
        self._names = plugin_builtins(mentions, aliases={self.folder.name: self._name})
        self._mentions_line_builder = mentions.line_builder
        self._finder = PackageFinder(self._name, self.folder, self._names, self._origins)
        sys.meta_path.insert(0, self._finder)
        parent = str(self.folder.parent)
        sys.path.append(parent)
        try:
            importlib.invalidate_caches()
            return importlib.import_module(self._name)
        finally:
            if parent in sys.path:
                # The last one is ours.
                del sys.path[len(sys.path) - 1 - sys.path[::-1].index(parent)]

    def _step_aside(self) -> dict[str, ModuleType]:
        """Take the package's modules out of ``sys.modules`` and return them."""
        if self._finder is None:
            return {}
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        names = [key for key in sys.modules if key == self._name or key.startswith(f"{self._name}.")]
        return {key: sys.modules.pop(key) for key in names}

    def _step_back(self, modules: dict[str, ModuleType]) -> None:
        if self._finder is not None:
            sys.meta_path.insert(0, self._finder)
        sys.modules.update(modules)

    def _free_name(self) -> str:
        plain = self.folder.name
        if not self._private and "." not in plain and not _is_taken(plain, self.folder):
            return plain
        own = f"{plain.replace('.', '_')}_{zlib.crc32(str(self.folder).encode()):08x}"
        names = itertools.chain([own], (f"{own}_{number}" for number in itertools.count(1)))
        return next(name for name in names if name not in sys.modules)


def stamps(folder: Path) -> dict[str, FileStamp]:
    """Return the stamp of each Python file below a folder, by path.

    Raises:
        OSError: the folder is gone.
    """
    return {str(path): FileStamp.of(path) for path in python_files(folder)}


def _texts(folder: Path) -> dict[str, str]:
    """Return the texts below a folder by their relative paths; what is not text is told by the import."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode("utf-8-sig", "replace")
        for path in python_files(folder)
    }


def digest(folder: Path) -> str:
    """Return what tells the texts below a folder from any others."""
    found = hashlib.sha256()
    for path in python_files(folder):
        found.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def import_failure_text(name: str, error: BaseException) -> str:
    """Return the original's text for a directory plugin that cannot be imported."""
    return (
        f"Failed to import plugin module '{name}': {type(error).__qualname__}: {error}\n"
        "Hint: Check for syntax errors or missing dependencies in Python files."
    )


def _is_taken(name: str, folder: Path) -> bool:
    """Tell whether a top-level name leads to anything but the folder."""
    if name in sys.modules:
        return True
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return True
    return spec is not None and spec.origin is not None and Path(spec.origin) != folder / INIT
