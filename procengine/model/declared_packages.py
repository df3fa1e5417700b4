"""Which packages does a plugin say it needs?

In its text by a block of inline script metadata, as PEP 723 has it, and in the ``manifest.toml`` beside it under
``dependencies.python``. What cannot be read declares nothing: this is for hints, others check manifests.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable

_BLOCK = re.compile(r"(?m)^# /// script$\n(?P<content>(^#(| .*)$\n?)+?)^# ///$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^'.]+)'$")


def declared_in_text(text: str) -> tuple[str, ...]:
    """Return the ``dependencies`` of a plugin's inline metadata, as written."""
    found = _BLOCK.search(text.replace("\r\n", "\n"))
    if found is None:
        return ()
    lines = found["content"].splitlines()
    return _texts(_table("\n".join(line[2:] for line in lines)).get("dependencies"))


def declared_in_manifest(text: str) -> tuple[str, ...]:
    """Return the Python packages of a manifest, as written."""
    dependencies = _table(text).get("dependencies")
    return _texts(dependencies.get("python")) if isinstance(dependencies, dict) else ()


def missing_module(message: str) -> str | None:
    """Return the module that a failure's message says is missing; None for any other, and for a part of a package."""
    found = _NO_MODULE.search(message)
    return None if found is None else found[1]


def packages_with(module: str, declared: Iterable[str]) -> tuple[str, ...]:
    """Return what is to be installed for a module: the declared package of its name, else all declared, else it."""
    listed = tuple(declared)
    same = tuple(one for one in listed if _plain(one) == _plain(module))
    return same or listed or (module,)


def install_command(packages: Iterable[str]) -> str:
    """Return the command that installs packages."""
    return f"influxdb3 install package {shlex.join(packages)}"


def _plain(requirement: str) -> str:
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[0].lower()) if found is not None else ""


def _table(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
