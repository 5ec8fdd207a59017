"""Wrong clocks: jumps are ridden out, the database's clock rules, a difference is reported."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.base.clock import SteadyClock
from shared.store.clock import DIFFERENCE, DatabaseClock
from shared.store.engine import DatabaseUnavailable
from tests.booking_samples import NOON, HandClock

SIX_HOURS = 6 * 3600.0
EVENT = "clock_differs"


class Machine:
    """A machine's clock, which may be set wrong, and its monotonic one."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.seconds = 0.0

    def pass_time(self, seconds: float) -> None:
        self.clock.forward(seconds)
        self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds


class OwnClockDatabase:
    """A database whose clock is at NOON plus what passed on the machine."""

    has_clock = True

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.away = False
        self.readings = 0
        self.takes = 0.0

    @contextmanager
    def single(self) -> Iterator[Any]:
        if self.away:
            raise DatabaseUnavailable("OperationalError")
        yield self

    def execute(self, _statement: object) -> Any:
        self.readings += 1
        self.machine.pass_time(self.takes)
        return self

    def scalar_one(self) -> datetime:
        return NOON + timedelta(seconds=self.machine.seconds)


class World:
    def __init__(self, *, machine_ahead: float = 0) -> None:
        self.machine = Machine()
        self.machine.clock.forward(machine_ahead)
        self.database = OwnClockDatabase(self.machine)
        self.clock = DatabaseClock(
            self.database,  # type: ignore[arg-type]
            system=self.machine.clock,
            monotonic=self.machine.monotonic,
        )


class TestSteadyClock:
    def test_it_follows_the_machine(self) -> None:
        machine = Machine()
        clock = SteadyClock(machine.clock, machine.monotonic)
        machine.pass_time(3600)
        assert clock() == NOON + timedelta(hours=1)

    @pytest.mark.parametrize("jump", [SIX_HOURS, -SIX_HOURS])
    def test_a_jump_that_does_not_last_is_not_seen(self, jump: float) -> None:
        machine = Machine()
        clock = SteadyClock(machine.clock, machine.monotonic)
        machine.clock.forward(jump)
        clock()
        machine.pass_time(30)
        assert clock() == NOON + timedelta(seconds=30)
        machine.clock.forward(-jump)
        assert clock() == NOON + timedelta(seconds=30)

    def test_a_jump_that_lasts_is_a_correction(self) -> None:
        machine = Machine()
        clock = SteadyClock(machine.clock, machine.monotonic)
        machine.clock.forward(SIX_HOURS)
        clock()
        machine.pass_time(60)
        assert clock() == NOON + timedelta(seconds=SIX_HOURS + 60)

    def test_a_clock_that_is_slowly_corrected_is_followed(self) -> None:
        machine = Machine()
        clock = SteadyClock(machine.clock, machine.monotonic)
        for _ in range(10):
            machine.clock.forward(0.5)
            assert clock() == machine.clock()


class TestDatabaseClock:
    @pytest.mark.parametrize("ahead", [0, SIX_HOURS, -SIX_HOURS])
    def test_the_database_rules(self, ahead: float) -> None:
        world = World(machine_ahead=ahead)
        assert world.clock() == NOON
        world.machine.pass_time(100)
        assert world.clock() == NOON + timedelta(seconds=100)
        assert world.database.readings == 1

    def test_a_jump_of_the_machine_is_not_seen(self) -> None:
        world = World()
        world.clock()
        world.machine.clock.forward(SIX_HOURS)
        assert world.clock() == NOON

    def test_it_is_read_again_every_five_seconds(self) -> None:
        world = World()
        for _ in range(50):
            world.clock.agrees()
            world.machine.pass_time(0.25)
        assert world.database.readings == 3

    @pytest.mark.parametrize(("ahead", "agrees"), [(4, True), (6, False), (-4, True), (-6, False)])
    def test_a_machine_that_differs_by_more_than_five_seconds_is_not_ready(
        self, ahead: float, *, agrees: bool
    ) -> None:
        assert World(machine_ahead=ahead).clock.agrees() is agrees
        assert DIFFERENCE._value.get() == ahead  # type: ignore[attr-defined]

    def test_the_difference_is_logged_once_a_minute(self) -> None:
        world = World(machine_ahead=SIX_HOURS)
        with capture_logs() as lines:
            for _ in range(30):
                world.clock.agrees()
                world.machine.pass_time(5)
        logged = [line["seconds_ahead"] for line in lines if line["event"] == EVENT]
        assert logged == [SIX_HOURS] * 3

    def test_a_database_that_was_never_read_is_unavailable(self) -> None:
        world = World()
        world.database.away = True
        assert not world.clock.agrees()
        with pytest.raises(DatabaseUnavailable):
            world.clock()

    def test_an_outage_later_changes_nothing(self) -> None:
        world = World()
        assert world.clock.agrees()
        world.database.away = True
        world.machine.pass_time(60)
        assert world.clock.agrees()
        assert world.clock() == NOON + timedelta(seconds=60)

    def test_a_slow_answer_says_nothing_of_the_time(self) -> None:
        world = World()
        world.database.takes = 2
        with pytest.raises(DatabaseUnavailable):
            world.clock()

    def test_half_of_the_round_trip_is_allowed_for(self) -> None:
        world = World()
        world.database.takes = 0.4
        # This database answers at the end of the 0.4 s, and half of them are added.
        assert world.clock() == NOON + timedelta(seconds=0.6)
