"""What did a plugin do when a test called it?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from procengine.model.run import Response, Run

_OF_THE_ENGINE = ("starting execution", "finished execution")
_FAILED = ("error running ", "error executing ")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRun:
    """One call of a plugin's entry point.

    ``lines`` are the lines of line protocol that it wrote, by database, those of ``write_sync`` first. ``logs`` are
    what it logged and printed, as pairs of level and text. ``cache`` and ``global_cache`` are what the plugin cache
    held afterwards. ``error`` is ``{Type}: {text}`` of what it raised, or of lines that were rejected; None when all
    went well. ``response`` is the answer of a request plugin. ``run`` is the engine's record.
    """

    lines: Mapping[str, list[str]]
    logs: list[tuple[str, str]]
    cache: Mapping[str, object]
    global_cache: Mapping[str, object]
    error: str | None
    response: Response | None
    run: Run

    @property
    def status(self) -> int:
        """The status of the answer to a request.

        Raises: ValueError: it was no request, or there is no answer.
        """
        return self._answer().status

    @property
    def text(self) -> str:
        """The body of the answer to a request, as text."""
        return self._answer().body.decode()

    def json(self) -> Any:
        """Return the body of the answer to a request, read as JSON."""
        return json.loads(self._answer().body)

    def check(self) -> PluginRun:
        """Return this run if all went well.

        Raises: AssertionError, with the traceback in the plugin's own lines.
        """
        if self.error is not None:
            failure = self.run.failure
            raise AssertionError(failure.traceback_text if failure is not None else self.error)
        return self

    def _answer(self) -> Response:
        if self.response is None:
            raise ValueError(f"there is no answer to a request: {self.error or 'this was none'}")
        return self.response


def split_lines(texts: Iterable[str]) -> list[str]:
    """Return the single lines of what was written."""
    return [line for text in texts for line in text.split("\n") if line]


def logs_of_plugin(run: Run) -> list[tuple[str, str]]:
    """Return level and text of what the plugin logged and printed, without the engine's lines about the run."""
    return [(one.level.value, one.text) for one in run.logs if not _is_of_engine(run, one.text)]


def _is_of_engine(run: Run, text: str) -> bool:
    return text.startswith(_OF_THE_ENGINE) or (
        run.failure is not None and text.startswith(_FAILED) and run.failure.message in text
    )
