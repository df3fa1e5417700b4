"""Where triggers are, on disk: what the next engine finds, however this one ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine.file_system import LOCAL
from procengine.history import Written
from procengine.processing import trigger_places
from procengine.processing.trigger_places import TriggerPlaces
from procengine.processing.write_cursor import Place


def opened(folder: Path) -> TriggerPlaces:
    places = TriggerPlaces(folder, file_system=LOCAL)
    places.open(lambda: None)
    return places


def test_what_was_written_is_found(tmp_path: Path) -> None:
    """The last place of each trigger holds; a stopped engine is told from a killed one."""
    first = opened(tmp_path)
    first.follow(7, lambda: Place(1, 10))
    first.follow(8, lambda: Place(2, 0))
    assert first.write_waiting() is Written.DONE
    first.follow(7, lambda: Place(5, 3))
    assert (first.waiting, first.write_waiting(), first.waiting) == (1, Written.DONE, 0)
    assert first.write_waiting() is Written.NOTHING
    killed = opened(tmp_path)
    assert killed.found == {7: Place(5, 3), 8: Place(2, 0)}
    assert not killed.ended_clean
    killed.close()
    assert opened(tmp_path).ended_clean


def test_a_place_is_left_as_it_was(tmp_path: Path) -> None:
    """After `leave` the trigger may forget what waits: the place is that of before."""
    now = [Place(3, 4)]
    places = opened(tmp_path)
    places.follow(1, lambda: now[0])
    places.leave(1)
    now[0] = Place(9, 0)
    places.moved(1)
    places.write_waiting()
    assert opened(tmp_path).found == {1: Place(3, 4)}


def test_the_file_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its bound it is begun anew, with one record a trigger."""
    monkeypatch.setattr(trigger_places, "LARGEST_FILE_BYTES", 1_000)
    places = opened(tmp_path)
    places.follow(1, lambda: Place(1, 1))
    for number in range(500):
        places.follow(2, lambda number=number: Place(number, 0))  # type: ignore[misc]
        places.write_waiting()
        assert (tmp_path / "places").stat().st_size <= 1_100
    assert opened(tmp_path).found == {1: Place(1, 1), 2: Place(499, 0)}


def two_places(folder: Path) -> bytes:
    """Return a file that tells of triggers 1 and 2, of the first again, and of a stopped engine."""
    places = opened(folder)
    for trigger_id, place in ((1, Place(3, 1)), (2, Place(9, 9)), (1, Place(8, 2))):
        places.follow(trigger_id, lambda place=place: place)  # type: ignore[misc]
        places.write_waiting()
    places.close()
    data = (folder / "places").read_bytes()
    assert len(data) == 4 * 28
    return data


@pytest.mark.parametrize("cut", range(1, 28))
def test_a_torn_file_gives_what_is_whole(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that is not whole is passed over, named and kept; those before it hold."""
    torn = two_places(tmp_path)[:-cut]
    (tmp_path / "places").write_bytes(torn)
    found = opened(tmp_path)
    assert (found.found[2], found.found[1], found.ended_clean) == (Place(9, 9), Place(8, 2), False)
    assert "the rows that were passed over may not be told or not all" in caplog.text
    assert f"path={tmp_path / 'places'}, offsets=84; the file is kept in" in caplog.text
    assert (tmp_path / "places.damaged").read_bytes() == torn


def test_no_bit_of_a_place_turns_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever bit turns: no trigger is at a place of before, the file is named, and kept as it was."""
    path = tmp_path / "places"
    data = two_places(tmp_path)
    for bit in range(8 * len(data)):
        turned = bytearray(data)
        turned[bit // 8] ^= 1 << bit % 8
        path.write_bytes(turned)
        caplog.clear()
        places = opened(tmp_path)
        assert places.found.items() <= {0: Place(0, 0), 1: Place(8, 2), 2: Place(9, 9)}.items()
        assert (
            f"path={path}, offsets={bit // 8 // 28 * 28}; the file is kept in {path}.damaged"
            in caplog.text
        )
        assert Path(f"{path}.damaged").read_bytes() == turned
        places.close()


def test_a_disk_that_refuses_costs_the_numbers_alone(tmp_path: Path) -> None:
    """Where the folder cannot be made nothing is kept and nothing is raised."""
    (tmp_path / "file").write_text("")
    places = opened(tmp_path / "file" / "state")
    places.follow(1, lambda: Place(1, 1))
    assert (places.waiting, places.write_waiting()) == (0, Written.NOTHING)
    places.close()
