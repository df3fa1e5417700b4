"""Which options does the engine run with, and where did each come from?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from procengine.model.counted import counted
from procengine_jupyter.render.markup import Html, element, join
from procengine_jupyter.render.style import card, code, soft
from procengine_jupyter.render.view import View

HINT = "%config ProcessingEngine.NAME = VALUE sets one; %procengine restart applies it"

GROUPS: Mapping[str, tuple[str, ...]] = {
    "plugins": (
        "plugin_dir",
        "virtual_env_location",
        "package_manager",
        "plugin_repo",
        "plugin_dir_only",
        "restrict_plugin_triggers_to",
    ),
    "data": ("data_dir", "object_store", "mode", "node_id"),
    "object store s3": (
        "bucket",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_default_region",
        "aws_endpoint",
        "aws_allow_http",
    ),
    "writing": (
        "wal_flush_interval",
        "wal_snapshot_size",
        "gen1_duration",
        "force_snapshot_mem_threshold",
    ),
    "queries": ("exec_mem_pool_bytes", "datafusion_num_threads", "query_log_size"),
    "HTTP API": ("http_bind", "max_http_request_size", "without_auth", "disable_authz"),
    "caches": (
        "last_cache_eviction_interval",
        "distinct_cache_eviction_interval",
        "last_value_cache_disable_from_history",
        "distinct_value_cache_disable_from_history",
    ),
    "limits": (
        "async_trigger_concurrency_limit",
        "request_queue_limit",
        "trigger_depth_limit",
        "trigger_lag_limit",
        "plugin_wall_time_limit",
        "plugin_cpu_time_limit",
        "plugin_memory_limit",
        "shutdown_timeout",
    ),
    "history": ("run_history_bytes", "processing_engine_log_bytes"),
}
"""The options by what they are about; one that is missing here is among ``others``."""

_OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLine:
    """One option, its value, and where the value came from: ``origin`` is None for its default."""

    name: str
    value: str
    origin: str | None
    about: str


@dataclass(frozen=True, slots=True, repr=False)
class OptionsCard(View):
    """All options of an engine by group; those that are at their defaults in the quiet colour."""

    lines: tuple[OptionLine, ...]

    def html(self) -> Html:
        """Return the options as HTML."""
        body = [
            row
            for group, lines in self._groups()
            for row in (_heading(group), *(_row(line) for line in lines))
        ]
        table = element("table", element("tbody", *body), css="pe-rows")
        return card("Options", table, element("div", soft(HINT), css="pe-part"), details=self._summary())

    def plain(self) -> str:
        """Return the options as text."""
        width = max((len(line.name) for line in self.lines), default=0)
        shown = [f"options: {self._summary()}"]
        for group, lines in self._groups():
            shown.append(group)
            for line in lines:
                origin = "" if line.origin is None else f"  ({line.origin})"
                shown.append(f"  {line.name:{width}} = {line.value}{origin}")
        return "\n".join([*shown, HINT])

    def _summary(self) -> str:
        given = sum(line.origin is not None for line in self.lines)
        return f"{counted(given, 'option')} given, {len(self.lines) - given} at their defaults"

    def _groups(self) -> Iterator[tuple[str, list[OptionLine]]]:
        """Yield the groups that have options, each with them."""
        group_of = {name: group for group, names in GROUPS.items() for name in names}
        for group in (*GROUPS, _OTHERS):
            lines = [line for line in self.lines if group_of.get(line.name, _OTHERS) == group]
            if lines:
                yield group, lines


def _heading(group: str) -> Html:
    return element("tr", element("td", group, css="pe-title", colspan="3", style="padding-top:7px"))


def _row(line: OptionLine) -> Html:
    name, value = code(line.name), code(line.value)
    if line.origin is None:
        cells: tuple[object, ...] = (soft(name), soft(value), soft(line.about))
    else:
        cells = (name, join([value, soft(f" · {line.origin}")]), soft(line.about))
    return element("tr", *(element("td", cell) for cell in cells))
