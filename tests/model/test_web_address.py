"""Addresses have one normal form, that of the URL standard."""

from __future__ import annotations

import pytest

from procengine.model.web_address import AddressTextError, parse_address


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://influxdata.com", "https://influxdata.com/"),
        ("HTTPS://Plugins.Example.com:443/a/../b", "https://plugins.example.com/b"),
        ("http://localhost:8080/x?y=z#f", "http://localhost:8080/x?y=z#f"),
        ("https://example.com/a b", "https://example.com/a%20b"),
        ("https://example.com/a/%2e%2E/b/.", "https://example.com/b/"),
        ("file:///srv/plugins", "file:///srv/plugins"),
        ("file://localhost/srv", "file:///srv"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://[::1]:8080/", "https://[::1]:8080/"),
    ],
)
def test_addresses_have_one_normal_form(text: str, normal: str) -> None:
    """The normal form of an address is that of the original, and its own normal form."""
    assert parse_address(text).text == normal
    assert parse_address(normal).text == normal


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("plugins/index.json", "relative URL without a base"),
        ("", "relative URL without a base"),
        ("https://", "empty host"),
        ("https://example.com:99999/", "invalid port number"),
        ("https://a b/", "invalid domain character"),
    ],
)
def test_texts_that_are_no_address(text: str, why: str) -> None:
    """What is no absolute address is refused with the original's text."""
    with pytest.raises(AddressTextError) as caught:
        parse_address(text)
    assert str(caught.value) == why


@pytest.mark.parametrize("base", ["https://example.com/artifacts", "https://example.com/artifacts/"])
def test_a_file_stands_directly_beneath(base: str) -> None:
    """A file's address is the same with and without a slash at the end of its folder's."""
    assert (
        parse_address(base).beneath("a-1.0.0+b.tar.gz")
        == "https://example.com/artifacts/a-1.0.0+b.tar.gz"
    )
