"""``%config ProcessingEngine`` mirrors the engine's options."""

from __future__ import annotations

import pytest
from procengine_jupyter.settings import ProcessingEngine
from traitlets import TraitError

from procengine.config import OPTIONS


def test_every_option_is_a_trait() -> None:
    """Each option of the engine can be set, under its own name, with its own help."""
    traits = ProcessingEngine.class_traits(config=True)

    assert {name: trait.help for name, trait in traits.items()} == {
        name: option.help for name, option in OPTIONS.items()
    }


def test_only_what_was_set_is_given() -> None:
    """An option that is not set is left to the environment, the file and the default."""
    settings = ProcessingEngine()
    assert settings.given() == {}

    settings.wal_flush_interval = "1s"

    assert settings.given() == {"wal_flush_interval": "1s"}


def test_what_the_option_refuses_the_trait_refuses() -> None:
    """A value is checked where it is set, with the option's own text."""
    with pytest.raises(
        TraitError, match="option object_store cannot be 'google': expected one of memory, file, s3"
    ):
        ProcessingEngine().object_store = "google"
