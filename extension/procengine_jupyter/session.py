"""Which engine does a notebook have?

A session owns it from ``%load_ext`` to ``%unload_ext``, and knows what the magics share: the notebook's
folder, the options, the plugin cells and the cards that follow runs.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from IPython.core.error import UsageError

from procengine.config import OPTIONS, without_unset
from procengine.errors import DataFolderLockedError, ProcengineError
from procengine.model.run import Run
from procengine_jupyter.cells import Cells
from procengine_jupyter.engine_inspectors import EngineInspectors
from procengine_jupyter.live_cards import LiveCards
from procengine_jupyter.notebook_folder import notebook_folder
from procengine_jupyter.plugin_file import PluginFiles
from procengine_jupyter.post_mortem import PostMortem
from procengine_jupyter.settings import ProcessingEngine

if TYPE_CHECKING:
    from procengine.attach.attachment import AttachmentTerms
    from procengine.deploy import Records
    from procengine.engine import Engine

PLUGIN_FOLDER = "plugins"
DATA_FOLDER = ".procengine"


class Session:
    """One notebook's engine. For the kernel's main thread."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.settings = ProcessingEngine(parent=shell)
        self.cells = Cells(shell)
        self.plugin_files = PluginFiles()
        self.post_mortem = PostMortem(shell, lambda: set(self.cells.labels))
        self.live_cards = LiveCards(self.loop)
        self.defaulted: frozenset[str] = frozenset()
        self.down_because = "not started"
        self.is_locked_out = False
        """Whether another engine has the data folder, so that starting again cannot help while that one is up."""
        self.unserved_because = ""
        self.deployments: Records | None = None
        """What was deployed to servers, where there is no data folder to keep it in."""
        self._engine: Engine | None = None
        self._attached: tuple[AttachmentTerms, ...] = ()

    @property
    def is_running(self) -> bool:
        """Whether the engine is up."""
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        """The running engine.

        Raises: UsageError when there is none.
        """
        if self._engine is None:
            when = " once the other one is stopped" if self.is_locked_out else ""
            cure = f"; %procengine start starts it{when}"
            raise UsageError(f"the engine is down ({self.down_because}){cure}")
        return self._engine

    @property
    def loop(self) -> Any:
        """The kernel's own event loop, which runs on the main thread while no cell does; None in a terminal."""
        return getattr(getattr(self.shell, "kernel", None), "io_loop", None)

    @property
    def folder(self) -> Path:
        """The notebook's folder."""
        return notebook_folder(os.environ, self.shell.user_ns, Path.cwd())

    def start(
        self,
        options: Mapping[str, object] | None = None,
        *,
        file: Path | None = None,
        plugins: bool = True,
    ) -> Engine:
        """Start the engine and its API, unless it is up; return it.

        What no source sets is as suits a notebook: ``plugins/`` and a ``file`` store in ``.procengine/``, both
        beside it. ``plugins=False`` leaves the plugin part off.

        Raises: ProcengineError, from the configuration or the data folder.
        """
        if self._engine is not None:
            return self._engine
        from procengine.engine import Engine

        settings = self.settings.given()
        call = dict(options or {})
        defaults = self._notebook_defaults({**call, **settings}, file, plugins=plugins)
        try:
            engine = Engine(
                settings=settings, config_file=file, **cast("dict[str, Any]", call | defaults)
            )
        except ProcengineError as error:
            self.down_because = str(error)
            self.is_locked_out = isinstance(error, DataFolderLockedError)
            raise
        self.is_locked_out = False
        self.defaulted = frozenset(defaults)
        self._engine = engine
        engine.inspect = EngineInspectors(self)
        self._serve(engine)
        for terms in self._attached:
            engine.attachments.attach_again(terms)
        if engine.config.plugins_enabled:
            engine.triggers.subscribe(self._run_finished)
        return engine

    def check(
        self,
        options: Mapping[str, object] | None = None,
        *,
        file: Path | None = None,
        plugins: bool = True,
    ) -> None:
        """Accept what `start` could start with, as far as that shows beside the engine that runs.

        Raises: ProcengineError, from the configuration or the data folder.
        """
        from procengine.config import load_config
        from procengine.data_folder import DataFolder

        settings = self.settings.given()
        call = dict(options or {})
        defaults = self._notebook_defaults({**call, **settings}, file, plugins=plugins)
        config = load_config(call | defaults, settings=settings, environ=os.environ, file=file).config
        in_use = self._engine.config.data_dir if self._engine is not None else None
        if config.object_store != "memory" and config.data_dir not in (None, in_use):
            folder = DataFolder(config.data_dir)
            folder.open()
            folder.close()

    def stop(self, reason: str = "stopped") -> None:
        """Stop the engine and wait for its threads; stopping twice is allowed."""
        engine, self._engine = self._engine, None
        self.live_cards.forget()
        if engine is not None:
            self._attached = tuple(one.terms for one in engine.attachments.all())
            self.down_because = reason
            stuck = engine.stop()
            if stuck:
                runs = "; ".join(str(run) for run in stuck)
                for filename, label in self.cells.labels.items():
                    runs = runs.replace(filename, label)
                self.down_because = f"{reason}, but what cannot be interrupted goes on: {runs}"

    def _serve(self, engine: Engine) -> None:
        """Serve the API, on the next port where the configured one is taken; without it the engine is as good."""
        from procengine.http import Server

        self.unserved_because = ""
        try:
            Server(engine, next_free=True).start()
        except ProcengineError as error:
            self.unserved_because = str(error)

    def _run_finished(self, run: Run) -> None:
        self.live_cards.run_finished(run)
        self.post_mortem.run_finished(run)

    def _notebook_defaults(
        self, chosen: Mapping[str, object], file: Path | None, *, plugins: bool
    ) -> dict[str, object]:
        """Return the defaults of a notebook for the folders that no source sets."""
        set_elsewhere = set(chosen) | _set_in_environment() | _set_in_file(file)
        defaults: dict[str, object] = {}
        if plugins and "plugin_dir" not in set_elsewhere:
            defaults["plugin_dir"] = self.folder / PLUGIN_FOLDER
        if "data_dir" not in set_elsewhere:
            defaults["data_dir"] = self.folder / DATA_FOLDER
        return defaults


def _set_in_environment() -> set[str]:
    visible = without_unset(os.environ)
    return {
        name for name, option in OPTIONS.items() if any(each in visible for each in option.variables)
    }


def _set_in_file(file: Path | None) -> set[str]:
    """Return the options that a file sets; what is wrong with the file is for `load_config` to say."""
    if file is None:
        return set()
    try:
        return {key.replace("-", "_") for key in tomllib.loads(file.read_text(encoding="utf-8"))}
    except (OSError, ValueError):
        return set()
