"""What happens when a line of `procengine plugin` runs?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.clock import Clock
from procengine.errors import InvalidInputError
from procengine.model.registry_index import IndexEntry, RegistryIndex
from procengine.model.semantic_version import VersionTextError, parse_version
from procengine.registry.fetching import Fetcher
from procengine.registry.installation import Installation, fetch_index, index_address, install
from procengine.registry.plugin_folder import read_plugin_folder
from procengine.registry.publication import package, read_index_file, yank
from procengine.registry.resolution import DATABASE_VERSION, parse_wanted
from procengine.registry.templates import TEMPLATES, new_index, new_plugin

TRIGGER_SPECS = {
    "process_writes": "all_tables",
    "process_scheduled_call": "every:1h",
    "process_request": "request:PATH",
}


def run_plugin_command(
    invocation: Invocation,
    surroundings: Surroundings,
    clock: Clock,
    *,
    plugin_dir: Path | None = None,
    mark: str = "",
) -> CommandOutput:
    """Run a command that was read; ``plugin_dir`` is where plugins go unless the line says.

    ``mark`` stands before the commands that come next, ``%`` in a notebook.

    Raises: ProcengineError: it failed; nothing was changed.
    """
    assert invocation.command is not None
    words = invocation.command.words
    if words[:2] == ("plugin", "new"):
        return CommandOutput.of(_new(words[2], invocation, surroundings.folder))
    if words[1] == "package":
        return CommandOutput.of(_package(invocation, surroundings.folder, clock))
    if words[1] == "install":
        return CommandOutput.of(_install(invocation, surroundings.folder, plugin_dir, mark))
    commands: Mapping[str, Callable[[Invocation, Path], str]] = {
        "validate": _validate,
        "yank": _yank,
        "search": _search,
    }
    return CommandOutput.of(commands[words[1]](invocation, surroundings.folder))


def _new(template: str, said: Invocation, folder: Path) -> str:
    target = folder / (said["path"] or ".")
    if template == "index":
        files = new_index(target, artifacts_url=said["artifacts_url"])
    else:
        assert template in TEMPLATES
        files = new_plugin(
            target,
            trigger=template,
            name=said["name"],
            as_package=said["folder"],
            database_version=said["database_version"],
        )
    return "\n".join([f"made {said['path'] or '.'} ({template})", *(f"  {one}" for one in files)])


def _validate(said: Invocation, folder: Path) -> str:
    index = None if said["index"] is None else read_index_file(folder / said["index"])
    plugin = read_plugin_folder(folder / (said["plugin_dir"] or "."), index=index)
    manifest = plugin.manifest
    lines = [f"{manifest.identity} is valid: {plugin.entry_point} has {', '.join(manifest.triggers)}"]
    lines += [f"note: {one}" for one in manifest.unknown]
    if not manifest.dependencies.database_version.includes(DATABASE_VERSION):
        lines.append(
            f"note: it is for InfluxDB 3 {manifest.dependencies.database_version}; this engine is as "
            f"{DATABASE_VERSION}"
        )
    return "\n".join(lines)


def _package(said: Invocation, folder: Path, clock: Clock) -> str:
    plugin_dir = folder / (said["plugin_dir"] or ".")
    done = package(plugin_dir, index_file=folder / said["index"], out=folder / said["out"], clock=clock)
    return (
        f"packaged {done.entry.identity}\n  artifact: {done.artifact}\n  index:    {done.index}\n"
        f"  hash:     {done.entry.hash}"
    )


def _yank(said: Invocation, folder: Path) -> str:
    name, at, text = said["target"].partition("@")
    try:
        version = parse_version(text)
    except VersionTextError as error:
        why = str(error) if at else "it has no version"
        raise InvalidInputError(
            f"cannot yank {said['target']!r}: {why}; accepted: NAME@VERSION"
        ) from error
    changed = yank(
        name,
        version,
        index_file=folder / said["index"],
        out=folder / said["out"],
        yanked=not said["undo"],
    )
    state = "not yanked any more" if said["undo"] else "yanked"
    already = "" if changed else ", as it was before"
    return f"{name}@{version} is {state}{already}\n  index: {folder / said['out'] / 'index.json'}"


def _search(said: Invocation, folder: Path) -> str:
    address = index_address(said["index"], folder)
    index = fetch_index(Fetcher(allow_http=said["allow_http"]), address)
    lines = list(_listed(index, (said["query"] or "").lower()))
    return (
        "\n".join(lines) or f"no plugin of {address} has {said['query'] or ''!r} in name or description"
    )


def _listed(index: RegistryIndex, query: str) -> Iterator[str]:
    """Yield a line for each plugin, with the version that its name alone installs."""
    names = sorted({one.name for one in index.plugins}, key=str.lower)
    for name in names:
        versions = index.of_name(name)
        newest = versions[0]
        if query not in name.lower() and query not in newest.description.lower():
            continue
        noted = ", ".join(_noted(one) for one in versions)
        yield f"{name}  {newest.description}  [{', '.join(newest.triggers)}]\n  {noted}"


def _noted(entry: IndexEntry) -> str:
    needs = entry.dependencies.database_version
    notes = [
        *(["yanked"] if entry.yanked else []),
        *([] if needs.includes(DATABASE_VERSION) else [f"for InfluxDB 3 {needs}"]),
    ]
    return f"{entry.version} ({'; '.join(notes)})" if notes else str(entry.version)


def _install(said: Invocation, folder: Path, plugin_dir: Path | None, mark: str) -> str:
    target = folder / said["plugin_dir"] if said["plugin_dir"] else plugin_dir
    if target is None:
        raise InvalidInputError(
            "there is no plugin directory: give --plugin-dir, or set INFLUXDB3_PLUGIN_DIR"
        )
    address = index_address(said["index"], folder)
    done = install(
        parse_wanted(said["name"], pinned_hash=said["hash"]),
        index_url=address,
        plugin_dir=target,
        fetcher=Fetcher(allow_http=said["allow_http"]),
    )
    return "\n".join(_told(done, mark))


def _told(done: Installation, mark: str) -> Iterator[str]:
    """Yield what was installed, and the commands that come next, in lines that fit into a notebook's page."""
    before = "" if done.replaced is None else f", in place of {done.replaced.identity}"
    yield f"installed {done.entry.identity} as {done.path}{before}"
    yield f"  hash: {done.entry.hash}"
    for one in done.plugins:
        yield f"  needs: {mark}procengine plugin install '{one.name}@{one.version}' \\"
        yield f"           --index {one.index_url}"
    if done.packages:
        yield f"  needs: {mark}influxdb3 install package {' '.join(repr(one) for one in done.packages)}"
    if done.replaced is None:
        for trigger in done.triggers:
            yield f"  next: {mark}influxdb3 create trigger --database DB --path {done.path} \\"
            yield f"          --trigger-spec {TRIGGER_SPECS[trigger]} NAME"
