"""What changes in a shell when the extension is loaded, and how is it taken back?

`load` and `unload` mirror each other, step by step. The state hangs on the magics instance, which hangs on the
shell; this module keeps none.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

from procengine.errors import ProcengineError
from procengine_jupyter.cell_frames import CellFrames
from procengine_jupyter.completion import MagicCompleter
from procengine_jupyter.display import show
from procengine_jupyter.magics import ProcengineMagics
from procengine_jupyter.render.status_card import StatusCard
from procengine_jupyter.session import Session
from procengine_jupyter.skipped_frames import SkippedFrames
from procengine_jupyter.status import engine_card, status_card

SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a thread may keep the interpreter: a tenth of the default, so that plugins answer while a cell runs."""

MAGICS = ProcengineMagics.__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What loading changed in a shell, for unloading."""

    session: Session
    completer: MagicCompleter
    cell_frames: CellFrames
    skipped_frames: SkippedFrames
    switch_interval_seconds: float


def load(shell: Any) -> None:
    """Register magics, completion and options, start the engine, and show its card.

    A shell that has the extension already only shows the card. An engine that cannot start leaves the magics
    in place, and the card says why.
    """
    if MAGICS in shell.magics_manager.registry:
        show(status_card(shell.magics_manager.registry[MAGICS].session))
        return
    session = Session(shell)
    magics = ProcengineMagics(shell, session)
    magics.loaded = Loaded(
        session=session,
        completer=MagicCompleter(session),
        cell_frames=CellFrames(),
        skipped_frames=SkippedFrames(),
        switch_interval_seconds=sys.getswitchinterval(),
    )
    shell.register_magics(magics)
    shell.configurables.append(session.settings)
    magics.loaded.completer.attach(shell.Completer)
    magics.loaded.cell_frames.attach(shell)
    magics.loaded.skipped_frames.attach(shell)
    session.post_mortem.attach()
    _show_values_as_cards(shell, session)
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    atexit.register(session.stop)
    with contextlib.suppress(ProcengineError):  # the card says why
        session.start()
    show(status_card(session))


def unload(shell: Any) -> None:
    """Stop the engine and take back what `load` changed."""
    magics = shell.magics_manager.registry.pop(MAGICS, None)
    if magics is None:
        return
    loaded: Loaded = magics.loaded
    loaded.session.stop("unloaded")
    atexit.unregister(loaded.session.stop)
    sys.setswitchinterval(loaded.switch_interval_seconds)
    _show_values_plainly(shell)
    loaded.session.post_mortem.detach()
    loaded.skipped_frames.detach(shell)
    loaded.cell_frames.detach(shell)
    loaded.completer.detach(shell.Completer)
    shell.configurables.remove(loaded.session.settings)
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)


_CARDS = (
    ("procengine.engine", "Engine"),
    ("procengine.replay.result", "ReplayResult"),
    ("procengine.replay.comparison", "Comparison"),
    ("procengine.replay.replay", "Replay"),
)
"""The values of the engine that a notebook shows as cards."""


def _show_values_as_cards(shell: Any, session: Session) -> None:
    formatter = shell.display_formatter.mimebundle_formatter
    bundles = (
        _engine_bundle,
        partial(_result_bundle, session),
        _comparison_bundle,
        partial(_replay_bundle, session),
    )
    for (module, name), bundle in zip(_CARDS, bundles, strict=True):
        formatter.for_type_by_name(module, name, bundle)


def _show_values_plainly(shell: Any) -> None:
    formatter = shell.display_formatter.mimebundle_formatter
    for module, name in _CARDS:
        # By the class where one was shown, by the name where none was yet; a module not imported has shown none.
        loaded = sys.modules.get(module)
        if loaded is not None:
            formatter.pop(getattr(loaded, name), None)
        formatter.pop(f"{module}.{name}", None)


def _result_bundle(session: Session, result: Any, **_filters: object) -> dict[str, str]:
    from procengine_jupyter.render.replay_card import ReplayCard

    return ReplayCard(result, session.cells.labels)._repr_mimebundle_()


def _comparison_bundle(comparison: Any, **_filters: object) -> dict[str, str]:
    from procengine_jupyter.render.comparison_card import ComparisonCard

    return ComparisonCard(comparison)._repr_mimebundle_()


def _replay_bundle(session: Session, replay: Any, **_filters: object) -> dict[str, Any]:
    from procengine_jupyter.replay_command import ReplaySnapshot
    from procengine_jupyter.replay_panel import ReplayPanel

    bundle: dict[str, Any] = ReplaySnapshot(replay)._repr_mimebundle_()
    if session.loop is not None:
        panel = ReplayPanel(replay, loop=session.loop, cell_names=session.cells.labels)
        bundle |= panel.bundle()
    return bundle


def _engine_bundle(engine: Any, **_filters: object) -> dict[str, str]:
    if not engine.running:
        return {"text/plain": "Engine (stopped)"}
    card: StatusCard = engine_card(engine)
    return card._repr_mimebundle_()
