"""What does the syntax tree of a plugin say?

Questions about names, functions and calls, answered without running anything.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef

MUTATING_METHODS = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popleft", "remove"}
    | {"setdefault", "update"}
)


def functions(module: ast.Module) -> Iterator[Function]:
    """Return all functions, nested ones and methods as well."""
    for node in ast.walk(module):
        if isinstance(node, Function):
            yield node


def entry_point(module: ast.Module, name: str) -> Function | None:
    """Return the module's own function of a name, the last where there are several."""
    found = [node for node in module.body if isinstance(node, Function) and node.name == name]
    return found[-1] if found else None


def entry_points(module: ast.Module) -> frozenset[str]:
    """Return the names of the module's own functions."""
    return frozenset(node.name for node in module.body if isinstance(node, Function))


def parameter(function: Function, position: int) -> str | None:
    """Return the name of a positional parameter."""
    parameters = [*function.args.posonlyargs, *function.args.args]
    return parameters[position].arg if position < len(parameters) else None


def call_name(call: ast.Call) -> str | None:
    """Return the last part of what is called: ``query`` for ``influxdb3_local.query(...)``."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else None


def constant_text(node: ast.expr | None) -> str | None:
    """Return the text of a string literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def is_whole_number(node: ast.expr) -> bool:
    """Tell whether a node is a literal whole number, of either sign."""
    operand = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(operand, ast.Constant) and type(operand.value) is int


def string_constants(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Return the string literals below a node, with their lines."""
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value, child.lineno


def assigned_names(module: ast.Module) -> frozenset[str]:
    """Return the names that statements at the top of the module bind to values."""
    targets: list[ast.expr] = []
    for node in module.body:
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets.append(node.target)
    names = (child for target in targets for child in ast.walk(target))
    return frozenset(child.id for child in names if isinstance(child, ast.Name))


def mutated_names(function: Function) -> Iterator[tuple[str, int]]:
    """Return names from outside that a function changes in place, or rebinds and reads, with the line of the change.

    A function that sets a name and does not read it, such as a switch that is set anew from each run's arguments,
    carries nothing from one run to the next that its text would show.
    """
    outside = {
        name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names
    }
    inside = _local_names(function) - outside
    read = _read_names(function)
    for node in ast.walk(function):
        name = _changed_name(node)
        if name is not None and name not in inside:
            yield name, getattr(node, "lineno", function.lineno)
        elif (
            isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in outside & read
        ):
            yield node.id, node.lineno


def _read_names(function: Function) -> set[str]:
    read: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            read.add(node.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            read.add(node.target.id)
    return read


def tells_tables_apart(module: ast.Module) -> bool:
    """Tell whether a plugin compares the name of a table batch, or its beginning or end, with something."""
    names = {
        target.id
        for node in ast.walk(module)
        if isinstance(node, ast.Assign) and _is_table_name(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def is_name(node: ast.expr) -> bool:
        return _is_table_name(node) or (isinstance(node, ast.Name) and node.id in names)

    for node in ast.walk(module):
        if isinstance(node, ast.Compare) and any(map(is_name, (node.left, *node.comparators))):
            return True
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"startswith", "endswith"}
            and is_name(node.func.value)
        ):
            return True
    return False


def _is_table_name(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        return constant_text(node.slice) == "table_name"
    return (
        isinstance(node, ast.Call)
        and call_name(node) == "get"
        and bool(node.args)
        and constant_text(node.args[0]) == "table_name"
    )


def _local_names(function: Function) -> set[str]:
    parameters = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    stored = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return parameters | stored


def _changed_name(node: ast.AST) -> str | None:
    """Return the name whose value a node changes in place."""
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        return node.value.id if isinstance(node.value, ast.Name) else None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in MUTATING_METHODS
        and isinstance(node.func.value, ast.Name)
    ):
        return node.func.value.id
    return None


def row_names(function: Function) -> frozenset[str]:
    """Return the names of loop variables that run over ``...["rows"]``."""
    loops = (node for node in ast.walk(function) if isinstance(node, ast.For | ast.comprehension))
    return frozenset(
        loop.target.id for loop in loops if isinstance(loop.target, ast.Name) and _is_rows(loop.iter)
    )


def asked_keys(function: Function) -> frozenset[tuple[str, str]]:
    """Return names with the keys that a function asks of them: by ``name.get("key")``, or ``"key" in name``."""
    return frozenset(_asked_keys(function))


def _asked_keys(function: Function) -> Iterator[tuple[str, str]]:
    for node in ast.walk(function):
        key, asked = None, None
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
        ):
            key, asked = constant_text(node.args[0] if node.args else None), node.func.value
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            key, asked = constant_text(node.left), node.comparators[0]
        if key is not None and isinstance(asked, ast.Name):
            yield asked.id, key


def _is_rows(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        return constant_text(node.slice) == "rows"
    return (
        isinstance(node, ast.Call)
        and call_name(node) == "get"
        and bool(node.args)
        and constant_text(node.args[0]) == "rows"
    )
