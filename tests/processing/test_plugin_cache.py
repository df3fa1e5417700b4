"""``influxdb3_local.cache``: section 5."""

from __future__ import annotations

import math

import pytest

from procengine.clock import VirtualClock
from procengine.processing.first_looks import FirstLooks
from procengine.processing.plugin_cache import PluginCache
from procengine.processing.py_cache import PyCache

SECOND = 1_000_000_000


@pytest.fixture
def clock() -> VirtualClock:
    """A clock at one second."""
    return VirtualClock(SECOND)


@pytest.fixture
def caches(clock: VirtualClock) -> PluginCache:
    """The plugin cache of one engine."""
    return PluginCache(clock)


@pytest.fixture
def cache(caches: PluginCache) -> PyCache:
    """The view of one trigger."""
    return caches.for_trigger("db", 1)


def test_values_are_held_by_reference(cache: PyCache) -> None:
    """Section 5: what is put is what comes back, the same object."""
    value = [1]
    cache.put("k", value)
    assert cache.get("k") is value


def test_missing_keys(cache: PyCache) -> None:
    """Section 5: ``get`` falls back to its default, ``delete`` tells whether there was a value."""
    assert cache.get("k") is None
    assert cache.get("k", 5) == 5
    assert cache.delete("k") is False
    cache.put("k", 0)
    assert cache.delete("k") is True
    assert cache.get("k", "gone") == "gone"


@pytest.mark.parametrize("key", ["\udc80", "a\ud800", 5, b"a", None])
def test_keys_are_text(cache: PyCache, key: object) -> None:
    """A key that no binding to Rust takes is refused by all three calls, and so is a flag that is none."""
    wanted: type[Exception] = UnicodeEncodeError if isinstance(key, str) else TypeError
    for call in (cache.get, cache.delete, lambda key: cache.put(key, 1)):
        with pytest.raises(wanted):
            call(key)  # type: ignore[arg-type]
    for flag in (0, 1, "yes"):
        with pytest.raises(TypeError, match="use_global"):
            cache.get("key", use_global=flag)  # type: ignore[arg-type]


def test_namespaces(caches: PluginCache, cache: PyCache) -> None:
    """Section 5: local by database and trigger, global for the whole engine."""
    cache.put("k", "local")
    cache.put("k", "global", use_global=True)
    for other in (caches.for_trigger("db", 2), caches.for_trigger("other", 1)):
        assert other.get("k") is None
        assert other.get("k", use_global=True) == "global"
    assert caches.for_trigger("db", 1).get("k", use_global=False) == "local"


def test_time_to_live(cache: PyCache, clock: VirtualClock) -> None:
    """Section 5: a value expires when ``expires_at <= now``; without a time-to-live never."""
    cache.put("short", 1, 1.5)
    cache.put("never", 2)
    clock.advance(1.4)
    assert cache.get("short") == 1
    clock.advance(0.1)
    assert cache.get("short") is None
    clock.advance(1e9)
    assert cache.get("never") == 2


def test_zero_expires_at_once(cache: PyCache) -> None:
    """Section 5: a time-to-live of 0 expires instantly."""
    cache.put("k", 1, ttl=0)
    assert cache.get("k") is None


@pytest.mark.parametrize(
    ("ttl", "text"),
    [
        (-1, "value is negative"),
        (-1e-9, "value is negative"),
        (-math.inf, "value is negative"),
        (math.nan, "value is either too big or NaN"),
        (math.inf, "value is either too big or NaN"),
        (1e20, "value is either too big or NaN"),
    ],
)
def test_bad_time_to_live(cache: PyCache, ttl: float, text: str) -> None:
    """Section 5: negative, NaN and huge values are ValueErrors, and nothing is put."""
    with pytest.raises(ValueError, match="Duration") as raised:
        cache.put("k", 1, ttl)
    assert str(raised.value) == f"cannot convert float seconds to Duration: {text}"
    assert cache.get("k") is None


def test_put_again_replaces_the_time_to_live(
    caches: PluginCache, cache: PyCache, clock: VirtualClock
) -> None:
    """A key that is put again lives as long as the last put says, also past a sweep."""
    cache.put("k", 1, 5)
    cache.put("k", 2)
    clock.advance(20)
    caches.sweep()
    assert cache.get("k") == 2


def test_sweep_waits_ten_seconds(caches: PluginCache, cache: PyCache, clock: VirtualClock) -> None:
    """Section 5: expired values are removed when ``cache`` is read ten seconds after the last sweep."""
    cache.put("k", object(), 1)
    clock.advance(9.9)
    caches.sweep()
    assert "k" in cache.__local__.entries
    clock.advance(0.1)
    caches.sweep()
    assert "k" not in cache.__local__.entries


def test_test_caches_are_apart_and_expire(
    caches: PluginCache, cache: PyCache, clock: VirtualClock
) -> None:
    """Sections 5 and 7: dry runs have local and global namespaces by name; values last 30 minutes."""
    cache.put("k", "real", use_global=True)
    test = caches.for_test()
    assert test.get("k", use_global=True) is None
    test.put("k", "test")
    assert caches.for_test("_shared_test").get("k") == "test"
    assert caches.for_test("mine").get("k") is None
    clock.advance(30 * 60)
    assert test.get("k") is None


def test_dropping_a_trigger(caches: PluginCache, cache: PyCache) -> None:
    """Section 5: the local cache goes with the trigger; one that still runs keeps its view."""
    cache.put("k", 1)
    cache.put("g", 2, use_global=True)
    assert caches.drop_trigger("db", 1) is True
    assert caches.drop_trigger("db", 1) is False
    assert caches.for_trigger("db", 1).get("k") is None
    assert caches.for_trigger("db", 1).get("g", use_global=True) == 2
    assert cache.get("k") == 1


def test_dropping_a_database(caches: PluginCache) -> None:
    """Section 5: the local caches of all its triggers go, and no others."""
    for database, trigger_id in (("db", 1), ("db", 2), ("other", 3)):
        caches.for_trigger(database, trigger_id).put("k", trigger_id)
    caches.drop_database("db")
    assert [(value.namespace, value.value) for value in caches.values()] == [("other/3", 3)]


def test_values_for_inspectors(caches: PluginCache, cache: PyCache, clock: VirtualClock) -> None:
    """Inspectors see what is held, with the time that is left, and nothing that has expired."""
    cache.put("a", 1, 10)
    cache.put("b", 2)
    cache.put("c", 3, 1)
    clock.advance(4)
    assert [(v.key, v.value, v.seconds_left) for v in caches.values()] == [("a", 1, 6.0), ("b", 2, None)]


def test_changes_of_watched_views(cache: PyCache) -> None:
    """A watched view tells what looks different: put, deleted, and changed in place without a put."""
    cache.put("list", [1])
    cache.put("gone", 1)
    cache.put("same", 1)
    watched = cache
    watched.__changes__ = FirstLooks(watched.__local__.namespace, watched.__store__)
    watched.get("list").append(2)
    watched.delete("gone")
    watched.put("same", 1)
    watched.put("new", "x", use_global=True)
    assert watched.__changes__.changes() == [
        ("list", False, "[1]", "[1, 2]"),
        ("gone", False, "1", None),
        ("new", True, None, "'x'"),
    ]


def test_destructors_may_use_the_cache(cache: PyCache) -> None:
    """A value's ``__del__`` that uses the cache again does not wait for itself."""

    class Leaving:
        def __del__(self) -> None:
            cache.put("left", True, 5)

    cache.put("k", Leaving(), 5)
    cache.put("k", None, 5)
    assert cache.get("left") is True


def test_version_tells_that_something_may_be_another(caches: PluginCache) -> None:
    """A run that touched a key, a change by hand and a dropped trigger move it; what nobody touched does not."""
    seen = [caches.version]

    def moved() -> bool:
        seen.append(caches.version)
        return seen[-1] not in seen[:-1]

    view = caches.for_trigger("db", 1)
    caches.end_run(view, run_id=1, guard=lambda work: work())
    assert not moved()
    view = caches.for_trigger("db", 1)
    view.put("k", [1])
    caches.end_run(view, run_id=2, guard=lambda work: work())
    assert moved()
    view = caches.for_trigger("db", 1)
    view.get("k").append(2)
    caches.end_run(view, run_id=3, guard=lambda work: work())
    assert moved()
    caches.put("k", 1)
    assert moved()
    caches.delete("k")
    assert moved()
    caches.drop_trigger("db", 1)
    assert moved()


def test_put_by_hand_expires_at_an_instant_or_after_seconds(
    caches: PluginCache, clock: VirtualClock
) -> None:
    """The instant of a value that was there can be kept."""
    caches.put("k", 1, ttl_seconds=10)
    (value,) = caches.values()
    clock.advance(4)
    caches.put("k", 2, expires_ns=value.expires_ns)
    (value,) = caches.values()
    assert (value.value, value.seconds_left) == (2, 6)
