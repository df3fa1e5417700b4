"""Which text does ``$NAME`` stand for in a magic's line?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from procengine_jupyter.session import Session


def named_text(session: Session, said: str, *, option: str = "") -> str:
    """Return what is said, or, of ``$NAME``, the text of the notebook's variable, or the environment's.

    Raises: UsageError: there is no such text.
    """
    if not said.startswith("$"):
        return said
    name = said.removeprefix("$").strip("{}")
    value = session.shell.user_ns.get(name, os.environ.get(name))
    if not isinstance(value, str):
        raise UsageError(
            f"{option} {said}: neither the notebook nor the environment has a text {name!r}".lstrip()
        )
    return value
