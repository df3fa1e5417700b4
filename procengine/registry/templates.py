"""How does a new plugin begin?

With a manifest, an entry point that runs as it is, a test of it and a README: one file, or a folder of two modules.

Source: influxdb3-plugin-sdk/src/scaffold.rs (which files, and what they may stand beside).
Differs: the original's have no test, and one file only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from procengine.errors import AlreadyExistsError, InvalidInputError
from procengine.file_system import LOCAL, make_folder, put_in_place
from procengine.model.manifest import CURRENT_SCHEMA, MANIFEST
from procengine.model.plugin_fields import canonical_name, name_fault
from procengine.model.registry_index import INDEX, RegistryIndex
from procengine.model.schema_fault import quoted
from procengine.model.semantic_version import VersionTextError
from procengine.model.version_range import parse_version_range
from procengine.model.web_address import AddressTextError, parse_address

DATABASE_VERSION: Final = ">=3.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One kind of plugin.

    ``call`` is how the entry point calls ``work`` of the same module or another; ``case`` calls the plugin in a test.
    """

    trigger: str
    about: str
    parameters: str
    specification: str
    call: str
    work: str
    case: str


_WRITES = Template(
    trigger="process_writes",
    about="Counts the rows of each table that is written.",
    parameters="influxdb3_local, table_batches, args=None",
    specification="all_tables",
    call="""\
    for batch in table_batches:
        influxdb3_local.info(describe(batch["table_name"], batch["rows"]))
""",
    work='''\
def describe(table, rows):
    """Return what is said of the rows of one table."""
    return f"received {len(rows)} rows for {table}"
''',
    case="""\
        run = plugin.write("home,room=Kitchen temp=23\\nhome,room=Attic temp=24").check()
        assert run.logs == [("INFO", "received 2 rows for home")]
""",
)
_SCHEDULED = Template(
    trigger="process_scheduled_call",
    about="Says when it was called.",
    parameters="influxdb3_local, call_time, args=None",
    specification="every:1h",
    call="    influxdb3_local.info(describe(call_time))\n",
    work='''\
def describe(call_time):
    """Return what is said of a call; its time is UTC."""
    return f"called at {call_time:%Y-%m-%d %H:%M:%S}"
''',
    case="""\
        run = plugin.schedule("2026-01-01T00:00:00Z").check()
        assert run.logs == [("INFO", "called at 2026-01-01 00:00:00")]
""",
)
_REQUEST = Template(
    trigger="process_request",
    about="Answers a request with what it asked.",
    parameters="influxdb3_local, query_parameters, request_headers, request_body, args=None",
    specification="request:{name}",
    call="    return describe(query_parameters, request_body)\n",
    work='''\
def describe(query_parameters, request_body):
    """Return the answer, which is sent as JSON; a body is bytes."""
    return {
        "asked": dict(query_parameters),
        "body": bytes(request_body or b"").decode("utf-8", "replace"),
    }
''',
    case="""\
        run = plugin.request("hello", params={"room": "Attic"}).check()
        assert run.json() == {"asked": {"room": "Attic"}, "body": "hello"}
""",
)
TEMPLATES: Final[Mapping[str, Template]] = {one.trigger: one for one in (_WRITES, _SCHEDULED, _REQUEST)}

MODULE: Final = "descriptions"
"""The second module of a plugin that is a folder."""


def new_plugin(
    folder: Path,
    *,
    trigger: str,
    name: str | None = None,
    as_package: bool = False,
    database_version: str | None = None,
) -> tuple[str, ...]:
    """Write a new plugin into a folder, which is made; return the names of its files.

    ``name`` is the folder's unless it is said. ``as_package``: the folder as a whole is the plugin.

    Raises:
        InvalidInputError: the name or the range of versions cannot be, or a file cannot be written.
        AlreadyExistsError: a file of it is there, or another entry point; nothing was written.
    """
    called = folder.absolute().name if name is None else name
    wrong = name_fault(called)
    if wrong is not None:
        raise InvalidInputError(f"cannot make plugin {called!r}: {wrong[1]}; --name gives another")
    if database_version is not None:
        _check_range(database_version)
    return _write(
        folder,
        _files(TEMPLATES[trigger], called, database_version or DATABASE_VERSION, as_package=as_package),
    )


def new_index(folder: Path, *, artifacts_url: str | None = None) -> tuple[str, ...]:
    """Write the index of an empty registry into a folder, which is made; return the file's name.

    Artifacts are in the same folder unless their address is said.

    Raises:
        InvalidInputError: the address cannot be, or the file cannot be written.
        AlreadyExistsError: there is an index.
    """
    said = folder.absolute().as_uri() if artifacts_url is None else artifacts_url
    try:
        address = parse_address(said)
    except AddressTextError as error:
        raise InvalidInputError(f"--artifacts-url cannot be {said!r}: {error}") from error
    if address.scheme not in ("http", "https", "file"):
        raise InvalidInputError(f"--artifacts-url cannot be {said!r}: accepted are https, http and file")
    return _write(folder, {INDEX: RegistryIndex(artifacts_url=address).to_json()})


def _check_range(text: str) -> None:
    try:
        parse_version_range(text)
    except VersionTextError as error:
        raise InvalidInputError(
            f"--database-version cannot be {text!r}: {error}; accepted: a range as >=3.2.0,<4.0.0"
        ) from error


def _files(template: Template, name: str, database_version: str, *, as_package: bool) -> dict[str, str]:
    entry = "__init__.py" if as_package else f"{name}.py"
    files = {MANIFEST: _manifest(template, name, database_version), entry: _entry(template, as_package)}
    if as_package:
        files[f"{MODULE}.py"] = f'"""What is said."""\n\n\n{template.work}'
    files[f"tests/test_{canonical_name(name)}.py"] = _test(template, name, entry, as_package=as_package)
    files["README.md"] = _readme(template, name, entry, as_package=as_package)
    return files


def _manifest(template: Template, name: str, database_version: str) -> str:
    return f"""\
manifest_schema_version = "{CURRENT_SCHEMA}"

[plugin]
name = "{name}"
version = "0.1.0"
description = "{template.about}"
triggers = ["{template.trigger}"]
exclude = [".git/", ".venv/", "__pycache__/", "*.pyc", "tests/**"]

[dependencies]
database_version = {quoted(database_version)}
"""


def _entry(template: Template, as_package: bool) -> str:
    head = f'"""{template.about}"""\n\n'
    function = (
        f'def {template.trigger}({template.parameters}):\n    """{template.about}"""\n{template.call}'
    )
    if as_package:
        return f"{head}from .{MODULE} import describe\n\n\n{function}"
    return f"{head}\n{function}\n\n{template.work}"


def _test(template: Template, name: str, entry: str, *, as_package: bool) -> str:
    place = "Path(__file__).parent.parent" + ("" if as_package else f" / {quoted(entry)}")
    return f'''\
"""{template.about}"""

from pathlib import Path

from procengine.testing import PluginUnderTest

PLUGIN = {place}


def test_{canonical_name(name)}():
    """It says what came."""
    with PluginUnderTest(PLUGIN) as plugin:
{template.case}'''


def _readme(template: Template, name: str, entry: str, *, as_package: bool) -> str:
    path = name if as_package else entry
    specification = template.specification.format(name=name)
    return f"""\
# {name}

{template.about}

| what | how |
|---|---|
| try it | `python -m pytest` |
| check it | `procengine plugin validate` |
| run it | `influxdb3 create trigger --database DB --path {path} --trigger-spec {specification} {name}` |
| package it | `procengine plugin package --index REGISTRY/index.json --out OUT` |
"""


def _write(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    try:
        _check_free(folder, files)
        for name, text in files.items():
            make_folder(LOCAL, (folder / name).parent)
            put_in_place(LOCAL, folder / name, text.encode())
    except OSError as error:
        raise InvalidInputError(f"cannot write into {str(folder)!r}: {error.strerror}") from error
    return tuple(files)


def _check_free(folder: Path, files: Mapping[str, str]) -> None:
    """Refuse to write over a file, and beside an entry point that would be in the way."""
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise AlreadyExistsError(f"cannot make {str(folder)!r}: there is {', '.join(there)} already")
    python = sorted(one.name for one in folder.glob("*.py") if one.is_file()) if folder.is_dir() else []
    if python and INDEX not in files:
        raise AlreadyExistsError(
            f"cannot make {str(folder)!r}: {', '.join(python)} would be in the way of its entry point; move it away"
        )
