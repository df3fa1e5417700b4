"""How does a run in the notebook become a test in a file?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card, code, part
from procengine_jupyter.render.view import View
from procengine_jupyter.shown_path import shown_path

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.model.run import Run
    from procengine.model.trigger import Trigger
    from procengine.processing.event import Event
    from procengine.processing.run_details import RunDetails
    from procengine.testing import WrittenTest


@dataclass(frozen=True, slots=True, repr=False)
class WrittenTestCard(View):
    """The card of a test that was written."""

    written: WrittenTest

    def html(self) -> Html:
        """Return the card as HTML."""
        return card(
            self.written.name,
            part("run it", code(self._command())),
            *(
                element("div", f"not as it was: {note}", css="pe-part pe-text-warn")
                for note in self.written.notes
            ),
            details=f"written to {shown_path(self.written.path)}",
            tone="warn" if self.written.notes else "good",
        )

    def plain(self) -> str:
        """Return the card as text."""
        lines = [f"{self.written.name} written to {shown_path(self.written.path)}"]
        lines += [f"  not as it was: {note}" for note in self.written.notes]
        return "\n".join([*lines, f"  run it: {self._command()}"])

    def _command(self) -> str:
        return f"!python -m pytest {shown_path(self.written.path)}"


def write_run_test(
    engine: Engine,
    run: Run,
    path: str | Path,
    *,
    replace: bool = False,
    details: RunDetails | None = None,
) -> WrittenTestCard:
    """Write a test of a run; ``details`` are those of a run that the history does not have, as a dry run.

    Raises: InvalidInputError: its input is not kept any more, or a file is there.
    """
    from procengine.processing.query_rows import query_rows
    from procengine.testing import write_test

    known = engine.triggers.runs.details(run.run_id) if details is None else details
    if known is None:
        from procengine.processing.run_details import RunDetails

        known = RunDetails.of_record(run)

    def query(sql: str, database: str, params: Mapping[str, object] | None) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = query_rows(engine.query(sql, database, params))
        return rows

    values = engine.plugin_cache.values()
    mine = f"{run.database}/{run.trigger}"
    return WrittenTestCard(
        write_test(
            known,
            path,
            engine.plugins.folder / run.plugin_filename,
            query=query,
            cached={one.key: one.value for one in values if one.namespace == mine},
            cached_global={one.key: one.value for one in values if one.namespace == "global"},
            replace=replace,
        )
    )


def fired_run_test(
    engine: Engine, trigger: Trigger, event: Event, run: Run
) -> Callable[[str | Path, bool], View]:
    """Return what writes a test of a fired run; of a dry run the history knows nothing."""

    def write(path: str | Path, replace: bool) -> View:
        from procengine.processing.run_details import RunDetails
        from procengine.processing.run_trace import RunWrite

        details = None
        if run.dry_run:
            writes = tuple(
                RunWrite(database=database, lines=text, queued=True)
                for database, texts in run.lines.items()
                for text in texts
            )
            details = RunDetails(run=run, trigger=trigger, event=event, writes=writes)
        return write_run_test(engine, run, path, replace=replace, details=details)

    return write
