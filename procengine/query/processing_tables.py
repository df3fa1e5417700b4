"""What do the system tables about triggers, their logs and their plugin files show?

They stand here and not with the processing engine because they exist, mostly empty, without it.

Source: influxdb3_system_tables/src/{python_call,plugins}.rs, influxdb3_py_api/src/logging.rs (columns and types).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from procengine.catalog import Catalog
from procengine.model.trigger import Trigger
from procengine.model.trigger_spec import parse_trigger_spec


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns])


def specification_json(text: str) -> str:
    """Return a trigger specification the way the original's catalog serialises it.

    Source: influxdb3_catalog, TriggerSpecificationDefinition.
    """
    return json.dumps(parse_trigger_spec(text).definition, separators=(",", ":"), ensure_ascii=False)


class ProcessingEngineTriggers:
    """``system.processing_engine_triggers``: the triggers of the queried database."""

    name = "processing_engine_triggers"
    internal_only = False
    schema = _schema(
        ("trigger_name", pa.utf8()),
        ("plugin_filename", pa.utf8()),
        ("trigger_specification", pa.utf8()),
        ("disabled", pa.bool_()),
        ("error_behavior", pa.utf8()),
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rows(self, database: str) -> pa.Table:
        """Return one row a trigger."""
        rows = [
            {
                "trigger_name": trigger.name,
                "plugin_filename": trigger.plugin_filename,
                "trigger_specification": specification_json(trigger.spec),
                "disabled": trigger.disabled,
                "error_behavior": trigger.error_behavior.value,
            }
            for trigger in _triggers(self._catalog, database)
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


class ProcessingEngineTriggerArguments:
    """``system.processing_engine_trigger_arguments``: one row an argument of a trigger."""

    name = "processing_engine_trigger_arguments"
    internal_only = False
    schema = _schema(
        ("trigger_name", pa.utf8()), ("argument_key", pa.utf8()), ("argument_value", pa.utf8())
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rows(self, database: str) -> pa.Table:
        """Return the arguments of the database's triggers."""
        rows = [
            {"trigger_name": trigger.name, "argument_key": key, "argument_value": value}
            for trigger in _triggers(self._catalog, database)
            for key, value in (trigger.arguments or {}).items()
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


class ProcessingEngineLogs:
    """``system.processing_engine_logs``: what the queried database's triggers logged, oldest first.

    Differs: the original shows every database the lines of all, and forgets them when it ends.
    """

    name = "processing_engine_logs"
    internal_only = False
    schema = _schema(
        ("event_time", pa.timestamp("ns")),
        ("trigger_name", pa.utf8()),
        ("log_level", pa.utf8()),
        ("log_text", pa.utf8()),
    )

    def __init__(self, lines: Callable[[str], pa.Table | None]) -> None:
        """``lines`` gives a database's rows of `LOG_COLUMNS`, None without a processing engine."""
        self._lines = lines

    def rows(self, database: str) -> pa.Table:
        """Return one row a line."""
        found = self._lines(database)
        return self.schema.empty_table() if found is None else found.select(self.schema.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFile:
    """One file of a trigger's plugin; ``last_modified_ms`` is milliseconds UTC."""

    trigger: str
    file_name: str
    file_path: str
    size_bytes: int
    last_modified_ms: int


class PluginFiles:
    """``system.plugin_files`` of ``_internal``: the files of all triggers' plugins; missing files are left out."""

    name = "plugin_files"
    internal_only = True
    schema = _schema(
        ("plugin_name", pa.utf8()),
        ("file_name", pa.utf8()),
        ("file_path", pa.utf8()),
        ("size_bytes", pa.int64()),
        ("last_modified", pa.int64()),
    )

    def __init__(self, files: Callable[[], Iterable[PluginFile]]) -> None:
        self._files = files

    def rows(self, database: str) -> pa.Table:  # noqa: ARG002
        """Return one row a file and trigger."""
        rows = [
            {
                "plugin_name": file.trigger,
                "file_name": file.file_name,
                "file_path": file.file_path,
                "size_bytes": file.size_bytes,
                "last_modified": file.last_modified_ms,
            }
            for file in self._files()
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


def _triggers(catalog: Catalog, database: str) -> list[Trigger]:
    found = catalog.find_database(database)
    return [] if found is None else [found.triggers[name] for name in sorted(found.triggers)]
