"""Where is a damaged file that a start does without?"""

from __future__ import annotations

from pathlib import Path

from procengine.file_system import FileSystem, create_anew, write_all

SUFFIX = ".damaged"


def keep_aside(file_system: FileSystem, path: Path, data: bytes) -> Path:
    """Keep what a file holds beside it, as ``{name}.damaged``, and return that path; one from before is replaced.

    Not synced: a history is told, not relied upon.

    Raises: OSError.
    """
    kept = path.with_name(path.name + SUFFIX)
    copy = create_anew(file_system, kept)
    try:
        write_all(copy, data)
    finally:
        copy.close()
    return kept
