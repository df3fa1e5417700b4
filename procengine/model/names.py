"""Which names can databases, tables, columns and triggers have?

Two rules hold for databases: a strict one for what comes over HTTP and from users, and a looser one for
plugins' own writes. The texts of both are the original's.
"""

from __future__ import annotations

import re

from procengine.errors import InvalidNameError
from procengine.model.column import TIME

INTERNAL_DATABASE = "_internal"
"""The engine's own database. It exists from the first start and cannot be deleted."""

RESERVED_COLUMNS = (TIME, "__chunk_order")
"""Names that no tag or field can have."""

MAX_DATABASE_NAME_BYTES = 511
"""255 bytes of a name, a slash, and 255 bytes of a retention policy's name."""

_ACCEPTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:/[A-Za-z0-9_-]+)?")
_PLUGIN_EXTRA = frozenset("/_-")


def check_database_name(name: str, *, from_plugin: bool = False) -> None:
    """Accept a database's name, or say what is wrong with it.

    ASCII letters, digits, ``_`` and ``-``, beginning with a letter or digit, 1 to 511 bytes; at most one
    ``/``, inside, which parts a retention policy's name. ``from_plugin`` applies the rule for names that
    plugins write to: letters and digits of any script, ``/``, ``_`` and ``-`` anywhere.

    Raises:
        InvalidNameError: with the original's text.

    Source: influxdb3_server/src/http.rs, validate_db_name; influxdb3_types/src/database_name.rs.
    Differs: for plugins, a letter is what Python's ``str.isalnum`` says; a few combining vowel signs
        that the original counts as letters are refused.
    """
    if from_plugin:
        _check_plugin_database_name(name)
    elif len(name) > MAX_DATABASE_NAME_BYTES or not _ACCEPTED.fullmatch(name):
        raise InvalidNameError(_database_name_fault(name))


def check_table_name(name: str) -> None:
    """Accept any table name that is not empty and is Unicode text.

    Raises:
        InvalidNameError: otherwise.
    """
    _check_text("table", name)


def check_trigger_name(name: str) -> None:
    """Accept any trigger name that is not empty and is Unicode text.

    Raises:
        InvalidNameError: otherwise.

    Differs: the original accepts the empty name.
    """
    _check_text("trigger", name)


def check_column_name(name: str) -> None:
    """Accept any name of a tag or field that is not empty, is Unicode text and is not reserved.

    Raises:
        InvalidNameError: otherwise; for a reserved name with the original's text.

    Source: influxdb3_catalog, TableDefinition::check_name.
    """
    if name in RESERVED_COLUMNS:
        raise InvalidNameError(reserved_column_text(name))
    _check_text("column", name)


def reserved_column_text(name: str) -> str:
    """Return the text that refuses a reserved name for a tag or field."""
    return f"'{name}' is a reserved column"


def _database_name_fault(name: str) -> str:
    """Find the first fault, in the order in which the original looks."""
    if not name:
        return "db name cannot be empty"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_DATABASE_NAME_BYTES:
        return f"db name too long: max {MAX_DATABASE_NAME_BYTES}"
    bad_policy = (
        "db name with invalid retention policy, if providing a "
        "retention policy name, must be of form '<db_name>/<rp_name>'"
    )
    slashes = 0
    for position, char in enumerate(name):
        good = char.isascii() and char.isalnum()
        if position == 0 and char.isascii() and not good:
            return "db name did not start with a number or letter"
        if char == "/":
            slashes += 1
            if slashes == 2:
                return bad_policy
        elif not (good or char in "_-"):
            return (
                "invalid character in database or rp name: must be ASCII, "
                "containing only letters, numbers, underscores, or hyphens"
            )
    return bad_policy


def _check_plugin_database_name(name: str) -> None:
    encoded = name.encode("utf-8", "surrogatepass")
    shown = encoded[:MAX_DATABASE_NAME_BYTES].decode("utf-8", "ignore")
    if not 1 <= len(encoded) <= MAX_DATABASE_NAME_BYTES:
        raise InvalidNameError(
            f"database name {shown} length must be between 1 and {MAX_DATABASE_NAME_BYTES} characters"
        )
    for position, char in enumerate(name):
        if not (char.isalnum() or char in _PLUGIN_EXTRA):
            raise InvalidNameError(
                f"database name '{shown}' contains invalid character, "
                f"character number {position} is not allowed"
            )


def _check_text(what: str, name: str) -> None:
    if not name:
        raise InvalidNameError(f"{what} name cannot be empty")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidNameError(
            f"invalid {what} name {name!r}: character number {error.start} is half of a surrogate pair"
        ) from error
