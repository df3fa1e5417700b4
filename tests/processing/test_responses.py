"""Return values of request triggers: the table of section 4."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from procengine.model.run import Response
from procengine.processing.responses import (
    UnsupportedResultError,
    error_response,
    response_of,
)

HTML = (("Content-Type", "text/html"),)
JSON = (("Content-Type", "application/json"),)
PLAIN = (("Content-Type", "text/plain"),)


class Flaskish:
    """What looks like a response object of Flask."""

    def __init__(self, data: object = "body", headers: object = None, status: object = 418) -> None:
        self.data = data
        self.headers = {"X-A": "1"} if headers is None else headers
        self.status_code = status

    def __flask_response__(self) -> bool:
        return True

    def get_data(self) -> object:
        return self.data


def parts() -> Iterator[object]:
    """Yield text, bytes, bytes that are not UTF-8, and a number."""
    yield from ["a", b"b\xc3\xa9", b"\xff", 7, "c"]


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        (Flaskish(), 418, (("X-A", "1"),), "body"),
        (("t",), 200, HTML, "t"),
        (("t", 201), 201, HTML, "t"),
        (("t", {"X-A": "1"}), 200, (*HTML, ("X-A", "1")), "t"),
        (("t", 202, {"Content-Type": "text/csv"}), 202, (("Content-Type", "text/csv"),), "t"),
        (("t", {"content-type": "x/y"}), 200, (*HTML, ("content-type", "x/y")), "t"),
        (("t", None), 200, HTML, "t"),
        (("t", "201"), 200, HTML, "t"),
        (("t", 3.5, {"A": "b"}), 200, (*HTML, ("A", "b")), "t"),
        (("t", {"A": "1"}, {"A": "2"}), 200, (*HTML, ("A", "2")), "t"),
        (({"a": [1]}, 200), 200, JSON, '{"a": [1]}'),
        ((5,), 200, PLAIN, "5"),
        ((b"x",), 200, PLAIN, "b'x'"),
        (("t", np.int64(204)), 204, HTML, "t"),
        (("t", True), 500, HTML, "t"),
        (("t", -1), 500, HTML, "t"),
        (("t", 70000), 500, HTML, "t"),
        (("t", 99), 500, HTML, "t"),
        (("t", 1000), 500, HTML, "t"),
        (("t", 2**70), 200, HTML, "t"),
        ("text", 200, HTML, "text"),
        ({"é": 1}, 200, JSON, '{"\\u00e9": 1}'),
        ([1, "a"], 200, JSON, '[1, "a"]'),
        (parts(), 200, HTML, "abéc"),
        ((), 200, HTML, ""),
        (("a", "b", "c", "d"), 200, HTML, "abcd"),
        (b"bytes", 200, HTML, ""),
        ({"x"}, 200, HTML, "x"),
    ],
)  # fmt: skip
def test_return_values(
    result: object, status: int, headers: tuple[tuple[str, str], ...], body: str
) -> None:
    """Section 4: values are looked at in the original's order."""
    assert response_of(result) == Response(status=status, headers=headers, body=body.encode())


@pytest.mark.parametrize("result", [None, 5, 1.5, object()])
def test_unsupported_values(result: object) -> None:
    """Section 4: ``Unsupported return type from Python function``."""
    with pytest.raises(UnsupportedResultError, match=r"^Unsupported return type from Python function$"):
        response_of(result)


def test_third_item_must_be_a_dictionary() -> None:
    """Section 4: ``expected a dictionary in header item``."""
    with pytest.raises(UnsupportedResultError, match=r"^expected a dictionary in header item$"):
        response_of(("t", 200, [("a", "b")]))


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (("t", {"a": 1}), TypeError),
        (("t", 200, {1: "a"}), TypeError),
        (Flaskish(data=b"bytes"), TypeError),
        (Flaskish(headers=[("a", "b")]), TypeError),
        (Flaskish(status=70000), OverflowError),
        ({"a": object()}, TypeError),
    ],
)
def test_values_that_cannot_be_converted(result: object, error: type[Exception]) -> None:
    """Section 4: headers are text to text, data is text; the conversion's error is the run's."""
    with pytest.raises(error):
        response_of(result)


def test_flask_marker_must_return_true() -> None:
    """Section 4: anything but True, an exception included, is no response object."""

    class Almost(Flaskish):
        def __flask_response__(self) -> bool:
            raise ValueError

    with pytest.raises(UnsupportedResultError):
        response_of(Almost())


def test_headers_that_cannot_be_sent() -> None:
    """Section 4: an unsendable value is empty; an unsendable name fails the request, in plain text."""
    assert response_of(("t", {"X-A": "é", "X-B": "a\nb"})).headers == (
        *HTML,
        ("X-A", ""),
        ("X-B", ""),
    )
    assert response_of(("t", {"bad name": "x"})) == Response(
        status=500,
        headers=(),
        body=b"Processing engine error: request handler for trigger down",
    )


def test_error_response() -> None:
    """Section 4: 500 with a JSON body, no Content-Type and no traceback."""
    response = error_response('Python function call failed: ValueError: "é"')
    assert (response.status, response.headers) == (500, ())
    assert json.loads(response.body) == {"error": 'Python function call failed: ValueError: "é"'}
    assert b"\\u" not in response.body
