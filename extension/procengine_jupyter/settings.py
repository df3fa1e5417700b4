"""How does ``%config ProcessingEngine`` reach the engine's options?

One trait an option, with the option's own name, help and check. A trait that is None leaves the option
to the environment, the file and the default.
"""

from __future__ import annotations

from typing import Any

import traitlets
from traitlets.config import Configurable

from procengine.config import OPTIONS


class _Settings(Configurable):
    """Options of the notebook's engine; a change takes effect with ``%procengine restart``."""

    def given(self) -> dict[str, object]:
        """Return the options that were set, by name."""
        values = {name: getattr(self, name) for name in OPTIONS}
        return {name: value for name, value in values.items() if value is not None}


class Value(traitlets.Any):
    """A trait that takes what its option takes; ``%config`` shows the class by its name."""

    def validate(self, obj: Any, value: Any) -> Any:  # noqa: ARG002
        """Check a value as the configuration will.

        Raises: TraitError, saying what is accepted.
        """
        if value is None:
            return None
        try:
            OPTIONS[str(self.name)].parse(value)
        except ValueError as error:
            raise traitlets.TraitError(f"option {self.name} cannot be {value!r}: {error}") from error
        return value


def _trait(help_text: str) -> Value:
    trait = Value(default_value=None, allow_none=True, help=help_text)
    trait.tag(config=True)
    return trait


ProcessingEngine: type[_Settings] = type(
    "ProcessingEngine",
    (_Settings,),
    {"__doc__": _Settings.__doc__} | {name: _trait(option.help) for name, option in OPTIONS.items()},
)
"""The configurable that ``%config`` shows, a trait an option."""
