"""What does a query's user read when SQL fails?

DataFusion's own message, to the letter, which is the original's: ``SQL error: ParserError("...")``, over several
lines where it has them. Only the marks of the languages that it passed through here are taken off.

Differs: a few texts are worded otherwise by the version here, as those on the types of a function's arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from procengine.errors import ProcengineError, QueryError

_CROSSING = re.compile(r"^(?:External error: |DataFusion error: )+")
_BACKTRACE = re.compile(r"\n*\s*(?:stack )?backtrace:.*", re.DOTALL | re.IGNORECASE)
_BUG_REPORT = re.compile(r"\s*This issue was likely caused by a bug in DataFusion's code\..*", re.DOTALL)


@contextmanager
def datafusion_errors() -> Iterator[None]:
    """Turn what DataFusion raises within the block into `QueryError`; interruptions and our own errors pass."""
    try:
        yield
    except ProcengineError:
        raise
    except Exception as failure:
        raise QueryError(clean_message(str(failure))) from failure
    except BaseException as failure:
        # A panic in Rust arrives as a class that derives from BaseException and can be imported from nowhere.
        if type(failure).__name__ != "PanicException":
            raise
        raise QueryError(f"the query engine failed: {clean_message(str(failure))}") from failure


def clean_message(text: str) -> str:
    """Return DataFusion's message without wrappers and backtraces."""
    return _BUG_REPORT.sub("", _BACKTRACE.sub("", _CROSSING.sub("", text))).strip()


def planning_error(text: str) -> QueryError:
    """Return the error for a text that cannot be planned."""
    return QueryError(f"Error during planning: {text}")


def missing_parameter(placeholder: str) -> str:
    """Return the text for a placeholder (with its ``$``) that no parameter names.

    Source: DataFusion, LogicalPlan::replace_params_with_values.
    """
    return f"Error during planning: No value found for placeholder with name {placeholder}"
