"""What does an inspector show, and what can be done to it?

An `Inspected` state answers questions and does not know that it is looked at. Everything here is called on the
kernel's main thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.errors import InvalidInputError
from procengine_jupyter.inspectors.actions import Action
from procengine_jupyter.inspectors.rows import Order
from procengine_jupyter.render.markup import Html

if TYPE_CHECKING:
    from procengine_jupyter.inspectors.inspector import Inspector


class Keys(Protocol):
    """What identifies the rows of a table, by their places in it."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, place: int, /) -> Any:
        """Return the key of one row."""
        ...

    def index(self, key: Any, /) -> int:
        """Return the place of a key.

        Raises: ValueError when it is not there.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """State at one instant: ``table`` has a row for each thing that is held.

    ``facts`` say in a few words what all rows together are; ``keys`` identify the rows for `Inspected.delete`, in the
    table's order. ``hint`` is shown in place of the rows when there are none.
    ``tones`` gives some texts of some columns a colour: ``good``, ``bad`` or ``warn``.
    ``sparklines`` are the columns whose texts are drawn as bars, see `procengine_jupyter.render.sparkline`.
    ``tabs`` are named parts of the table, a truth value for each row; the first is shown to begin with.
    ``missing`` is what a page shows for NULL. ``tail`` says that rows come at the end, which a page then follows.
    ``picture`` stands above the table, or is drawn when it is to; where there is only text, ``picture_lines`` stand
    for it, or ``lines`` for both.
    ``until`` and ``since`` are columns of instants (``timestamp``, UTC) that a page counts down to, and up from, by
    its own clock: ``until`` something expires, which NULL never does; ``due`` are those when something happens, which
    for NULL it does not. ``now_ns`` returns the time of the clock by which they are meant. ``order`` is how rows are
    sorted as long as the reader has not chosen.
    ``tree`` is the column whose texts are a tree's nodes, see `procengine_jupyter.inspectors.value_tree`: such rows
    are neither sorted nor filtered here, but by `Inspected.look_for`.
    """

    title: str
    table: pa.Table
    keys: Keys = ()
    facts: Sequence[str] = field(default=())
    hint: str = ""
    tones: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sparklines: Sequence[str] = ()
    tabs: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    missing: str = "NULL"
    tail: bool = False
    picture: Html | Callable[[], Html] | None = None
    picture_lines: Callable[[], Sequence[str]] = tuple
    lines: Sequence[str] = ()
    until: Sequence[str] = ()
    due: Sequence[str] = ()
    since: Sequence[str] = ()
    now_ns: Callable[[], int] | None = None
    order: Order | None = None
    tree: str = ""

    @property
    def drawn(self) -> Html | None:
        """The picture."""
        return self.picture() if callable(self.picture) else self.picture


class Instrument(Protocol):
    """A widget that stands above the table of a live form, in the place of the picture."""

    widget: Any

    def draw(self) -> None:
        """Show the inspector as it is; what is the same as before is not sent again."""
        ...


class Inspected(ABC):
    """State that can be looked at. ``deletes`` is what deleting a row is called; None where that cannot be."""

    deletes: str | None = None

    @abstractmethod
    def version(self) -> object:
        """Return something that is equal as long as `contents` would be; cheap, as it is asked every second.

        Raises: ProcengineError when what was looked at is gone; its text is shown.
        """

    @abstractmethod
    def contents(self) -> Contents:
        """Return the state of now.

        Raises: ProcengineError, as `version`.
        """

    def detail(self, key: object) -> Html | None:  # noqa: ARG002
        """Return what is shown of one row beneath the table, or None."""
        return None

    def look_for(self, text: str) -> None:  # noqa: B027
        """Show what has a text, from now on; asked of trees alone."""

    def toggle(self, key: object) -> None:  # noqa: B027
        """Open or close a node of a tree."""

    def actions(self, key: object) -> Sequence[Action]:  # noqa: ARG002
        """Return what can be done to one row, or, for None, without a row; deleting by `delete` is none of it."""
        return ()

    def instrument(
        self,
        inspector: Inspector,  # noqa: ARG002
        on_sight: Callable[[bool], None],  # noqa: ARG002
    ) -> Instrument | None:
        """Return what stands above the table of a live form; ``on_sight`` is to be told whether it is in sight.

        It outlives this state: the inspector may look at another engine's by then.
        """
        return None

    def delete(self, key: object) -> str:  # noqa: ARG002
        """Delete what one row stands for; return what was done, as a sentence without its full stop.

        Raises: ProcengineError when it cannot be done.
        """
        raise InvalidInputError("these rows cannot be deleted")


MILLISECOND = pa.timestamp("ms")


def instants(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return nanoseconds, or instants of them, as instants of milliseconds, which is all that a reader sees."""
    return column.cast(pa.timestamp("ns")).cast(MILLISECOND, safe=False)
