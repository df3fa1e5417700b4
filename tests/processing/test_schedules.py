"""Ticks of many schedules on one clock (section 3)."""

from __future__ import annotations

from procengine.clock import VirtualClock
from procengine.model.duration import HOUR, MINUTE, SECOND
from procengine.model.trigger_spec import CronSpec, EverySpec, ScheduleSpec, parse_trigger_spec
from procengine.processing.schedules import Schedule, Schedules


def spec(text: str) -> ScheduleSpec:
    """Return a schedule's specification."""
    parsed = parse_trigger_spec(text)
    assert isinstance(parsed, CronSpec | EverySpec)
    return parsed


class Ticker:
    """A schedule and what it called."""

    def __init__(self, text: str) -> None:
        self.ticks = 0
        self.ended = 0
        self.schedule = Schedule(spec(text), self._tick, self._end)

    def _tick(self) -> None:
        self.ticks += 1

    def _end(self) -> None:
        self.ended += 1

    def taken(self) -> list[int]:
        """Take all ticks that wait; in seconds."""
        times = []
        while (instant_ns := self.schedule.take()) is not None:
            times.append(instant_ns // SECOND)
        return times


def test_every_ticks_on_multiples_of_its_period_from_the_next_on() -> None:
    """The first tick is the next multiple strictly after the start, and each follows the one before."""
    clock = VirtualClock(100 * SECOND)
    schedules, ticker = Schedules(clock), Ticker("every:20s")
    schedules.add(ticker.schedule)
    assert ticker.schedule.next_ns == 120 * SECOND
    clock.advance(65)
    assert (ticker.ticks, ticker.schedule.next_ns) == (3, 180 * SECOND)
    assert ticker.taken() == [120, 140, 160]


def test_a_cron_ticks_first_strictly_after_the_start() -> None:
    """At a match the next match is the first tick."""
    clock = VirtualClock(HOUR)
    schedules, ticker = Schedules(clock), Ticker("cron:0 * * * * *")
    schedules.add(ticker.schedule)
    clock.advance(60)
    assert ticker.taken() == [3660]


def test_ten_thousand_schedules_at_one_instant_share_an_alarm() -> None:
    """None of their ticks is lost, and the clock holds one entry for all."""
    clock = VirtualClock()
    schedules = Schedules(clock)
    tickers = [Ticker("every:1s") for _ in range(10_000)]
    for ticker in tickers:
        schedules.add(ticker.schedule)
    assert schedules.instant_count == 1
    clock.advance(2)
    assert {ticker.ticks for ticker in tickers} == {2}
    assert schedules.instant_count == 1


def test_ticks_that_wait_are_counted_not_kept() -> None:
    """A schedule that cannot keep up keeps a count; the times come out in order all the same."""
    clock = VirtualClock()
    schedules, ticker = Schedules(clock), Ticker("cron:*/10 * * * * *")
    schedules.add(ticker.schedule)
    clock.advance(100_000)
    assert ticker.schedule.waiting == 10_000
    assert ticker.schedule.take() == 10 * SECOND
    assert ticker.taken() == list(range(20, 100_001, 10))


def test_a_removed_schedule_ticks_no_more() -> None:
    """Its alarm goes too when it was alone; others at the same instant go on; removing twice is allowed."""
    clock = VirtualClock()
    schedules, one, other = Schedules(clock), Ticker("every:1m"), Ticker("every:1m")
    schedules.add(one.schedule)
    schedules.add(other.schedule)
    schedules.remove(one.schedule)
    schedules.remove(one.schedule)
    clock.advance(60)
    assert (one.ticks, other.ticks) == (0, 1)
    schedules.remove(other.schedule)
    assert (schedules.instant_count, clock.next_due_ns) == (0, None)


def test_a_schedule_may_be_removed_by_a_tick() -> None:
    """A tick that stops its own schedule, or a neighbour, is the last of it."""
    clock = VirtualClock()
    schedules, neighbour = Schedules(clock), Ticker("every:1s")
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        schedules.remove(own)
        schedules.remove(neighbour.schedule)

    own = Schedule(spec("every:1s"), tick, lambda: None)
    schedules.add(own)
    schedules.add(neighbour.schedule)
    clock.advance(5)
    assert (ticks, neighbour.ticks, schedules.instant_count) == ([1], 0, 0)


def test_a_cron_ends_after_its_last_tick() -> None:
    """When no match is left it says so once; the last tick still comes."""
    clock = VirtualClock()
    schedules, ticker = Schedules(clock), Ticker("cron:0 0,1 0 1 1 * 1971")
    schedules.add(ticker.schedule)
    clock.advance(370 * 86_400)
    assert (ticker.taken(), ticker.ended) == ([365 * 86_400, 365 * 86_400 + MINUTE // SECOND], 1)
    late = Ticker("cron:0 0 0 1 1 * 1971")
    schedules.add(late.schedule)
    assert (late.ended, late.schedule.next_ns) == (1, None)
