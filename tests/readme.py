"""What the README promises, for tests to read: its commands, its examples, its tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def command(name: str) -> str:
    """Return the shell line under the mark ``<!-- command: NAME -->``."""
    return _marked("command", name, "sh")


def example(name: str) -> str:
    """Return the Python code under the mark ``<!-- example: NAME -->``."""
    return _marked("example", name, "python")


def query(name: str) -> str:
    """Return the SQL under the mark ``<!-- query: NAME -->``."""
    return _marked("query", name, "sql")


def table_keys(heading: str) -> list[str]:
    """Return the first cells of the table under a heading, without their code marks."""
    return [cell.strip("`") for cell in table_cells(heading)]


def table_cells(heading: str) -> list[str]:
    """Return the first cells of the table under a heading."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [row.split("|")[1].strip() for row in rows]


def _marked(kind: str, name: str, language: str) -> str:
    found = re.search(rf"<!-- {kind}: {name} -->\s*```{language}\n(.+?)\n```", TEXT, re.DOTALL)
    assert found is not None, f"the README has no {kind} {name!r}"
    return found.group(1)
