"""What does a query's user read when SQL fails?

DataFusion's own message, which is the original's, without the marks of the languages it passed through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from procengine.errors import ProcengineError, QueryError

_CROSSING = re.compile(r"^(?:External error: |DataFusion error: |(?:\w+\s+caused by\s+))+")
_PARSER = re.compile(r"ParserError\(\"(?P<text>.*)\"\)|TokenizerError\(\"(?P<other>.*)\"\)", re.DOTALL)
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
    """Return DataFusion's message as one line without wrappers, quotes of Rust values and backtraces."""
    text = _BUG_REPORT.sub("", _BACKTRACE.sub("", _CROSSING.sub("", text)))
    text = _PARSER.sub(lambda found: _unescape(found["text"] or found["other"] or ""), text)
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def planning_error(text: str) -> QueryError:
    """Return the error for a text that cannot be planned, in one line even where it quotes several."""
    return QueryError(clean_message(f"Error during planning: {text}"))


def missing_parameter(placeholder: str) -> str:
    """Return the text for a placeholder (with its ``$``) that no parameter names.

    Source: DataFusion, LogicalPlan::replace_params_with_values.
    """
    return f"Error during planning: No value found for placeholder with name {placeholder}"


def _unescape(text: str) -> str:
    """Undo how Rust quotes a string."""
    return re.sub(r"\\(['\"\\])", r"\1", text.replace("\\n", " ").replace("\\t", " "))
