"""How does a run become a test that passes?

The test replays the run's input against the plugin and asserts what the run did. Before it is written, the plugin is
run once more, as the test will: what does not come out the same is left out of what is asserted, and told.
"""

from __future__ import annotations

import ast
import copy
import json
import os
import pprint
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

from procengine.errors import InvalidInputError, ProcengineError
from procengine.file_system import LOCAL, make_folder, put_in_place
from procengine.processing.event import RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.run_details import RunDetails
from procengine.processing.run_record import utc_text
from procengine.testing.plugin_run import PluginRun, logs_of_plugin, split_lines
from procengine.testing.plugin_under_test import PluginUnderTest
from procengine.testing.rows_text import lines_of

Query = Callable[[str, str, Mapping[str, object] | None], Sequence[Mapping[str, object]]]
"""Asks a database, with parameters, as a plugin would; returns rows."""

MOST_ANSWER_ROWS = 200
WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTest:
    """A test that was written. ``notes`` say in sentences what it does not assert, or cannot know, and why."""

    path: Path
    name: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """All that a test of one run needs."""

    name: str
    title: str
    plugin: Path
    set_up: Mapping[str, object]
    answers: tuple[tuple[str, list[dict[str, object]], Mapping[str, str] | None], ...]
    call: str
    arguments: tuple[tuple[str, object], ...]

    def run(self) -> PluginRun:
        """Run the plugin as the test will."""
        set_up = copy.deepcopy(self.set_up)  # a plugin may change in place what it finds in its cache
        with PluginUnderTest(self.plugin, **set_up) as plugin:  # type: ignore[arg-type]
            for answer in self.answers:
                plugin.answer(*answer)
            done: PluginRun = getattr(plugin, self.call)(**dict(self.arguments))
            return done


def write_test(
    details: RunDetails,
    path: str | Path,
    plugin: str | Path,
    *,
    query: Query | None = None,
    cached: Mapping[str, object] | None = None,
    cached_global: Mapping[str, object] | None = None,
    replace: bool = False,
) -> WrittenTest:
    """Write a test of a run, for pytest, and tell what it leaves out.

    ``plugin`` is the file or folder that ran. ``query`` answers the run's queries once more, for the test to know
    the answers. ``cached`` and ``cached_global`` are what the plugin cache holds now; what the run changed there is
    taken from its record. A file that is there is left alone, unless ``replace`` says otherwise.

    Raises:
        InvalidInputError: the run's input is not kept any more, or a file is there.
        OSError: it cannot be written.
    """
    target = Path(path).absolute()
    if target.exists() and not replace:
        raise InvalidInputError(f"{str(target)!r} is there; give another path, or say replace")
    notes: list[str] = []
    case = _case(
        details, Path(plugin).absolute(), query, _seeds(details, cached, cached_global, notes), notes
    )
    if query is not None and details.run.query_count and not details.queries:
        case = replace_fields(case, answers=tuple(_asked_anew(case, query)))
    first, second = case.run(), case.run()
    notes += _differences(first, details)
    expected = dict(_expected(first))
    for name, value in _expected(second):
        if name in expected and expected[name] != value:
            del expected[name]
            notes.append(f"{name} is not asserted: it comes out differently each time")
    make_folder(LOCAL, target.parent)
    put_in_place(LOCAL, target, _text(case, expected, target, notes).encode())
    return WrittenTest(path=target, name=case.name, notes=tuple(notes))


def _case(
    details: RunDetails,
    plugin: Path,
    query: Query | None,
    seeds: Mapping[str, Mapping[str, object]],
    notes: list[str],
) -> _Case:
    run, event, trigger = details.run, details.event, details.trigger
    if event is None:
        raise InvalidInputError(
            f"run {run.run_id} cannot become a test: its input is not kept any more; fire the trigger again"
        )
    set_up: dict[str, object] = {"database": run.database, "now": run.started_ns}
    if trigger is not None and trigger.arguments:
        set_up["arguments"] = dict(trigger.arguments)
    set_up |= {name: values for name, values in seeds.items() if values}
    call, arguments = _call(event)
    return _Case(
        name=f"test_{re.sub(r'[^0-9a-zA-Z]+', '_', run.trigger or plugin.stem).strip('_')}_run_{run.run_id}",
        title=f"What {plugin.name} made of a {run.kind.value} of {utc_text(run.started_ns)}.",
        plugin=plugin,
        set_up=set_up,
        answers=tuple(_answers(details, query, notes)),
        call=call,
        arguments=arguments,
    )


def _call(
    event: WriteEvent | ScheduleEvent | RequestEvent,
) -> tuple[str, tuple[tuple[str, object], ...]]:
    if isinstance(event, WriteEvent):
        return "write", (("lines", lines_of(event.rows)),)
    if isinstance(event, ScheduleEvent):
        return "schedule", (("at", event.instant_ns),)
    return "request", (
        ("body", event.body),
        ("method", event.method),
        ("params", dict(event.query_params)),
        ("headers", dict(event.headers)),
    )


def _seeds(
    details: RunDetails,
    cached: Mapping[str, object] | None,
    cached_global: Mapping[str, object] | None,
    notes: list[str],
) -> dict[str, dict[str, object]]:
    """Return copies of what the plugin cache held before the run, as far as it can be written as text."""
    held = {"cache": dict(cached or {}), "global_cache": dict(cached_global or {})}
    for change in details.cache:
        values = held["global_cache" if change.use_global else "cache"]
        values.pop(change.key, None)
        if change.before is None:
            continue
        if not change.before.is_kept:
            notes.append(f"the cached value {change.key!r} is not known as it was before the run")
            continue
        values[change.key] = change.before.value
    for values in held.values():
        for key in [key for key, value in values.items() if not _is_literal(value)]:
            notes.append(
                f"the cached value {key!r} is a {type(values[key]).__name__}, and not in the test"
            )
            del values[key]
    return copy.deepcopy(held)


def _answers(
    details: RunDetails, query: Query | None, notes: list[str]
) -> Iterator[tuple[str, list[dict[str, object]], Mapping[str, str] | None]]:
    """Yield the run's queries with their answers, asked once more."""
    for asked in details.queries:
        if asked.fault is not None or query is None:
            continue
        params = None if asked.params is None else {key: str(one) for key, one in asked.params.items()}
        found = [dict(row) for row in query(asked.sql, asked.database, params)]
        if len(found) != asked.row_count:
            notes.append(
                f"a query has {len(found)} rows now and had {asked.row_count} in the run: "
                f"{asked.sql.strip()[:60]}"
            )
        if len(found) > MOST_ANSWER_ROWS:
            notes.append(f"of a query's answer the first {MOST_ANSWER_ROWS} rows are in the test")
        yield asked.sql, found[:MOST_ANSWER_ROWS], params


def _asked_anew(
    case: _Case, query: Query
) -> Iterator[tuple[str, list[dict[str, object]], Mapping[str, str] | None]]:
    """Yield the queries that the plugin makes now, with their answers: of a dry run none are kept."""
    answers: dict[str, tuple[str, list[dict[str, object]], Mapping[str, str] | None]] = {}
    with PluginUnderTest(case.plugin, **case.set_up) as plugin:  # type: ignore[arg-type]

        def ask(sql: str, database: str, params: Mapping[str, object] | None) -> None:
            texts = None if params is None else {key: str(one) for key, one in params.items()}
            try:
                found = [dict(row) for row in query(sql, database, texts)]
            except ProcengineError:
                return  # the plugin is to be told the same
            plugin.answer(sql, found[:MOST_ANSWER_ROWS], texts)
            answers[f"{sql}{texts}"] = (sql, found[:MOST_ANSWER_ROWS], texts)

        plugin.before_query(ask)
        getattr(plugin, case.call)(**dict(case.arguments))
    yield from answers.values()


def _expected(done: PluginRun) -> Iterator[tuple[str, object]]:
    """Yield what a test asserts of a run, by the name of its attribute."""
    yield "error", done.error
    yield "lines", {name: list(lines) for name, lines in done.lines.items()}
    yield "logs", list(done.logs)
    for name, values in (("cache", done.cache), ("global_cache", done.global_cache)):
        if all(map(_is_literal, values.values())):
            yield name, dict(values)
    if done.response is not None:
        yield "status", done.status
        body = done.response.body
        try:
            json.loads(body)
        except ValueError:
            yield "response.body", body
        else:
            yield "json()", json.loads(body)


def _differences(done: PluginRun, details: RunDetails) -> Iterator[str]:
    """Yield in what the plugin did something else now than in the run: its text, or what it found, is another."""
    run = details.run
    kept = run.failure.message if run.failure is not None else None
    if kept != done.error and not run.write_errors:
        yield f"the run ended with {kept or 'no error'}, and now with {done.error or 'no error'}"
    wrote: dict[str, list[str]] = {}
    for write in details.writes:
        wrote.setdefault(write.database, []).extend(split_lines([write.lines]))
    if not details.missing and wrote != {name: list(lines) for name, lines in done.lines.items()}:
        yield "the run wrote other lines"
    if not run.lines_left_out and logs_of_plugin(run) != done.logs:
        yield "the run logged other lines"
    for name, values in (("cache", done.cache), ("global_cache", done.global_cache)):
        if not all(map(_is_literal, values.values())):
            yield f"{name} holds values that are no plain data, and is not asserted"


def _is_literal(value: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    except Exception:  # noqa: BLE001 - a value's own methods
        return False


def _text(case: _Case, expected: Mapping[str, object], path: Path, notes: Sequence[str]) -> str:
    place = Path(os.path.relpath(case.plugin, path.parent)).as_posix()
    lines = [
        f'"""{case.title}"""',
        "",
        "from pathlib import Path",
        "",
        "from procengine.testing import PluginUnderTest",
        "",
        f"PLUGIN = Path(__file__).parent / {place!r}",
        "",
        "",
        f"def {case.name}():",
        f'    """{case.title}"""',
        *(f"    # Not as it was: {note}." for note in notes),
        *_called("with PluginUnderTest", ["PLUGIN", *_named(case.set_up.items(), 8)], 4, " as plugin:"),
    ]
    for sql, rows, params in case.answers:
        said = [_shown(sql, 12), _shown(rows, 12), *([] if params is None else [_shown(params, 12)])]
        lines += _called("plugin.answer", said, 8)
    given = [(name, value) for name, value in case.arguments if value not in (b"", {})]
    lines += [
        *_called(f"run = plugin.{case.call}", _named(given, 12), 8),
        *(f"    assert run.{name} {_compared(value)}" for name, value in expected.items()),
        "",
    ]
    return "\n".join(lines)


def _called(function: str, arguments: Sequence[str], indent: int, end: str = "") -> list[str]:
    """Return a call, on one line where it fits, else with a line for each argument."""
    whole = f"{' ' * indent}{function}({', '.join(arguments)}){end}"
    if len(whole) <= WIDTH and "\n" not in whole:
        return [whole]
    inner = [f"{' ' * (indent + 4)}{argument}," for argument in arguments]
    return [f"{' ' * indent}{function}(", *inner, f"{' ' * indent}){end}"]


def _named(arguments: Iterable[tuple[str, object]], indent: int) -> list[str]:
    return [f"{name}={_shown(value, indent)}" for name, value in arguments]


def _compared(value: object) -> str:
    return "is None" if value is None else f"== {_shown(value, 4)}"


def _shown(value: object, indent: int) -> str:
    """Return a literal, broken into lines; a text of several lines stands as such."""
    if isinstance(value, str) and "\n" in value:
        parts = "\n".join(f"{' ' * (indent + 4)}{line!r}" for line in value.splitlines(keepends=True))
        return f"(\n{parts}\n{' ' * indent})"
    text = pprint.pformat(_plain(value), width=WIDTH - indent, sort_dicts=False)
    return text.replace("\n", "\n" + " " * indent)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
