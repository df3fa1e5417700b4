"""What changes in a shell when the extension is loaded, and how is it taken back?

`load` and `unload` mirror each other, step by step. The state hangs on the magics instance, which hangs on the
shell; this module keeps none.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
from dataclasses import dataclass
from typing import Any

from procengine.errors import ProcengineError
from procengine_jupyter.completion import MagicCompleter
from procengine_jupyter.display import show
from procengine_jupyter.magics import ProcengineMagics
from procengine_jupyter.render.status_card import StatusCard
from procengine_jupyter.session import Session
from procengine_jupyter.status import engine_card, status_card

SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a thread may keep the interpreter: a tenth of the default, so that plugins answer while a cell runs."""

MAGICS = ProcengineMagics.__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What loading changed in a shell, for unloading."""

    session: Session
    completer: MagicCompleter
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
        switch_interval_seconds=sys.getswitchinterval(),
    )
    shell.register_magics(magics)
    shell.configurables.append(session.settings)
    magics.loaded.completer.attach(shell.Completer)
    _show_engine_as_card(shell)
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
    _show_engine_plainly(shell)
    loaded.completer.detach(shell.Completer)
    shell.configurables.remove(loaded.session.settings)
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)


def _show_engine_as_card(shell: Any) -> None:
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.for_type_by_name("procengine.engine", "Engine", _engine_bundle)


def _show_engine_plainly(shell: Any) -> None:
    from procengine.engine import Engine

    shell.display_formatter.mimebundle_formatter.pop(Engine, None)
    shell.display_formatter.mimebundle_formatter.pop("procengine.engine.Engine", None)


def _engine_bundle(engine: Any, **_filters: object) -> dict[str, str]:
    if not engine.running:
        return {"text/plain": "Engine (stopped)"}
    card: StatusCard = engine_card(engine)
    return card._repr_mimebundle_()
