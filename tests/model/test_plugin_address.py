"""Addresses of plugins that are fetched."""

from __future__ import annotations

import pytest

from procengine.errors import PluginPathError
from procengine.model.plugin_address import GhAddress, GitAddress, is_fetched, parse_address


@pytest.mark.parametrize(
    ("filename", "url", "revision", "path"),
    [
        ("git+https://h/r.git@v1#p.py", "https://h/r.git", "v1", "p.py"),
        ("git+https://h/a/b#x/p", "https://h/a/b", "HEAD", "x/p"),
        ("git+https://h/r@feature/x-1.2#a/p.py", "https://h/r", "feature/x-1.2", "a/p.py"),
        ("git+file:///srv/a@b/r@main#p.py", "file:///srv/a@b/r", "main", "p.py"),
        ("git+http://127.0.0.1:80/r#p.py", "http://127.0.0.1:80/r", "HEAD", "p.py"),
        ("git+http://localhost/r#./p.py", "http://localhost/r", "HEAD", "p.py"),
    ],
)
def test_git_addresses(filename: str, url: str, revision: str, path: str) -> None:
    """Address, revision after the last @, and path after the #."""
    assert is_fetched(filename)
    assert parse_address(filename) == GitAddress(url=url, revision=revision, path=path)


def test_gh_addresses() -> None:
    """What follows gh: is a path as it stands."""
    assert parse_address("gh:a/b.py") == GhAddress(path="a/b.py")
    assert not is_fetched("ghost.py")


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("git+https://h/r", r"expected git\+https://HOST/REPOSITORY@REVISION#PATH"),
        ("git+https://h#p.py", r"expected git\+https"),
        ("git+https://h/r#", r"expected git\+https"),
        ("git+ssh://h/r#p.py", "ssh://h is not accepted"),
        ("git+http://h/r#p.py", "http://h is not accepted"),
        ("git+ext::sh -c x#p.py", r"expected git\+https"),
        ("git+file://h/r#p.py", "file://h is not accepted"),
        ("git+https://u:secret@h/r#p.py", "no user or password"),
        ("git+https://h/r@--upload-pack=x#p.py", "'--upload-pack=x' is no revision"),
        ("git+https://h/r@a..b#p.py", "is no revision"),
        ("git+https://h/r@a:b#p.py", "is no revision"),
        ("git+https://h/r@a#../p.py", "leads out of the repository"),
        ("git+https://h/r@a#/p.py", "leads out of the repository"),
        ("git+https://h/r@a#p\n.py", "leads out of the repository"),
    ],
)
def test_addresses_refused(filename: str, why: str) -> None:
    """What is none is told what is accepted."""
    with pytest.raises(PluginPathError, match=why):
        parse_address(filename)
