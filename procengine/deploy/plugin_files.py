"""Which files of a plugin go to a server, and what does the server call it?

A ``gh:`` plugin sends none: the server fetches it itself. One of a git repository goes as files, under its path
there. What is beside the Python files of a folder goes along where it is text, since that is all that the
original's requests carry.

Source: influxdb3_processing_engine/src/lib.rs, create_plugin_file and replace_plugin_directory: any path, any text; a
    folder is replaced whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from procengine.errors import NotFoundError, PluginSourceError, ProcengineError
from procengine.model.declared_packages import declared_in_text
from procengine.model.ignore_patterns import IgnorePatterns, PatternError
from procengine.model.manifest import MANIFEST, Manifest, parse_manifest
from procengine.model.near_names import did_you_mean
from procengine.model.plugin_address import GH, GitAddress, is_fetched, parse_address
from procengine.model.schema_fault import SchemaFaultsError
from procengine.processing.declared_packages import declared_packages
from procengine.processing.plugin_package import PYCACHE
from procengine.processing.plugin_path import INIT

if TYPE_CHECKING:
    from procengine.catalog import Catalog
    from procengine.processing.plugin_registry import PluginRegistry

REQUIREMENTS = "requirements.txt"
REQUEST_BYTES = 10_485_760
"""What a server takes in one request, unless its ``max-http-request-size`` says otherwise."""

_FOR_PEOPLE = frozenset({".md"})
_NOT_SENT = frozenset({REQUIREMENTS, MANIFEST})


class Local(Protocol):
    """Where plugins are: an `Engine`, or a data folder whose engine is stopped."""

    @property
    def plugins(self) -> PluginRegistry:
        """The plugin directory."""
        ...

    @property
    def catalog(self) -> Catalog:
        """The databases, with their triggers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFiles:
    """A plugin's files.

    ``name`` is what triggers here call it, ``filename`` what those on a server do. ``sent`` are texts by path
    relative to the plugin directory there, ``texts`` those that are Python, also of what is not sent. ``unsent``
    names files of its folder that are no text. ``packages`` are those that it declares: in its text, its manifest or
    its folder's requirements. ``manifest`` is None without one, and where it has faults, which are among ``remarks``:
    what is to be said of the plugin.
    """

    name: str
    filename: str
    is_directory: bool
    sent: Mapping[str, str]
    texts: Mapping[str, str]
    packages: tuple[str, ...]
    unsent: tuple[str, ...] = ()
    manifest: Manifest | None = None
    remarks: tuple[str, ...] = ()


def plugin_files(local: Local, name: str) -> PluginFiles:
    """Return the files of a plugin: a file's name, with or without ``.py``, a folder's, or an address.

    Raises:
        NotFoundError: there is no such plugin.
        PluginSourceError: a Python file cannot be read as text.
    """
    found = _found(local, name)
    if found.startswith(GH):
        return _fetched_there(local, found)
    address = parse_address(found) if is_fetched(found) else None
    filename = address.path if isinstance(address, GitAddress) else found
    files = local.plugins.files(found)
    if not files:
        raise PluginSourceError(f"the files of plugin {found!r} cannot be read")
    is_directory = files[0].name != found
    folder = _folder(files[0].path, files[0].name) if is_directory else files[0].path.parent
    manifest, remarks = _manifest(folder)
    left_out = _left_out(manifest if is_directory else None)
    texts = {
        f"{filename}/{one.name}" if is_directory else filename: _python(one.path, one.name)
        for one in files
        if one.name == INIT or not left_out.leave_out(one.name)
    }
    sent, unsent = dict(texts), []
    for path, relative in _beside(folder) if is_directory else ():
        if not left_out.leave_out(relative):
            text = _text(path)
            if text is None:
                unsent.append(relative)
            else:
                sent[f"{filename}/{relative}"] = text
    if isinstance(address, GitAddress):
        remarks = (_of_git(local, found, filename), *remarks)
    return PluginFiles(
        name=found,
        filename=filename,
        is_directory=is_directory,
        sent=sent,
        texts=texts,
        packages=(*declared_packages(folder, "", texts), *(_listed(folder) if is_directory else ())),
        unsent=tuple(unsent),
        manifest=manifest,
        remarks=remarks,
    )


def _listed(folder: Path) -> Iterator[str]:
    """Yield what the requirements file of a plugin's folder lists."""
    for line in (_text(folder / REQUIREMENTS) or "").splitlines():
        said = line.partition("#")[0].strip()
        if said and not said.startswith("-"):
            yield said


def _found(local: Local, name: str) -> str:
    """Return the name that triggers here have for a plugin."""
    wanted = name.rstrip("/")
    known = [one.filename for one in local.plugins.plugins()]
    used = {one.plugin_filename for each in local.catalog.databases for one in each.triggers.values()}
    addresses = sorted(one for one in used if is_fetched(one))
    for one in (*known, *addresses):
        if wanted in {one, one.removesuffix(".py")}:
            return one
    short = {one: _stem(one) for one in addresses}
    meant = [one for one in addresses if wanted in {short[one], f"{short[one]}.py"}]
    if len(meant) == 1:
        return meant[0]
    names = [*(one.removesuffix(".py") for one in known), *addresses]
    near = did_you_mean(name, [*names, *short.values()]) or "there are: " + (", ".join(names) or "none")
    raise NotFoundError(f"no plugin {name!r}; {near}")


def _stem(address: str) -> str:
    return PurePosixPath(address.rpartition("#")[2].removeprefix(GH)).stem


def _fetched_there(local: Local, name: str) -> PluginFiles:
    remark = f"the server fetches {name} itself, from the plugin repository that is configured there"
    texts: Mapping[str, str] = {}
    try:
        texts = dict(local.plugins.load(name).texts)
    except ProcengineError as error:
        remark += f"; here it cannot be read ({error})"
    packages = dict.fromkeys(each for text in texts.values() for each in declared_in_text(text))
    return PluginFiles(
        name=name,
        filename=name,
        is_directory=False,
        sent={},
        texts=texts,
        packages=tuple(packages),
        remarks=(remark,),
    )


def _of_git(local: Local, name: str, filename: str) -> str:
    commit = local.catalog.state.pins.get(name, "")
    at = f" at commit {commit[:12]}" if commit else ""
    return f"InfluxDB 3 takes no plugins from git: the files of {name}{at} are sent, as {filename}"


def _folder(path: Path, name: str) -> Path:
    """Return the folder that a file is in by a relative name."""
    return path.parents[len(PurePosixPath(name).parts) - 1]


def _manifest(folder: Path) -> tuple[Manifest | None, tuple[str, ...]]:
    try:
        return parse_manifest((folder / MANIFEST).read_bytes()), ()
    except OSError:
        return None, ()
    except SchemaFaultsError as error:
        return None, (str(error),)


def _left_out(manifest: Manifest | None) -> IgnorePatterns:
    with contextlib.suppress(PatternError):
        return IgnorePatterns(() if manifest is None else manifest.exclude)
    return IgnorePatterns(())


def _beside(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of a plugin's folder that may be its data, links left out, with their relative names."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or _passed_over(folder, relative.parts) or path.suffix in {".py", ".pyc"}:
            continue
        if path.suffix not in _FOR_PEOPLE and relative.as_posix() not in _NOT_SENT:
            yield path, relative.as_posix()


def _passed_over(folder: Path, parts: Sequence[str]) -> bool:
    above = [folder.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    return any(each.startswith(".") or each == PYCACHE for each in parts) or any(
        each.is_symlink() for each in above
    )


def _python(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PluginSourceError(f"{name!r} cannot be sent: {error}") from error


def _text(path: Path) -> str | None:
    """Return a file's text; None for one that is no text, or cannot be read."""
    try:
        data = path.read_bytes()
        return None if b"\0" in data else data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
