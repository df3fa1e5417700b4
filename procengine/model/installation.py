"""What is an installation of packages about to change, and what has it changed?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A package that is to be installed; ``replaces`` is the version that goes for it, empty for none.

    ``is_requested`` is false for what another package needs.
    """

    name: str
    version: str
    replaces: str = ""
    is_requested: bool = False

    def __str__(self) -> str:
        former = f" (before: {self.replaces})" if self.replaces else ""
        return f"{self.name} {self.version}{former}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """What would be installed into ``place``, and what would then not fit together, in words."""

    place: str
    arrivals: tuple[Arrival, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What an installation did; ``imported_before`` are packages that this process goes on with as they were."""

    plan: InstallPlan
    imported_before: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.plan.arrivals:
            return f"all is there already, in {self.plan.place}"
        said = f"installed {', '.join(map(str, self.plan.arrivals))} into {self.plan.place}"
        if self.imported_before:
            said += (
                f"; restart the kernel for {', '.join(self.imported_before)}: "
                "the version before is imported already"
            )
        return said


def _unheard(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallWatch:
    """Who follows an installation.

    ``tell`` is given each line of the installer as it comes. ``accept`` is shown the plan before anything is changed,
    and raises to have nothing changed; without it conflicts are logged. ``into_kernel``: into this Python's own
    environment, not the plugins'.
    """

    tell: Callable[[str], None] = _unheard
    accept: Callable[[InstallPlan], None] | None = None
    into_kernel: bool = False
