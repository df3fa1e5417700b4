"""Request paths (section 4)."""

from __future__ import annotations

import pytest

from procengine.errors import AlreadyExistsError, NotFoundError
from procengine.processing.request_routes import RequestRoutes


def test_paths_match_exactly() -> None:
    """A trailing slash counts, a leading one too, and nothing is decoded."""
    routes: RequestRoutes[object] = RequestRoutes()
    target = object()
    routes.add("a%20b", "t in database db", target)
    assert routes.find("a%20b") is target
    for other in ("a b", "a%20b/", "/a%20b", "A%20b", ""):
        with pytest.raises(NotFoundError, match=r"^not found$"):
            routes.find(other)


def test_a_second_trigger_on_a_path_is_refused() -> None:
    """The error names the path and the trigger that has it; its owner may claim it again."""
    routes: RequestRoutes[object] = RequestRoutes()
    routes.add("p", "a in database db", object())
    with pytest.raises(AlreadyExistsError) as caught:
        routes.add("p", "b in database db", object())
    assert str(caught.value) == (
        "request path 'p' is taken by trigger a in database db; choose another path, or disable that one"
    )
    again = object()
    routes.add("p", "a in database db", again)
    assert routes.find("p") is again


def test_a_path_is_freed_only_by_its_holder() -> None:
    """Removing another's target leaves the path; removing its own frees it."""
    routes: RequestRoutes[object] = RequestRoutes()
    holder = object()
    routes.add("p", "a", holder)
    routes.remove("p", object())
    assert routes.paths == ("p",)
    routes.remove("p", holder)
    assert routes.paths == ()
