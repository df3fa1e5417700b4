"""Which commands has the original, offered here or not, and which are ours alone?

Said of one that is not offered: that it exists, so that nobody looks for a slip in the line.

Source: influxdb3/src/commands, of Core and Enterprise; docs-v2, content/shared/influxdb3-cli.
"""

from __future__ import annotations

from collections.abc import Sequence

ORIGINAL_COMMANDS = (
    "activate",
    *(
        f"{verb} {noun}"
        for verb in ("create", "delete")
        for noun in (
            "database",
            "distinct_cache",
            "file_index",
            "last_cache",
            "plugin",
            "query_group",
            "table",
            "token",
            "trigger",
        )
    ),
    "deactivate",
    "debug object-store-check",
    "debug sweep",
    "debug verify-references",
    "disable trigger",
    "enable trigger",
    "install package",
    "query",
    "remove node",
    "serve",
    "show databases",
    "show license",
    "show nodes",
    "show plugins",
    "show query_groups",
    "show retention",
    "show system",
    "show tokens",
    "stop node",
    "test schedule_plugin",
    "test wal_plugin",
    "update database",
    "update query_group",
    "update table",
    "update trigger",
    "write",
)


OUR_COMMANDS = ("restore database", "restore table")
"""Commands that the original lacks."""


def original_command(said: Sequence[str], word: str, following: Sequence[str]) -> str | None:
    """Return the command of the original that some words begin, None when there is none.

    ``said`` are the command words before ``word``; ``following`` may hold the rest of the command, or options.
    """
    known = [tuple(command.split()) for command in ORIGINAL_COMMANDS]
    found = (*said, word)
    if not any(command[: len(found)] == found for command in known):
        return None
    longer = (*found, *following[:1])
    return " ".join(longer if longer in known else found)
