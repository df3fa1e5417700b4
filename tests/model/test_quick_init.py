"""Is a record that is made quickly the record that it would have been?"""

import inspect
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace

import pytest

from procengine.model.quick_init import positional_maker, quick_init, quick_maker
from procengine.model.run import Cause, CauseKind, LogEntry, Run, new_run
from procengine.processing.event import ScheduleEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """A record as dataclasses make it."""

    number: int
    text: str = "none"
    rows: dict[str, int] = field(default_factory=dict)


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    """The same, made quickly."""

    number: int
    text: str = "none"
    rows: dict[str, int] = field(default_factory=dict)


def test_fields_and_defaults_are_those_of_the_dataclass():
    """A record has the values that were given, and the defaults for the others."""
    for given in ({"number": 1}, {"number": 1, "text": "a", "rows": {"b": 2}}):
        assert asdict(Quick(**given)) == asdict(Usual(**given))
    assert Quick(number=1).rows is not Quick(number=1).rows


def test_the_signature_is_the_dataclass_s():
    """A record is made by the same arguments, with the same defaults and types."""
    assert str(inspect.signature(Quick)) == str(inspect.signature(Usual))


@pytest.mark.parametrize("given", [{}, {"number": 1, "colour": 2}])
def test_wrong_arguments_are_refused(given):
    """A missing or unknown argument is a TypeError."""
    with pytest.raises(TypeError):
        Quick(**given)


@pytest.mark.parametrize("kind", [Quick, Run, LogEntry, Cause, ScheduleEvent])
def test_a_record_is_frozen(kind):
    """No field of a record can be assigned or deleted, and no attribute added."""
    required = [
        name
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    record = kind(**dict.fromkeys(required, 1))
    assert type(record) is kind
    with pytest.raises(FrozenInstanceError):
        setattr(record, required[0], 2)
    with pytest.raises(FrozenInstanceError):
        delattr(record, required[0])
    with pytest.raises((FrozenInstanceError, TypeError)):
        record.colour = 2


def test_a_record_is_equal_hashed_copied_and_pickled_by_its_fields():
    """What dataclasses do with a record they do with one that was made quickly."""
    cause = Cause(kind=CauseKind.TICK, instant_ns=1)
    assert replace(cause, depth=2) == Cause(kind=CauseKind.TICK, instant_ns=1, depth=2) != cause
    assert hash(cause) == hash(Cause(kind=CauseKind.TICK, instant_ns=1))
    assert pickle.loads(pickle.dumps(cause)) == cause


def test_a_maker_takes_the_keywords_of_the_class():
    """A record that a function makes is the one that the class makes: values, defaults, and what is refused."""
    make = quick_maker(Quick)
    for given in ({"number": 1}, {"number": 1, "text": "a", "rows": {"b": 2}}):
        assert make(**given) == Quick(**given)
    assert make(number=1).rows is not make(number=1).rows
    assert type(make(number=1)) is Quick
    for wrong in ({}, {"number": 1, "colour": 2}):
        with pytest.raises(TypeError):
            make(**wrong)


def test_a_maker_by_place_takes_all_values():
    """A record that is made by place has each value in the field of its place, and none is left out."""
    assert positional_maker(Quick)(1, "a", {"b": 2}) == Quick(number=1, text="a", rows={"b": 2})
    with pytest.raises(TypeError):
        positional_maker(Quick)(1, "a")
    names = [one.name for one in fields(Run)]
    run = new_run(*names)
    assert [getattr(run, name) for name in names] == names
    with pytest.raises(FrozenInstanceError):
        run.run_id = 2
