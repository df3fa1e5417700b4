"""Which server does a database come from, and where does what is written to it go?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.model.duration import format_duration
from procengine_jupyter.render.markup import Html, rows
from procengine_jupyter.render.phrases import duration
from procengine_jupyter.render.style import card, soft
from procengine_jupyter.render.view import View


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TailLine:
    """A table that is followed."""

    table: str
    every_ns: int
    rows: int
    rejected: int
    rejection: str | None
    looks: int
    behind_ns: int
    paused: bool
    failure: str | None

    @property
    def is_in_trouble(self) -> bool:
        """Whether it does not do what it should."""
        return self.failure is not None or self.rejected > 0

    def text(self) -> str:
        """Return what is said of it."""
        said = [f"{self.rows:,} new {'row' if self.rows == 1 else 'rows'}"]
        if self.rejected:
            fit = "row does" if self.rejected == 1 else "rows do"
            said.append(f"{self.rejected:,} {fit} not fit the table here: {self.rejection}")
        if self.paused:
            said.append("paused")
        elif self.failure is not None:
            said.append(f"fails, and is tried again: {self.failure}")
        elif not self.looks:
            said.append("its first look is under way")
        said.append(f"looks every {format_duration(self.every_ns)}")
        if self.looks or self.paused:
            said.append(f"had all rows {duration(self.behind_ns)} ago")
        return " · ".join(said)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AttachmentCard(View):
    """An attached database. ``scratch_tables`` is how many tables its scratch database has."""

    name: str
    database: str
    url: str
    read_only: bool
    queries: int
    failed_queries: int
    last_failure: str | None
    scratch_tables: int
    tails: tuple[TailLine, ...] = ()

    def html(self) -> Html:
        """Return the card as HTML."""
        facts: list[list[object]] = [[soft(label), value] for label, value in self._facts()]
        in_trouble = any(tail.is_in_trouble for tail in self.tails)
        return card("attached", rows(facts), details=self.name, tone="warn" if in_trouble else "good")

    def plain(self) -> str:
        """Return the card as text."""
        lines = [f"attached: {self.name}"]
        return "\n".join([*lines, *(f"  {label:8} {value}" for label, value in self._facts())])

    def _facts(self) -> list[tuple[str, str]]:
        tables = "no table yet" if not self.scratch_tables else f"tables: {self.scratch_tables}"
        here = f"local database {self.name} ({tables}; %%query {self.name} --scratch reads it)"
        facts = [
            ("queries", f"go to database {self.database} of {self.url}"),
            ("writes", f"stay here, in {here}" if self.read_only else f"go there, too, and into {here}"),
            ("token", "kept in memory until %procengine detach, or the kernel's end"),
        ]
        if self.failed_queries:
            facts.append(
                (
                    "failed",
                    f"{self.failed_queries} of {self.queries} queries, at last: {self.last_failure}",
                )
            )
        return facts + [(f"tail {tail.table}", tail.text()) for tail in self.tails]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WaitingCard(View):
    """A server that is waited for."""

    url: str
    waited_ns: int

    def html(self) -> Html:
        """Return the card as HTML."""
        return card("waiting", details=self._details())

    def plain(self) -> str:
        """Return the card as text."""
        return f"waiting: {self._details()}"

    def _details(self) -> str:
        return f"{self.url} works on the query since {duration(self.waited_ns)}; stop ends it"
