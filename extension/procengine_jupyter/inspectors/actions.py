"""What can be done to what is looked at, and what has to be said for it?

An `Action` is a button. What came of it is told beside the buttons, or shown beneath; it is never raised to nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from IPython.core.error import UsageError

from procengine.errors import ProcengineError
from procengine_jupyter.render.view import View

logger = logging.getLogger(__name__)

Said = Mapping[str, str]
"""What a form says, by the names of its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that a form asks for: one of ``choices``, or a text of a few ``lines``.

    ``value`` is what it begins with, ``example`` is shown while it is empty. ``fresh`` lets it begin with that
    whenever the form is opened, not with what was typed before.
    """

    name: str
    label: str
    value: str = ""
    example: str = ""
    choices: Sequence[str] = ()
    lines: int = 1
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that can be done now. ``name`` tells it from the others, ``label`` is what its button says.

    ``act`` does it, given what the form of ``fields`` says (nothing without fields); it returns a sentence without
    its full stop, or a view to be shown beneath: an inspector is shown live. It may raise ProcengineError and
    UsageError, whose text is then told.
    ``asks`` is for what cannot be undone: the button has to be pressed twice. ``waits`` is for what may take long: it
    is done on a thread of its own, and ``act`` must not touch a widget.
    """

    name: str
    label: str
    act: Callable[[Said], str | View]
    about: str = ""
    fields: Sequence[Field] = ()
    asks: bool = False
    waits: bool = False

    @property
    def verb(self) -> str:
        """What its button says, without the dots that promise a form."""
        return self.label.removesuffix("…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of an action: a sentence, and perhaps a view."""

    text: str = ""
    view: View | None = None
    failed: bool = False


def attempt(action: Action, said: Said) -> Done:
    """Do something, and return what came of it, whatever that is."""
    try:
        result = action.act(said)
    except (ProcengineError, UsageError) as error:
        return Done(text=f"{action.verb}: {error}", failed=True)
    except Exception as error:
        logger.exception("an action failed: name=%s", action.name)
        return Done(text=f"{action.verb}: {type(error).__name__}: {error}", failed=True)
    return Done(text=result) if isinstance(result, str) else Done(view=result)
