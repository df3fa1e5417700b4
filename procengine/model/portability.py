"""Where would a plugin behave differently on an InfluxDB 3 server, or fall into a known trap?

`portability_notes` reads a plugin's source, never runs it, and says for each place why and what to do.
It reports what it is sure to see in the syntax; silence is no proof.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from procengine.model.plugin_syntax import (
    asked_keys,
    assigned_names,
    call_name,
    constant_text,
    entry_point,
    functions,
    is_whole_number,
    mutated_names,
    parameter,
    row_names,
    string_constants,
    tells_tables_apart,
)
from procengine.model.varying_calls import (
    clock_calls,
    leaves_order_open,
    random_calls,
    set_walks,
    sql_chance,
    thread_calls,
)


class NoteCode(Enum):
    """What a note is about, and its remedy."""

    CRON_WEEKDAY = "cron-weekday"
    """Weekday numbers count from Sunday as 1."""
    MODULE_STATE = "module-state"
    """A single-file plugin's module-level names start anew with every run."""
    QUERY_PARAMETER = "query-parameter"
    """Query parameters must be text."""
    TEXT_COMPARISON = "text-comparison"
    """Numbers are compared with a parameter as text."""
    SELF_FEEDING = "self-feeding"
    """A write plugin writes to a table that it watches."""
    DATE_PART = "date-part"
    """A query column of a type that a plugin cannot receive."""
    CALL_TIME_ZONE = "call-time-zone"
    """``call_time`` is naive, in the server's local zone."""
    MISSING_KEY = "missing-key"
    """A row has only the columns of its own line."""
    FIRST_ONLY = "first-only"
    """Batches are larger on a server."""
    PRINT = "print"
    """Printed text goes elsewhere on a server."""
    ARGUMENT_COMMA = "argument-comma"
    """The command line splits arguments at commas."""
    ENDLESS_RETRY = "endless-retry"
    """A server retries at once and without end."""
    VOLATILE_CACHE = "volatile-cache"
    """A server forgets the plugin cache when it restarts."""

    RUN_LIMITS = "run-limits"
    """A server has no limits on runs."""
    WALL_CLOCK = "wall-clock"
    """A clock of the machine is read, so a replay differs from run to run."""
    UNSEEDED_RANDOM = "unseeded-random"
    """Numbers are drawn without a seed."""
    THREADS = "threads"
    """What a plugin's threads do comes in no certain order."""
    ROW_ORDER = "row-order"
    """A query takes some rows without saying in which order."""
    SET_ORDER = "set-order"
    """A set is gone through, whose order is another one in each process."""

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self]


_REMEDIES = {
    NoteCode.CRON_WEEKDAY: "write names, such as MON-FRI",
    NoteCode.MODULE_STATE: "keep it in influxdb3_local.cache, or make the plugin a folder",
    NoteCode.QUERY_PARAMETER: "pass text, and CAST($name AS BIGINT) or AS DOUBLE in the SQL",
    NoteCode.TEXT_COMPARISON: "CAST($name AS BIGINT) or AS DOUBLE in the SQL",
    NoteCode.SELF_FEEDING: "write to another table, or skip rows that the plugin wrote itself",
    NoteCode.DATE_PART: "CAST(... AS BIGINT) in the SQL",
    NoteCode.CALL_TIME_ZONE: "run the server with TZ=UTC, or use call_time.astimezone(timezone.utc)",
    NoteCode.MISSING_KEY: "use row.get(...) and decide what a missing value means",
    NoteCode.FIRST_ONLY: "loop over all table batches and all rows",
    NoteCode.PRINT: "use influxdb3_local.info(...), which both keep in the trigger's log",
    NoteCode.ARGUMENT_COMMA: "use another separator within the value",
    NoteCode.ENDLESS_RETRY: "let only errors that can pass by themselves reach the caller",
    NoteCode.RUN_LIMITS: "give the plugin's own calls timeouts, and bound what it reads and keeps",
    NoteCode.WALL_CLOCK: "take the time of the rows, or call_time",
    NoteCode.UNSEEDED_RANDOM: "make a generator with a seed, as random.Random(7); uuid.uuid5 for identifiers",
    NoteCode.THREADS: "gather their results, as map of an executor does, and write and log on the run's own thread",
    NoteCode.ROW_ORDER: "add ORDER BY, by enough columns to tell rows apart",
    NoteCode.SET_ORDER: "go through sorted(...) of it, or through a dict or list",
    NoteCode.VOLATILE_CACHE: "be ready for a missing key, or write what must survive to a table",
}


_COMPARED_PARAMETER = re.compile(
    r"""(?P<other>[\w."]+|\)) \s* (?: [<>]=? | \bBETWEEN\b ) \s* \$(?P<name>\w+) \b (?! \s* :: )""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One note. ``line_number`` counts lines of the source from 1; None where no line is at fault."""

    code: NoteCode
    reason: str
    line_number: int | None = None

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self.code.remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A plugin as it would be registered: its parsed source and the triggers that it is for."""

    module: ast.Module
    specs: tuple[str, ...]
    arguments: Mapping[str, str]
    retries: bool
    limited: bool
    is_single_file: bool


def portability_notes(
    source: str,
    *,
    specs: Sequence[str] = (),
    arguments: Mapping[str, str] | None = None,
    retries: bool = False,
    limited: bool = False,
    is_single_file: bool = True,
) -> tuple[Note, ...]:
    """Return the notes on a plugin, by line, those without a line first.

    ``specs`` are the texts of its triggers' specifications, ``retries`` whether their error behavior is
    ``retry``, ``limited`` whether their runs have limits.
    A source that does not parse has no notes: it cannot run anywhere.
    """
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    subject = Subject(
        module=module,
        specs=tuple(spec.strip() for spec in specs),
        arguments=arguments or {},
        retries=retries,
        limited=limited,
        is_single_file=is_single_file,
    )
    found = {note for check in _CHECKS for note in check(subject)}
    return tuple(sorted(found, key=lambda note: (note.line_number or 0, note.code.value, note.reason)))


def _cron_weekday(subject: Subject) -> Iterator[Note]:
    for spec in subject.specs:
        fields = spec.removeprefix("cron:").split() if spec.startswith("cron:") else []
        if len(fields) >= 6 and re.search(r"\d", re.sub(r"/\d+", "", fields[5])):
            reason = (
                f"in {spec!r} the weekday {fields[5]!r} counts from SUN=1 to SAT=7, so 1-5 is Sunday to "
                "Thursday; parts of the documentation say otherwise"
            )
            yield Note(code=NoteCode.CRON_WEEKDAY, reason=reason)


def _module_state(subject: Subject) -> Iterator[Note]:
    if not subject.is_single_file:
        return
    at_module_level = assigned_names(subject.module)
    for function in functions(subject.module):
        for name, line_number in mutated_names(function):
            if name in at_module_level:
                yield Note(
                    code=NoteCode.MODULE_STATE,
                    reason=f"{name!r} starts anew with every run: a single file is executed afresh each time",
                    line_number=line_number,
                )


def _query_parameter(subject: Subject) -> Iterator[Note]:
    for call in _calls(subject.module, "query"):
        arguments = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "args")]
        for mapping in arguments:
            if not isinstance(mapping, ast.Dict):
                continue
            for key, value in zip(mapping.keys, mapping.values, strict=True):
                if _is_surely_not_text(value):
                    yield Note(
                        code=NoteCode.QUERY_PARAMETER,
                        reason=f"the parameter {constant_text(key) or '?'!r} is not text and raises a TypeError",
                        line_number=value.lineno,
                    )


def _text_comparison(subject: Subject) -> Iterator[Note]:
    for call in _calls(subject.module, "query"):
        for text, line_number in string_constants(call):
            for match in _COMPARED_PARAMETER.finditer(text):
                if not match["other"].strip('"').endswith("time"):
                    yield Note(
                        code=NoteCode.TEXT_COMPARISON,
                        reason=f"${match['name']} is text, and a server compares a number with text as text: "
                        "'9' comes after '10'",
                        line_number=line_number,
                    )


def _is_surely_not_text(value: ast.expr) -> bool:
    if isinstance(value, ast.UnaryOp):
        return _is_surely_not_text(value.operand)
    if isinstance(value, ast.Constant):
        return not isinstance(value.value, str)
    return isinstance(value, ast.List | ast.Dict | ast.Tuple) or (
        isinstance(value, ast.Call) and call_name(value) in {"int", "float", "bool", "len"}
    )


def _self_feeding(subject: Subject) -> Iterator[Note]:
    watched = {
        spec.removeprefix("table:").strip() for spec in subject.specs if spec.startswith("table:")
    }
    watches_all = "all_tables" in subject.specs and not tells_tables_apart(subject.module)
    if entry_point(subject.module, "process_writes") is None:
        return
    for call in _calls(subject.module, "LineBuilder"):
        table = constant_text(call.args[0]) if call.args else None
        if table is not None and (watches_all or table in watched):
            trigger = "all_tables" if watches_all else f"table:{table}"
            yield Note(
                code=NoteCode.SELF_FEEDING,
                reason=f"writing to {table!r} fires the trigger {trigger} again, without end on a server",
                line_number=call.lineno,
            )


def _date_part(subject: Subject) -> Iterator[Note]:
    for call in _calls(subject.module, "query"):
        for text, line_number in string_constants(call):
            for match in re.finditer(r"(?i)(cast\s*\(\s*)?\b(date_part|extract)\s*\(", text):
                if match.group(1) is None and not _is_condition(text[: match.start()]):
                    yield Note(
                        code=NoteCode.DATE_PART,
                        reason=f"{match.group(2)} gives Int32, which influxdb3_local.query cannot return",
                        line_number=line_number,
                    )


def _is_condition(before: str) -> bool:
    """Tell from the SQL before an expression that no column comes of it: it filters, groups or orders."""
    clauses: list[str] = re.findall(r"(?i)\b(select|where|having|group\s+by|order\s+by)\b", before)
    return bool(clauses) and clauses[-1].lower() != "select"


def _call_time_zone(subject: Subject) -> Iterator[Note]:
    function = entry_point(subject.module, "process_scheduled_call")
    name = parameter(function, 1) if function is not None else None
    if function is None or name is None:
        return
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == name
            and node.attr == "replace"
        ):
            yield Note(
                code=NoteCode.CALL_TIME_ZONE,
                reason=f"{name} has no zone and is in the server's local time, so replacing its zone is right "
                "only where that is UTC",
                line_number=node.lineno,
            )


def _missing_key(subject: Subject) -> Iterator[Note]:
    function = entry_point(subject.module, "process_writes")
    if function is None:
        return
    rows = row_names(function)
    asked = asked_keys(function)
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and isinstance(node.value, ast.Name)
            and node.value.id in rows
        ):
            key = constant_text(node.slice)
            if key is not None and key != "time" and (node.value.id, key) not in asked:
                yield Note(
                    code=NoteCode.MISSING_KEY,
                    reason=f"a row has only the columns of its own line: {node.value.id}[{key!r}] raises a "
                    "KeyError where the line has none",
                    line_number=node.lineno,
                )


def _first_only(subject: Subject) -> Iterator[Note]:
    function = entry_point(subject.module, "process_writes")
    batches = parameter(function, 1) if function is not None else None
    if function is None:
        return
    for node in ast.walk(function):
        if not isinstance(node, ast.Subscript) or not is_whole_number(node.slice):
            continue
        of_rows = isinstance(node.value, ast.Subscript) and constant_text(node.value.slice) == "rows"
        of_batches = isinstance(node.value, ast.Name) and node.value.id == batches
        if of_rows or of_batches:
            yield Note(
                code=NoteCode.FIRST_ONLY,
                reason="a server gathers all writes of a second into one call, so there are more rows and tables",
                line_number=node.lineno,
            )


def _print(subject: Subject) -> Iterator[Note]:
    for call in _calls(subject.module, "print"):
        yield Note(
            code=NoteCode.PRINT,
            reason="a server sends printed text to its own output, not to the trigger's log",
            line_number=call.lineno,
        )


def _argument_comma(subject: Subject) -> Iterator[Note]:
    for key, value in subject.arguments.items():
        if "," in value or "," in key:
            yield Note(
                code=NoteCode.ARGUMENT_COMMA,
                reason=f"the argument {key!r} has a comma, where --trigger-arguments of influxdb3 splits",
            )


def _endless_retry(subject: Subject) -> Iterator[Note]:
    if subject.retries:
        yield Note(
            code=NoteCode.ENDLESS_RETRY,
            reason="with error behavior retry a server runs a failing plugin again at once, without pause, limit "
            "or log",
        )


def _run_limits(subject: Subject) -> Iterator[Note]:
    if subject.limited:
        yield Note(
            code=NoteCode.RUN_LIMITS,
            reason="a server does not know limits on runs; there a run takes what it takes",
        )


def _volatile_cache(subject: Subject) -> Iterator[Note]:
    for call in _calls(subject.module, "put"):
        if isinstance(call.func, ast.Attribute) and _is_plugin_cache(call.func.value):
            yield Note(
                code=NoteCode.VOLATILE_CACHE,
                reason="the plugin cache survives a restart here, but not on a server",
                line_number=call.lineno,
            )
            return


def _wall_clock(subject: Subject) -> Iterator[Note]:
    for name, line_number in clock_calls(subject.module):
        yield Note(
            code=NoteCode.WALL_CLOCK,
            reason=f"{name} is the time of the run, so running again on the same rows does not give the same",
            line_number=line_number,
        )


def _unseeded_random(subject: Subject) -> Iterator[Note]:
    for name, line_number in random_calls(subject.module):
        yield Note(
            code=NoteCode.UNSEEDED_RANDOM,
            reason=f"{name} has no seed of the plugin's, so running again on the same rows does not give the same",
            line_number=line_number,
        )


def _chance_in_sql(subject: Subject) -> Iterator[Note]:
    for call in _calls(subject.module, "query"):
        for text, line_number in string_constants(call):
            if name := sql_chance(text):
                yield Note(
                    code=NoteCode.UNSEEDED_RANDOM,
                    reason=f"{name} in SQL has no seed, so asking again does not give the same",
                    line_number=line_number,
                )
            if leaves_order_open(text):
                yield Note(
                    code=NoteCode.ROW_ORDER,
                    reason="rows of a query with LIMIT or UNION, and the tables of all schemas, come in any order "
                    "without ORDER BY, so asking again may give others",
                    line_number=line_number,
                )


def _threads(subject: Subject) -> Iterator[Note]:
    for name, line_number in thread_calls(subject.module):
        yield Note(
            code=NoteCode.THREADS,
            reason=f"{name} lets things go on at the same time, in an order that is not the same again",
            line_number=line_number,
        )


def _set_order(subject: Subject) -> Iterator[Note]:
    for line_number in set_walks(subject.module):
        yield Note(
            code=NoteCode.SET_ORDER,
            reason="the order of a set of texts goes by the process's hash seed, so a replay in another process need "
            "not give the same",
            line_number=line_number,
        )


def _is_plugin_cache(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "cache") or (
        isinstance(node, ast.Name) and node.id == "cache"
    )


def _calls(module: ast.Module, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and call_name(node) == name:
            yield node


_CHECKS: tuple[Callable[[Subject], Iterator[Note]], ...] = (
    _cron_weekday,
    _module_state,
    _query_parameter,
    _text_comparison,
    _self_feeding,
    _date_part,
    _call_time_zone,
    _missing_key,
    _first_only,
    _print,
    _argument_comma,
    _endless_retry,
    _run_limits,
    _volatile_cache,
    _wall_clock,
    _unseeded_random,
    _chance_in_sql,
    _threads,
    _set_order,
)
