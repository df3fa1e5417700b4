"""Does a plugin have its entry point, and can it be called?

Answered from the text when a trigger is created, without running anything, and from the loaded namespace before a
call.

Source: influxdb3_py_api/src/error.rs (texts), system_py.rs (names, arguments).
Differs: the original looks for the function, and at its arguments, only when it calls it; it does not say which
    name comes near.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from procengine.errors import PluginSourceError
from procengine.model.trigger import ENTRY_POINTS, TriggerKind

SIGNATURES: Final[Mapping[TriggerKind, str]] = {
    TriggerKind.WRITE: "process_writes(influxdb3_local, table_batches, args=None)",
    TriggerKind.SCHEDULE: "process_scheduled_call(influxdb3_local, call_time, args=None)",
    TriggerKind.REQUEST: (
        "process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None)"
        " -> Tuple[str, Optional[Dict[str, str]]]"
    ),
}

ARGUMENT_COUNTS: Final[Mapping[TriggerKind, int]] = {
    TriggerKind.WRITE: 3,
    TriggerKind.SCHEDULE: 3,
    TriggerKind.REQUEST: 5,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef

_CLOSE = 0.8
"""How alike two names are, of 1, for one to be taken for a slip of the other."""

_LITERALS = (ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.Set)


def missing_text(kind: TriggerKind) -> str:
    """Return the original's text for a plugin without its entry point."""
    return (
        f"the {ENTRY_POINTS[kind]} function is not present in the plugin. "
        f"Should be defined as: {SIGNATURES[kind]}"
    )


def find_entry_point(namespace: Mapping[str, Any], kind: TriggerKind) -> Any:
    """Return what a loaded plugin has under the entry point's name.

    Raises:
        PluginSourceError: there is nothing of that name.
    """
    try:
        return namespace[ENTRY_POINTS[kind]]
    except KeyError:
        raise PluginSourceError(missing_text(kind)) from None


def check_entry_point(
    module: ast.Module, kind: TriggerKind, *, filename: str, first_line: int = 1
) -> None:
    """Accept a module that defines the entry point so that it can be called, as far as its text shows.

    A decorated, assigned or imported entry point is accepted as it is. Line numbers are counted from
    ``first_line``.

    Raises:
        PluginSourceError: it is missing, or cannot take the arguments that it will be called with.
    """
    bindings = list(_bindings(module.body))
    found = [statement for names, statement in bindings if ENTRY_POINTS[kind] in names]
    if not found:
        if _may_bind_unseen(module):
            return
        hint = _hint(kind, {name for names, _ in bindings for name in names})
        raise PluginSourceError(missing_text(kind) + hint, filename=filename)
    last = found[-1]
    fault = None
    if isinstance(last, Function):
        fault = None if last.decorator_list else _fault(last, kind)
    elif last in module.body:
        fault = _uncallable(last, kind)
    if fault is not None:
        raise PluginSourceError(
            f"{fault}. Should be defined as: {SIGNATURES[kind]}",
            filename=filename,
            line_number=last.lineno + first_line - 1,
        )


def _hint(kind: TriggerKind, names: Iterable[str]) -> str:
    """Return what a plugin without its entry point may have meant by one of its names; empty when by none."""
    others = {name: other for other, name in ENTRY_POINTS.items() if name in set(names)}
    near = get_close_matches(ENTRY_POINTS[kind], sorted(set(names) - others.keys()), n=1, cutoff=_CLOSE)
    if near:
        return f" (it has {near[0]}: did you mean {ENTRY_POINTS[kind]}?)"
    if others:
        has = " and ".join(
            f"{name}, which {other.value} triggers call" for name, other in others.items()
        )
        return f" (it has {has})"
    return ""


def _uncallable(statement: ast.stmt, kind: TriggerKind) -> str | None:
    """Return what is wrong with an assignment that makes the entry point a plain value."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            plain = any(isinstance(one, ast.Name) and one.id == ENTRY_POINTS[kind] for one in targets)
        case ast.AnnAssign(target=ast.Name(), value=ast.expr() as value):
            plain = True
        case _:
            return None
    if not plain or not isinstance(value, _LITERALS):
        return None
    return f"the {ENTRY_POINTS[kind]} of the plugin is {_shortened(ast.unparse(value))}, which cannot be called"


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _may_bind_unseen(module: ast.Module) -> bool:
    """Tell whether names may come in that the text does not show: by ``import *``, ``exec`` or ``globals()``."""
    return any("*" in names for names, _ in _bindings(module.body)) or any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("exec", "globals", "vars", "locals")
        for node in ast.walk(module)
    )


def _fault(function: Function, kind: TriggerKind) -> str | None:
    name, count = ENTRY_POINTS[kind], ARGUMENT_COUNTS[kind]
    shown = f"{function.name}({ast.unparse(function.args)})"
    if isinstance(function, ast.AsyncFunctionDef):
        return (
            f"the {name} function is defined with 'async def', and nothing would await it; "
            "define it with 'def' and call asyncio.run inside"
        )
    if kind is not TriggerKind.REQUEST and _is_generator(function):
        return f"the {name} function has a 'yield', so calling it would run nothing of it"
    positional = [*function.args.posonlyargs, *function.args.args]
    required = len(positional) - len(function.args.defaults)
    if required > count or (len(positional) < count and function.args.vararg is None):
        return f"the {name} function cannot take the {count} positional arguments of its call: {shown}"
    keyword_only = [
        argument.arg
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if default is None
    ]
    if keyword_only:
        return f"the {name} function requires keyword arguments that its call does not give: {shown}"
    return None


def _is_generator(function: Function) -> bool:
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(node))
    return False


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[list[str], ast.stmt]]:
    """Return the names that statements of a module bind, with the statement, in order."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield [statement.name], statement
            case ast.Import() | ast.ImportFrom():
                yield [alias.asname or alias.name for alias in statement.names], statement
            case ast.Assign() | ast.AnnAssign() | ast.For() | ast.With() | ast.Expr():
                yield _stored_names(statement), statement
            case _:
                pass
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            nested = (
                [] if isinstance(statement, Function | ast.ClassDef) else getattr(statement, field, [])
            )
            for part in nested:
                yield from _bindings([part] if isinstance(part, ast.stmt) else part.body)


def _stored_names(statement: ast.stmt) -> list[str]:
    """Return the names that a statement stores into, those of its nested statements included."""
    return [
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
