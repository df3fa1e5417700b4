"""What does a request trigger answer?

The return values of Flask's view functions, as far as the original knows them.

Source: influxdb3_py_api/src/system_py.rs, process_flask_response; influxdb3_processing_engine/src/plugins.rs,
    process_request (statuses, headers, the error's body).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from procengine.model.run import Response, new_response
from procengine.processing.plugin_values import checked_text, checked_text_mapping

HTML: Final = "text/html"
JSON: Final = "application/json"
PLAIN: Final = "text/plain"
CONTENT_TYPE: Final = "Content-Type"

REQUEST_HANDLER_DOWN: Final = "Processing engine error: request handler for trigger down"
"""What the original's server answers when a header's name cannot be sent."""

_HTML_HEADERS: Final = ((CONTENT_TYPE, HTML),)
_JSON_HEADERS: Final = ((CONTENT_TYPE, JSON),)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")
_LARGEST_I64: Final = 2**63 - 1


class UnsupportedResultError(Exception):
    """A request trigger returned what is no response; its text is the whole message.

    ``returned`` is the type of what was returned, in a reader's words.
    """

    def __init__(self, text: str, returned: str) -> None:
        super().__init__(text)
        self.returned = returned


def response_of(result: object) -> Response:
    """Return the response that a return value stands for; may run code of the plugin.

    Raises:
        UnsupportedResultError: it stands for none.
        Exception: whatever the plugin's objects raise, and TypeError for headers that are not text.
    """
    # The usual types first, and exactly those: nothing of a plugin's can be in them, their headers need no check.
    if type(result) is str:
        try:
            return new_response(status=200, headers=_HTML_HEADERS, body=result.encode())
        except UnicodeEncodeError:
            pass
    elif type(result) is dict or type(result) is list:
        return new_response(status=200, headers=_JSON_HEADERS, body=json.dumps(result).encode())
    return _checked(*_parts(result))


def error_response(message: str) -> Response:
    """Return the response of a run that failed."""
    body = json.dumps({"error": message}, ensure_ascii=False, separators=(",", ":"))
    return Response(status=500, headers=(), body=body.encode("utf-8", "replace"))


def _parts(result: object) -> tuple[int, Mapping[str, str], str]:
    if _is_flask_response(result):
        return _flask_parts(result)
    if isinstance(result, tuple) and 0 < len(result) <= 3:
        return _tuple_parts(result)
    text = _text(result)
    if text is not None:
        return 200, {CONTENT_TYPE: HTML}, text
    if isinstance(result, dict | list):
        return 200, {CONTENT_TYPE: JSON}, checked_text(None, json.dumps(result))
    if hasattr(result, "__iter__"):
        return 200, {CONTENT_TYPE: HTML}, _joined(result)
    raise UnsupportedResultError("Unsupported return type from Python function", _type_text(result))


def _is_flask_response(result: Any) -> bool:
    try:
        return result.__flask_response__() is True
    except Exception:  # noqa: BLE001 - whatever it raises, it is no such response
        return False


def _flask_parts(result: Any) -> tuple[int, Mapping[str, str], str]:
    status = result.status_code.__index__()
    if not 0 <= status <= 0xFFFF:
        raise OverflowError("out of range integral type conversion attempted")
    body = checked_text(None, result.get_data())
    return status, checked_text_mapping(None, result.headers), body


def _tuple_parts(result: tuple[Any, ...]) -> tuple[int, Mapping[str, str], str]:
    """Take ``(body[, status or headers][, headers])`` apart; a second item that is neither is ignored."""
    body, content_type = _body(result[0])
    headers = {CONTENT_TYPE: content_type}
    status = 200
    if len(result) >= 2:
        number = _integer(result[1])
        if number is not None:
            status = number if 0 <= number <= 0xFFFF else 500
        elif isinstance(result[1], dict):
            headers |= checked_text_mapping(None, result[1])
    if len(result) == 3:
        if not isinstance(result[2], dict):
            raise UnsupportedResultError(
                "expected a dictionary in header item",
                f"a tuple with a third item of type {_type_text(result[2])}",
            )
        headers |= checked_text_mapping(None, result[2])
    return status, headers, body


def _body(value: object) -> tuple[str, str]:
    text = _text(value)
    if text is not None:
        return text, HTML
    if isinstance(value, dict | list):
        return checked_text(None, json.dumps(value)), JSON
    return checked_text(None, str(value)), PLAIN


def _type_text(value: object) -> str:
    return "None" if value is None else type(value).__qualname__


def _text(value: object) -> str | None:
    """Return a value that is text and Unicode."""
    try:
        return checked_text(None, value)
    except (TypeError, UnicodeEncodeError):
        return None


def _integer(value: Any) -> int | None:
    try:
        number: int = value.__index__()
    except Exception:  # noqa: BLE001 - whatever it raises, it is no integer
        return None
    return number if -_LARGEST_I64 - 1 <= number <= _LARGEST_I64 else None


def _joined(items: Any) -> str:
    """Join the items that are text, or bytes of UTF-8; others are left out."""
    texts = []
    for item in items:
        text = _text(item)
        if text is None and isinstance(item, bytes):
            try:
                text = item.decode()
            except UnicodeDecodeError:
                text = None
        texts.append(text or "")
    return "".join(texts)


def _checked(status: int, headers: Mapping[str, str], body: str) -> Response:
    """Return what can be sent: an impossible status is 500, an unsendable value empty."""
    if any(not _HEADER_NAME.fullmatch(name) for name in headers):
        return Response(status=500, headers=(), body=REQUEST_HANDLER_DOWN.encode())
    sendable = tuple(
        (name, value if _HEADER_VALUE.fullmatch(value) else "") for name, value in headers.items()
    )
    return Response(status=status if 100 <= status <= 999 else 500, headers=sendable, body=body.encode())
