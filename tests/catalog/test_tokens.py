"""The API's tokens: made, renewed, deleted, and kept as hashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from procengine.catalog import Catalog
from procengine.clock import VirtualClock
from procengine.errors import AlreadyExistsError, InvalidInputError, NotFoundError, OperationRefusedError
from procengine.model.token import ADMIN_TOKEN_NAME, Token, new_token_text, token_hash

NOW_NS = 1_735_689_600_000_000_000
NOW_MS = NOW_NS // 1_000_000


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    one = Catalog(None, clock=VirtualClock(NOW_NS))
    one.start()
    yield one
    one.close()


def reopened(folder: Path) -> Catalog:
    one = Catalog(folder, clock=VirtualClock(NOW_NS))
    one.start()
    return one


def test_new_tokens_differ_and_carry_64_random_bytes() -> None:
    """A token's text is the prefix and 64 random bytes in Base64."""
    one, other = new_token_text(), new_token_text()
    assert one != other
    assert one.startswith("apiv3_")
    assert len(one) == len("apiv3_") + 88


def test_tokens_hash_is_sha512() -> None:
    """What is kept of a token is the SHA-512 of its text."""
    assert token_hash(b"abc").startswith("ddaf35a193617abacc417349ae204131")
    assert len(token_hash(b"abc")) == 128


def test_tokens_expire_after_their_seconds(catalog: Catalog) -> None:
    """A named token admits until its seconds have passed, and one without them for ever."""
    short = catalog.create_token("short", "00", expiry_seconds=60)
    assert short == Token(
        token_id=0, name="short", hash="00", created_ms=NOW_MS, expiry_ms=NOW_MS + 60_000
    )
    assert short.is_active(NOW_MS + 59_999)
    assert not short.is_active(NOW_MS + 60_000)
    assert catalog.create_token("long", "01").is_active(2**62)
    assert catalog.create_token("huge", "02", expiry_seconds=2**64 - 1).expiry_ms is None


def test_tokens_have_one_name_each(catalog: Catalog) -> None:
    """A name that is taken is refused with the original's text."""
    catalog.create_token("a", "00")
    with pytest.raises(AlreadyExistsError, match=r"^token name already exists, a$"):
        catalog.create_token("a", "01")
    with pytest.raises(InvalidInputError, match="not Unicode text"):
        catalog.create_token("\ud800", "02")


def test_tokens_admin_is_regenerated_and_never_deleted(catalog: Catalog) -> None:
    """The operator's token gets another hash under its id; deleting it is refused."""
    with pytest.raises(NotFoundError, match=r"^missing admin token, cannot update$"):
        catalog.regenerate_admin_token("01")
    made = catalog.create_token(ADMIN_TOKEN_NAME, "00")
    renewed = catalog.regenerate_admin_token("01")
    assert (renewed.token_id, renewed.hash, renewed.updated_ms) == (made.token_id, "01", NOW_MS)
    with pytest.raises(OperationRefusedError, match=r"^cannot delete operator token$"):
        catalog.delete_token(ADMIN_TOKEN_NAME)


def test_tokens_are_deleted_by_name(catalog: Catalog) -> None:
    """A deleted token is gone, its id is not used again, and an unknown name is not found."""
    catalog.create_token("a", "00")
    catalog.delete_token("a")
    assert dict(catalog.state.tokens) == {}
    assert catalog.create_token("a", "01").token_id == 1
    with pytest.raises(NotFoundError, match=r"^the requested resource was not found: b$"):
        catalog.delete_token("b")


def test_tokens_outlive_the_catalog(tmp_path: Path) -> None:
    """Tokens are there again when the folder is opened, from the log as from a checkpoint."""
    first = reopened(tmp_path)
    first.create_token(ADMIN_TOKEN_NAME, "00")
    first.create_token("a", "01", expiry_seconds=60)
    first.create_token("b", "02")
    first.regenerate_admin_token("03")
    first.delete_token("b")
    first.close()
    second = reopened(tmp_path)
    assert second.state.tokens == first.state.tokens
    assert second.state.next_token_id == 3
    second.close()


def test_tokens_text_is_nowhere_on_disk(tmp_path: Path) -> None:
    """The data folder holds a token's hash and not its text."""
    text = new_token_text()
    catalog = reopened(tmp_path)
    catalog.create_token("a", token_hash(text.encode()))
    catalog.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token_hash(text.encode()).encode() in stored
    assert text.encode() not in stored
