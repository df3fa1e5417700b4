"""Which lines of `influxdb3` would do a step of a deployment?

For those who look at a plan, or would rather do it by hand; values of arguments that may be secret are left out.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import PurePosixPath

from procengine.cli.trigger_line import create_trigger_line
from procengine.model.cache_definition import CacheDefinition, LastCacheDefinition
from procengine.model.column import FIELD_TYPE_NAMES
from procengine.model.node_spec import ALL_NODES
from procengine.model.table_schema import TableSchema
from procengine.model.trigger import Trigger

HIDDEN = "***"

_SECRET = re.compile(
    r"token|passw|secret|credential|auth|(api|access|private)[_-]?key|\bkey\b|webhook|dsn", re.I
)


def is_secret(name: str) -> bool:
    """Tell whether an argument's name looks like that of a secret."""
    return _SECRET.search(name) is not None


def shown(trigger: Trigger) -> Trigger:
    """Return a trigger as it may be printed."""
    if trigger.arguments is None:
        return trigger
    hidden = {name: HIDDEN if is_secret(name) else value for name, value in trigger.arguments.items()}
    return replace(trigger, arguments=hidden)


def create_database(name: str) -> str:
    """Return the line that creates a database."""
    return _line("create", "database", name)


def create_table(database: str, table: str, schema: TableSchema) -> str:
    """Return the line that creates a table with its columns."""
    words = ["create", "table", "--database", database]
    if schema.series_key:
        words += ["--tags", ",".join(schema.series_key)]
    if schema.fields:
        words += [
            "--fields",
            ",".join(f"{one.name}:{FIELD_TYPE_NAMES[one.type]}" for one in schema.fields),
        ]
    return _line(*words, table)


def install_packages(packages: tuple[str, ...]) -> str:
    """Return the line that installs packages."""
    return _line("install", "package", *packages)


def update_plugin(trigger: Trigger, filename: str) -> str:
    """Return the line that sends another text, or other files, for a trigger's plugin."""
    words = ["update", "trigger", "--database", trigger.database, "--trigger-name", trigger.name]
    return _line(*words, "--path", filename)


def create_trigger(trigger: Trigger, *, upload: bool) -> str:
    """Return the line that creates a trigger, and sends its plugin where that is new."""
    line = create_trigger_line(shown(trigger))
    path = shlex.join(["--path", trigger.plugin_filename])
    return line.replace(path, f"{path} --upload", 1) if upload else line


def delete_trigger(trigger: Trigger) -> str:
    """Return the line that deletes a trigger."""
    return _line("delete", "trigger", "--database", trigger.database, "--force", trigger.name)


def switch_trigger(trigger: Trigger) -> str:
    """Return the line that enables or disables a trigger, as its definition says."""
    verb = "disable" if trigger.disabled else "enable"
    return _line(verb, "trigger", "--database", trigger.database, trigger.name)


def create_cache(cache: CacheDefinition) -> str:
    """Return the line that creates a cache."""
    kind = _kind(cache)
    words = ["create", kind, "--database", cache.database, "--table", cache.table]
    if isinstance(cache, LastCacheDefinition):
        words += ["--key-columns", ",".join(cache.key_columns)]
        if cache.value_columns is not None:
            words += ["--value-columns", ",".join(cache.value_columns)]
        words += ["--count", str(cache.count), "--ttl", f"{cache.ttl_seconds}s"]
    else:
        words += ["--columns", ",".join(cache.columns)]
        words += [
            "--max-cardinality",
            str(cache.max_cardinality),
            "--max-age",
            f"{cache.max_age_seconds}s",
        ]
    if cache.node_spec != ALL_NODES:
        words += ["--node-spec", cache.node_spec]
    return _line(*words, cache.name)


def delete_cache(cache: CacheDefinition) -> str:
    """Return the line that deletes a cache."""
    return _line(
        "delete", _kind(cache), "--database", cache.database, "--table", cache.table, cache.name
    )


def base_name(filename: str) -> str:
    """Return a plugin's last name: of ``a/b.py``, ``b.py``."""
    return PurePosixPath(filename).name


def _kind(cache: CacheDefinition) -> str:
    return "last_cache" if isinstance(cache, LastCacheDefinition) else "distinct_cache"


def _line(*words: str) -> str:
    return shlex.join(["influxdb3", *words])
