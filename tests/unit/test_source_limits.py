"""The limits of a source within one process: calls in flight, slots, and many threads at once."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Lock

import pytest

from fetcher.answers import CallFailed, FetchRetryReason
from fetcher.limits import Permit, Source, SourceLimits, SourceWaitReason, Wait
from fetcher.slots import SECOND, SlotQueue
from shared.base.breaker import BreakerPolicy
from shared.base.clock import Clock, utcnow
from shared.base.errors import Unavailable
from tests.booking_samples import NOON, HandClock, LineInMemory, SampleSource

POLICY = BreakerPolicy(3, timedelta(seconds=5), timedelta(seconds=60), lambda: 1.0)
FAST = SampleSource(calls_per_second=1000)


class Unwatched:
    def call_ended(self, source: Source, result: str, seconds: float) -> None:
        pass

    def breaker_changed(self, source: Source, *, is_open: bool) -> None:
        pass


def limits(clock: Clock, line: LineInMemory | None = None, most: int = 8) -> SourceLimits:
    return SourceLimits(
        line or LineInMemory(), POLICY, most_in_flight=most, clock=clock, watch=Unwatched()
    )


def permits(admissions: Sequence[Permit | Wait]) -> list[Permit]:
    return [admission for admission in admissions if isinstance(admission, Permit)]


def end(permit: Permit) -> None:
    with permit:
        pass


@pytest.mark.parametrize(("in_flight", "most", "expected"), [(5, 8, 5), (20, 8, 8)])
def test_calls_in_flight_are_capped_by_the_register_and_by_the_process(
    in_flight: int, most: int, expected: int
) -> None:
    limit = limits(HandClock(), most=most)
    source = SampleSource(calls_per_second=1000, calls_in_flight=in_flight)
    admissions = [limit.admit(source, None) for _ in range(30)]
    assert len(permits(admissions)) == expected
    wait = admissions[-1]
    assert isinstance(wait, Wait)
    assert wait.reason is SourceWaitReason.SOURCE_SATURATED
    assert wait.until >= NOON + SECOND
    end(permits(admissions)[0])
    assert isinstance(limit.admit(source, None), Permit)


def test_a_failed_call_gives_its_place_back() -> None:
    limit = limits(HandClock())
    source = SampleSource(calls_per_second=1000, calls_in_flight=1)
    permit = limit.admit(source, None)
    assert isinstance(permit, Permit)
    with pytest.raises(CallFailed), permit:
        raise CallFailed(FetchRetryReason.TIMED_OUT, "")
    assert isinstance(limit.admit(source, None), Permit)


def test_hsa_ids_of_another_case_are_the_same_source() -> None:
    limit = limits(HandClock())
    one = SampleSource("se-a", calls_in_flight=1)
    assert isinstance(limit.admit(one, None), Permit)
    assert isinstance(limit.admit(SampleSource("SE-A", calls_in_flight=1), None), Wait)


def test_a_turn_that_lies_ahead_is_kept() -> None:
    line = LineInMemory()
    slot = NOON + timedelta(seconds=10)
    wait = limits(HandClock(), line).admit(FAST, slot)
    assert wait == Wait(SourceWaitReason.RATE_LIMITED, slot, slot)
    assert line.reserved == []


def test_messages_whose_turns_all_passed_while_we_were_away_do_not_all_go_at_once() -> None:
    clock = HandClock()
    limit = limits(clock)
    source = SampleSource(calls_per_second=5)
    gone = 0
    for number in range(3000):
        admission = limit.admit(source, NOON - timedelta(seconds=number))
        if isinstance(admission, Permit):
            end(admission)
            gone += 1
    assert gone == 16  # one now, and three seconds' calls


@pytest.mark.parametrize("ahead", [6 * 3600, 3])
def test_a_clock_that_was_ahead_for_a_moment_holds_no_source_up(ahead: float) -> None:
    clock = HandClock()
    limit = limits(clock)
    source = SampleSource(calls_per_second=5, calls_in_flight=100)
    clock.forward(ahead)
    for _ in range(30):
        limit.admit(source, None)
    clock.forward(-ahead)
    admission = limit.admit(source, NOON)
    assert isinstance(admission, Permit) is (ahead > 60)


def test_a_block_reserved_by_a_clock_that_was_ahead_is_given_up() -> None:
    own = SlotQueue("SE", LineInMemory())
    spacing = SECOND / 1000
    ahead = NOON + timedelta(hours=6)
    own.next(ahead, not_before=ahead, spacing=spacing)
    line = LineInMemory()
    own._slots = line
    assert own.next(NOON, not_before=NOON, spacing=spacing) == NOON


def test_a_lower_rate_takes_effect_on_turns_given_before() -> None:
    clock = HandClock()
    limit = limits(clock)
    for _ in range(10):
        clock.forward(1)
        slow = SampleSource(calls_per_second=0.1)
        admissions = [limit.admit(slow, clock() - timedelta(milliseconds=200 * n)) for n in (2, 1)]
        for permit in permits(admissions):
            end(permit)
    started = limit.admit(SampleSource(calls_per_second=0.1), clock())
    assert isinstance(started, Wait)


def test_an_outage_of_the_line_passes_through_and_holds_no_place() -> None:
    class Away(LineInMemory):
        away = True

        def reserve(
            self, hsa_key: str, *, now: datetime, not_before: datetime, span: timedelta
        ) -> datetime:
            if self.away:
                raise Unavailable("database_unavailable")
            return super().reserve(hsa_key, now=now, not_before=not_before, span=span)

    line = Away()
    limit = limits(HandClock(), line)
    source = SampleSource(calls_in_flight=1)
    with pytest.raises(Unavailable):
        limit.admit(source, None)
    line.away = False
    assert isinstance(limit.admit(source, None), Permit)


class TestTurnLine:
    def slots(self, line: LineInMemory, rate: float, count: int) -> list[datetime]:
        own = SlotQueue("SE", line)
        return [own.next(NOON, not_before=NOON, spacing=SECOND / rate) for _ in range(count)]

    def test_turns_follow_each_other_at_the_spacing(self) -> None:
        slots = self.slots(LineInMemory(), rate=5, count=30)
        assert slots == [NOON + timedelta(seconds=number / 5) for number in range(30)]

    def test_a_free_source_takes_no_turns_it_may_not_use(self) -> None:
        line = LineInMemory()
        self.slots(line, rate=5, count=1)
        assert line.reserved == [(NOON, SECOND / 5)]

    def test_a_busy_source_takes_them_by_the_second(self) -> None:
        line = LineInMemory()
        self.slots(line, rate=5, count=107)
        assert len(line.reserved) == 7 + 20

    def test_a_fast_source_costs_few_round_trips(self) -> None:
        line = LineInMemory()
        self.slots(line, rate=1000, count=1000)
        assert len(line.reserved) == 10

    def test_turns_not_used_for_a_second_are_given_up(self) -> None:
        line = LineInMemory()
        own = SlotQueue("SE", line)
        spacing = SECOND / 1000
        own.next(NOON, not_before=NOON, spacing=spacing)
        later = NOON + timedelta(seconds=30)
        assert own.next(later, not_before=later, spacing=spacing) == later

    def test_two_processes_share_one_line(self) -> None:
        line = LineInMemory()
        both = self.slots(line, rate=5, count=20) + self.slots(line, rate=5, count=20)
        assert len(set(both)) == 40


def test_many_threads_never_exceed_the_cap() -> None:
    limit = limits(utcnow, most=100)
    source = SampleSource(calls_per_second=10_000, calls_in_flight=3)
    lock, now_in_flight, most = Lock(), 0, 0

    def call(_number: int) -> bool:
        nonlocal now_in_flight, most
        admission = limit.admit(source, None)
        if isinstance(admission, Wait):
            return False
        with admission:
            with lock:
                now_in_flight += 1
                most = max(most, now_in_flight)
            time.sleep(0.001)
            with lock:
                now_in_flight -= 1
        return True

    with ThreadPoolExecutor(16) as pool:
        gone = sum(pool.map(call, range(500)))
    assert gone > 0
    assert most == 3
