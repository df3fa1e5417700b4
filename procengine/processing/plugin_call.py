"""How is an entry point entered and left?

Loading, arguments, the call itself and the reading of what it returned: everything that runs the plugin's code,
between the engine's steps before and after. Nothing that the plugin raises gets past `PluginCall.make`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple, assert_never

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.model.run import Response, RunFailure
from procengine.model.trigger import TriggerKind
from procengine.processing.active_run import ActiveRun
from procengine.processing.breakpoints import uninterrupted
from procengine.processing.cancellation import CancelToken, PluginThread
from procengine.processing.declared_packages import declared_packages
from procengine.processing.event import Event, RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.failure import CALL_FAILED, run_failure
from procengine.processing.local_api import PyPluginCallApi
from procengine.processing.plugin_builtins import Namespace
from procengine.processing.plugin_classes import Home
from procengine.processing.plugin_registry import LoadedPlugin, PluginRegistry
from procengine.processing.py_cache import PyCache
from procengine.processing.responses import error_response, response_of
from procengine.processing.run_globals import RunGlobals
from procengine.processing.table_batches import table_batches
from procengine.thread_exceptions import take_back_own

LIMIT_EXCEEDED: Final = "RunLimitExceeded"
"""What the failure of a run is called that went past a limit; its traceback shows where the plugin stood."""


_REQUEST: Final = TriggerKind.REQUEST


class Returned(NamedTuple):
    """How a call ended: with a failure, or without; ``response`` is set for request triggers in either case."""

    failure: RunFailure | None = None
    response: Response | None = None


_RETURNED: Final = Returned()
"""What most calls return: nothing."""


class PluginCall:
    """One call of one entry point."""

    __slots__ = (
        "_code",
        "_entered",
        "_globals",
        "_loaded",
        "_registry",
        "cache",
        "cancel",
        "event",
        "plugin_version",
        "run",
    )

    def __init__(  # noqa: PLR0917 - made for each run
        self,
        registry: PluginRegistry,
        run: ActiveRun,
        event: Event,
        cache: PyCache,
        cancel: CancelToken,
        code: LoadedPlugin | None,
    ) -> None:
        self.run = run
        self.event = event
        self.cache = cache
        self.cancel = cancel
        self._registry = registry
        self._code = code
        self.plugin_version: str | None = None
        self._loaded: LoadedPlugin | None = None
        self._entered = False
        self._globals: RunGlobals | None = None

    def make(self) -> Returned:
        """Load the plugin and call it; return how that ended."""
        plugin: LoadedPlugin | None = None
        try:
            plugin = self._loaded = self._plugin()
            self.plugin_version = plugin.version
            if asyncio._get_running_loop() is None:  # as on all threads but the kernel's main one
                response = self.cancel.guard(self._enter)
            else:
                with outside_event_loop():
                    response = self.cancel.guard(self._enter)
            return _RETURNED if response is None else Returned(response=response)
        except BaseException as error:  # noqa: BLE001 - the plugin call: SystemExit, KeyboardInterrupt, all
            return self._failed(error, plugin)
        finally:
            if self.run.is_dry and self._code is None and plugin is not None:  # it was loaded apart
                plugin.close()

    def release(self) -> None:
        """Let the run's globals go, unless the plugin left something that needs them; its cache must be kept."""
        if self._globals is not None:
            self._globals.release()

    def _plugin(self) -> LoadedPlugin:
        if self._code is not None:
            return self._code
        filename = self.run.trigger.plugin_filename
        if self.run.is_dry:
            return self._registry.load_private(filename)
        return self._registry.load(filename, since_ns=self.event.offered_ns)

    def _enter(self, thread: PluginThread) -> Response | None:
        """Call the plugin that was loaded, on the run's thread."""
        assert self._loaded is not None
        run, kind = self.run, self.event.kind
        run.thread, run.in_file = thread, self._registry.in_file
        function = self._loaded.entry_point(kind, self._opened)
        arguments = self._arguments()
        self._entered = True
        if run.instrument is None:
            result = function(*arguments)
        else:
            take_back_own()
            result = run.instrument.call(function, arguments, lambda: uninterrupted(run))
        self._entered = False
        return response_of(result) if kind is _REQUEST else None

    def _opened(self, names: Namespace) -> None:
        """Note the globals of a single file: where classes of cached objects are looked for."""
        assert self._loaded is not None
        self.cache.__home__ = Home(self._loaded.filename, names)
        self._globals = RunGlobals(names)

    def _arguments(self) -> tuple[Any, ...]:
        local = PyPluginCallApi(self.run, self.cache)
        given = self.run.trigger.arguments
        args = None if given is None else dict(given)
        event = self.event
        match event:
            case WriteEvent():
                return local, table_batches(event.rows), args
            case ScheduleEvent():
                # Naive, in the zone of the process, whole seconds: as the original.
                call_time = datetime.fromtimestamp(event.instant_ns // NANOSECONDS_PER_SECOND)
                return local, call_time, args
            case RequestEvent():
                return local, dict(event.query_params), dict(event.headers), event.body, args
            case _:
                assert_never(event)

    def _failed(self, error: BaseException, plugin: LoadedPlugin | None) -> Returned:
        is_request = self.event.kind is _REQUEST
        failure = run_failure(
            error,
            plugin.owns if plugin is not None else lambda _: False,
            prefix=CALL_FAILED if is_request and self._entered else "",
        )
        if isinstance(error, ModuleNotFoundError) and plugin is not None:
            failure = replace(
                failure, packages=declared_packages(self._registry.folder, plugin.filename, plugin.texts)
            )
        if self.cancel.exceeded is not None:
            failure = replace(
                failure, type_name=LIMIT_EXCEEDED, message=f"{LIMIT_EXCEEDED}: {self.cancel.exceeded}"
            )
        failure = self._registry.by_file(failure)
        return Returned(
            failure=failure, response=error_response(failure.message) if is_request else None
        )


@contextmanager
def outside_event_loop() -> Iterator[None]:
    """Let plugins call ``asyncio.run`` also where an event loop runs: on the kernel's main thread.

    The loop is put back as it was, and stands still meanwhile, as during any cell.
    """
    loop = asyncio._get_running_loop()
    if loop is None:
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio.set_event_loop(loop)
        asyncio._set_running_loop(loop)
