"""Which names are accepted, and what is said of the others."""

from __future__ import annotations

import pytest

from procengine.errors import InvalidNameError
from procengine.model.names import (
    check_column_name,
    check_database_name,
    check_table_name,
    check_trigger_name,
)

BAD_CHARACTER = (
    "invalid character in database or rp name: must be ASCII, "
    "containing only letters, numbers, underscores, or hyphens"
)
BAD_START = "db name did not start with a number or letter"
BAD_POLICY = (
    "db name with invalid retention policy, if providing a "
    "retention policy name, must be of form '<db_name>/<rp_name>'"
)


@pytest.mark.parametrize("name", ["a", "9", "Home_1-x", "db/rp", "a/_", "a" * 511])
def test_database_name_is_accepted(name: str) -> None:
    """§11: letters, digits, `_`, `-`, one inner `/`, up to 511 bytes."""
    check_database_name(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "db name cannot be empty"),
        ("a" * 512, "db name too long: max 511"),
        ("é" * 256, "db name too long: max 511"),
        ("_internal", BAD_START),
        ("-a", BAD_START),
        ("/a", BAD_START),
        ("é", BAD_CHARACTER),
        ("a b", BAD_CHARACTER),
        ("a.b", BAD_CHARACTER),
        ("aé", BAD_CHARACTER),
        ("a\n", BAD_CHARACTER),
        ("a/", BAD_POLICY),
        ("a/b/c", BAD_POLICY),
        ("a//b", BAD_POLICY),
        ("a/b/c.d", BAD_POLICY),
        ("a.b/c/d", BAD_CHARACTER),
    ],
)
def test_database_name_is_refused_with_the_original_text(name: str, text: str) -> None:
    """§11: the first fault in the name decides the text."""
    with pytest.raises(InvalidNameError) as raised:
        check_database_name(name)
    assert str(raised.value) == text


@pytest.mark.parametrize("name", ["_internal", "-", "/", "a//b/", "Größe", "東京", "x" * 511])
def test_plugin_database_name_is_accepted(name: str) -> None:
    """§5: plugins may write to names of letters and digits of any script, `/`, `_` and `-`."""
    check_database_name(name, from_plugin=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "database name  length must be between 1 and 511 characters"),
        ("a" * 512, f"database name {'a' * 511} length must be between 1 and 511 characters"),
        ("é" * 256, f"database name {'é' * 255} length must be between 1 and 511 characters"),
        (
            "ab c",
            "database name 'ab c' contains invalid character, character number 2 is not allowed",
        ),
        (
            "東京.x",
            "database name '東京.x' contains invalid character, character number 2 is not allowed",
        ),
    ],
)
def test_plugin_database_name_is_refused_with_the_original_text(name: str, text: str) -> None:
    """§5: length in bytes, characters counted from 0, the name cut to 511 bytes."""
    with pytest.raises(InvalidNameError) as raised:
        check_database_name(name, from_plugin=True)
    assert str(raised.value) == text


@pytest.mark.parametrize("check", [check_table_name, check_column_name, check_trigger_name])
def test_other_names_are_any_text(check: object) -> None:
    """§1, §11: tables, columns and triggers have no rule for characters or length."""
    for name in ("a", "with space", "é,=\n\0", "x" * 10_000, "_internal"):
        check(name)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("check", "what"),
    [(check_table_name, "table"), (check_column_name, "column"), (check_trigger_name, "trigger")],
)
def test_other_names_are_not_empty_and_are_unicode(check: object, what: str) -> None:
    """An empty name, and one that cannot be stored as UTF-8, are refused."""
    with pytest.raises(InvalidNameError, match=f"^{what} name cannot be empty$"):
        check("")  # type: ignore[operator]
    with pytest.raises(InvalidNameError, match="character number 1 is half of a surrogate pair"):
        check("a\ud800")  # type: ignore[operator]


@pytest.mark.parametrize("name", ["time", "__chunk_order"])
def test_reserved_column_names_are_refused(name: str) -> None:
    """§11: `time` and `__chunk_order` are reserved."""
    with pytest.raises(InvalidNameError, match=f"^'{name}' is a reserved column$"):
        check_column_name(name)
