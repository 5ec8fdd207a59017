"""The stages' copy of the register: fresh enough, and steady while the database is away."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from shared.base.errors import Unavailable
from shared.store.sources import MAX_AGE, MISS_AGE, CachedRegister, SourceSystem

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SOURCE = SourceSystem("SE-a", "A", "qa", 5.0, 4, "anna", NOON)


class FakeRegister:
    """A register whose rows, reachability and time are the test's."""

    def __init__(self) -> None:
        self.rows: dict[str, SourceSystem] = {"SE-A": SOURCE}
        self.away = False
        self.loads = 0
        self.now = NOON

    def load(self) -> Mapping[str, SourceSystem]:
        self.loads += 1
        if self.away:
            raise Unavailable("database_unavailable")
        return dict(self.rows)

    def clock(self) -> datetime:
        return self.now

    def cached(self) -> CachedRegister:
        return CachedRegister(self.load, clock=self.clock)


@pytest.fixture
def register() -> FakeRegister:
    return FakeRegister()


def test_finds_without_regard_to_case(register: FakeRegister) -> None:
    assert register.cached().find(" se-A ") == SOURCE
    assert register.cached().find("SE-B") is None


def test_asks_the_database_once_while_the_copy_is_fresh(register: FakeRegister) -> None:
    cached = register.cached()
    for _ in range(100):
        cached.find("SE-A")
    assert register.loads == 1


def test_a_change_takes_effect_when_the_copy_is_old(register: FakeRegister) -> None:
    cached = register.cached()
    cached.find("SE-A")
    register.rows.clear()
    register.now += MAX_AGE
    assert cached.find("SE-A") is None


def test_a_change_takes_effect_within_five_seconds() -> None:
    assert timedelta(seconds=5) > MAX_AGE


def test_a_clock_set_back_does_not_keep_an_old_copy_alive(register: FakeRegister) -> None:
    cached = register.cached()
    cached.find("SE-A")
    register.rows.clear()
    register.now -= timedelta(hours=1)
    assert cached.find("SE-A") is None


def test_goes_on_with_its_copy_while_the_database_is_away(register: FakeRegister) -> None:
    cached = register.cached()
    cached.find("SE-A")
    register.away = True
    register.now += timedelta(hours=1)
    assert cached.find("SE-A") == SOURCE


def test_a_database_that_is_away_is_not_asked_for_every_message(register: FakeRegister) -> None:
    cached = register.cached()
    cached.find("SE-A")
    register.away = True
    register.now += MAX_AGE
    for _ in range(100):
        cached.find("SE-A")
    assert register.loads == 2


def test_without_any_copy_the_message_must_wait(register: FakeRegister) -> None:
    register.away = True
    cached = register.cached()
    with pytest.raises(Unavailable) as outage:
        cached.find("SE-A")
    assert outage.value.reason == "register_unavailable"
    assert not cached.ready()
    register.away = False
    assert cached.ready()
    assert cached.find("SE-A") == SOURCE


def test_one_thread_loads_while_the_others_go_on(register: FakeRegister) -> None:
    loading, answer = Event(), Event()

    def load() -> Mapping[str, SourceSystem]:
        if register.load() and register.loads > 1:
            loading.set()
            assert answer.wait(10)
        return register.rows

    cached = CachedRegister(load, clock=register.clock)
    cached.find("SE-A")
    register.now += MAX_AGE
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cached.find, "SE-A")
        assert loading.wait(10)
        assert cached.find("SE-A") == SOURCE
        answer.set()
        assert slow.result() == SOURCE
    assert register.loads == 2


def test_a_system_that_was_just_activated_is_found_in_a_newer_copy(register: FakeRegister) -> None:
    cached = register.cached()
    cached.find("SE-A")
    register.rows["SE-B"] = SOURCE
    register.now += MISS_AGE
    assert cached.find("SE-B") == SOURCE


def test_unknown_systems_do_not_ask_the_database_each_time(register: FakeRegister) -> None:
    cached = register.cached()
    for _ in range(100):
        cached.find("SE-B")
    assert register.loads == 1
