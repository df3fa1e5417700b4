"""What is a plugin's text, and is it still what the file holds?

Source: influxdb3_processing_engine/src/lib.rs, LocalPlugin (reading, hot reload).
Differs: a file counts as changed when its stamp is another one, not only when it is younger: a copy that keeps
    its old time is noticed.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Final

from procengine.errors import PluginPathError, PluginSourceError

NULL_BYTES: Final = "plugin code contains null bytes"

UNSETTLED_NS: Final = 50_000_000
"""A file that was changed so shortly before it was read may change again without its stamp showing it: file
systems count time in ticks."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells one state of a file from another, without reading it.

    ``settled`` says whether a later change is sure to show in the stamp.
    """

    modified_ns: int
    changed_ns: int
    size_bytes: int
    inode: int
    settled: bool = field(default=True, compare=False)

    @classmethod
    def of(cls, path: Path | str) -> FileStamp:
        """Return the stamp of a file at this moment.

        Raises:
            OSError: it cannot be looked at.
        """
        stat = os.stat(path)  # noqa: PTH116 - three times as fast as Path.stat, before each run
        settled = time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > UNSETTLED_NS
        return cls(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, settled)

    def still_holds(self, path: str) -> bool:
        """Tell whether the file is in the same state; a file that cannot be looked at counts as unchanged."""
        try:
            stat = os.stat(path)  # noqa: PTH116
        except OSError:
            return True
        return (
            self.settled
            and stat.st_mtime_ns == self.modified_ns
            and stat.st_ctime_ns == self.changed_ns
            and stat.st_size == self.size_bytes
            and stat.st_ino == self.inode
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSource:
    """A plugin's text and the place that tracebacks name.

    ``display_filename`` is the file's path, or where the text came from: a cell. ``first_line`` is the number
    that the text's first line has there.
    """

    text: str
    display_filename: str
    first_line: int = 1

    def compiled(self) -> CodeType:
        """Return the code of the text.

        Raises:
            PluginSourceError: it holds null bytes.
            SyntaxError: it is not Python, with the line of the place that tracebacks name; also its relatives
                that the compiler raises, MemoryError and RecursionError, for what is nested too deeply.
        """
        if "\0" in self.text:
            raise PluginSourceError(NULL_BYTES, filename=self.display_filename)
        lead = "\n" * (self.first_line - 1)
        return compile(lead + self.text, self.display_filename, "exec", dont_inherit=True)


def read_text(path: Path) -> str:
    """Return the text of a plugin's file, without a byte order mark.

    Raises:
        PluginPathError: it cannot be read.
        PluginSourceError: it is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PluginPathError(f"reading plugin file: {error.strerror or error}: {path}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PluginSourceError(
            f"reading plugin file: {path} is not UTF-8: byte {data[error.start]:#04x} in line {line}",
            filename=str(path),
            line_number=line,
        ) from error
