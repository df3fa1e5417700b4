"""To which plugin does a class belong, and where is it now?

A single file's classes are in no module: its text is executed in new globals for each run, and what it defines says
that it is of ``builtins``. A directory plugin's classes are in a module, whose name may be another one at the next
start. So a class or function of a plugin is named by a `PluginName`: the plugin's file name, the module inside it,
and the qualified name there.

A name leads to the plugin's code as it is when the name is looked up. For a single file that is one execution of its
text which belongs to no run: an object that comes back after a restart is no instance of the class that the running
code has by the same name, just as in the original an object of an earlier run is none.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Mapping
from types import FunctionType
from typing import Any, Final, NamedTuple

from procengine.errors import PluginError
from procengine.processing.plugin_package import PluginPackage
from procengine.processing.plugin_registry import PluginRegistry
from procengine.processing.single_file import SingleFilePlugin

SINGLE_FILE_MODULES: Final = ("builtins", "__main__", "")
"""What a single file's classes say their module is, those that `collections.namedtuple` makes, and its functions."""


CLASS_OR_FUNCTION: Final = (type, FunctionType)
"""What pickle writes by name."""


class PluginName(NamedTuple):
    """Where a class or function of a plugin stands; ``module`` is inside the package, empty for its top."""

    filename: str
    module: str
    qualname: str


class Home(NamedTuple):
    """The plugin whose run is being kept, and the globals that its text was executed in, for a single file."""

    filename: str
    names: Mapping[str, Any]


class NotFoundInPluginError(LookupError):
    """A plugin no longer has what a stored value needs."""


class PluginClasses:
    """Names for the classes of one plugin directory. Any thread."""

    def __init__(self, registry: PluginRegistry) -> None:
        self._registry = registry
        # By identity: a metaclass may have its own ideas of equality. An entry goes with its class.
        self._known: dict[int, tuple[weakref.ref[Any], PluginName]] = {}
        # Guards the map; taken again by a class that is collected while it is held.
        self._lock = threading.RLock()

    def name_of(self, found: Any, home: Home | None) -> PluginName | None:
        """Return the name of a class or function, or None when it is no plugin's or has no place in its text.

        A class that is not known yet is looked for in ``home``. One that is not there, but has a namesake, was
        defined by an earlier run of the same text.
        """
        module, qualname = _text(found, "__module__"), _text(found, "__qualname__")
        if module in SINGLE_FILE_MODULES:
            return self._known_name(found) or self._name_in_file(found, module, qualname, home)
        top, _, inside = module.partition(".")
        filename = self._registry.package_filename(top)
        return None if filename is None or "<" in qualname else PluginName(filename, inside, qualname)

    def find(self, name: PluginName) -> Any:
        """Return what a name leads to now; executes or imports the plugin if that was not done since it changed.

        Raises:
            NotFoundInPluginError: the plugin is gone, or has nothing of this name.
            Exception: whatever the plugin's text raises.
        """
        try:
            plugin = self._registry.load(name.filename)
        except PluginError as error:
            raise NotFoundInPluginError(f"plugin {name.filename!r} is gone: {error}") from error
        if isinstance(plugin, PluginPackage):
            names: Mapping[str, Any] = vars(plugin.module(name.module))
        else:
            assert isinstance(plugin, SingleFilePlugin)
            names = plugin.lasting_names()
        try:
            found = _look_up_in_file(names, name.qualname)
        except (AttributeError, KeyError):
            where = f"{name.filename}, module {name.module!r}," if name.module else name.filename
            raise NotFoundInPluginError(f"plugin {where} has no {name.qualname!r} any more") from None
        self._remember(found, name)
        return found

    def _name_in_file(
        self, found: Any, module: str, qualname: str, home: Home | None
    ) -> PluginName | None:
        if home is None or (module and _is_there(vars(sys.modules[module]), qualname, found)):
            return None
        try:
            namesake = _look_up_in_file(home.names, qualname)
        except (AttributeError, KeyError):
            return None
        if type(namesake) is not type(found):
            return None
        name = PluginName(home.filename, "", qualname)
        self._remember(found, name)
        return name

    def _known_name(self, found: Any) -> PluginName | None:
        with self._lock:
            entry = self._known.get(id(found))
            return entry[1] if entry is not None and entry[0]() is found else None

    def _remember(self, found: Any, name: PluginName) -> None:
        key = id(found)

        def forget(gone: weakref.ref[Any]) -> None:
            with self._lock:
                entry = self._known.get(key)
                if entry is not None and entry[0] is gone:
                    del self._known[key]

        if isinstance(found, CLASS_OR_FUNCTION):
            with self._lock:
                self._known[key] = (weakref.ref(found, forget), name)


def _look_up(names: Mapping[str, Any], qualname: str) -> Any:
    """Return what a qualified name leads to in globals.

    Raises: KeyError, AttributeError.
    """
    first, *rest = qualname.split(".")
    found = names[first]
    for part in rest:
        found = getattr(found, part)
    return found


def _look_up_in_file(names: Mapping[str, Any], qualname: str) -> Any:
    """Return what a qualified name leads to in globals, or in the builtins that belong to them: `LineBuilder`.

    Raises: KeyError, AttributeError.
    """
    is_global = qualname.partition(".")[0] in names
    return _look_up(names if is_global else names["__builtins__"], qualname)


def _is_there(names: Mapping[str, Any], qualname: str, wanted: Any) -> bool:
    try:
        return _look_up(names, qualname) is wanted
    except (AttributeError, KeyError):
        return False


def _text(found: Any, attribute: str) -> str:
    value = getattr(found, attribute, "")
    return value if isinstance(value, str) else ""
