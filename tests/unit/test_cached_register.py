"""The stages' copy of the register: fresh enough, and steady while the database is away."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from threading import Event, Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.base.errors import Unavailable
from shared.store.sources import ACTIVE_AGE, MAX_AGE, CachedRegister, SourceSystem

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


def test_nobody_finds_a_system_in_a_copy_older_than_five_seconds(register: FakeRegister) -> None:
    assert timedelta(seconds=5) >= ACTIVE_AGE
    loading, answer = Event(), Event()

    def load() -> Mapping[str, SourceSystem]:
        rows = register.load()
        if register.loads > 1:
            loading.set()
            assert answer.wait(10)
        return rows

    cached = CachedRegister(load, clock=register.clock)
    cached.find("SE-A")
    register.rows.clear()
    register.now += ACTIVE_AGE
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cached.find, "SE-A")
        assert loading.wait(10)
        second = pool.submit(cached.find, "SE-A")
        wait([second], timeout=0.05)
        answer.set()
        assert (first.result(), second.result()) == (None, None)


def test_a_system_that_was_just_activated_is_found_in_a_newer_copy(register: FakeRegister) -> None:
    cached = register.cached()
    cached.find("SE-A")
    register.rows["SE-B"] = SOURCE
    assert cached.find("SE-B") == SOURCE


def test_unknown_systems_of_one_question_cost_one_load(register: FakeRegister) -> None:
    cached = register.cached()
    cached.find("SE-A")
    assert cached.find_all(["SE-a", *(f"SE-{number}" for number in range(100))]) == {"SE-A": SOURCE}
    assert register.loads == 2


def test_while_the_database_is_away_nobody_is_called_unknown(register: FakeRegister) -> None:
    cached = register.cached()
    cached.find("SE-A")
    register.away = True
    with pytest.raises(Unavailable):
        cached.find("SE-B")
    assert cached.find("SE-A") == SOURCE
    assert cached.ready()


class GatedRegister:
    """A register whose second load waits, so that others ask while it is under way."""

    def __init__(self, register: FakeRegister) -> None:
        self._register = register
        self.loading = Event()
        self.answer = Event()
        self.cached = CachedRegister(self._load, clock=register.clock)
        self.cached.find("SE-A")

    def _load(self) -> Mapping[str, SourceSystem]:
        second = self._register.loads == 1
        try:
            return self._register.load()
        finally:
            if second:
                self.loading.set()
                assert self.answer.wait(10)

    def ask(self, hsa_id: str, times: int) -> list[SourceSystem | None]:
        """Ask once, and `times` more while that load is under way; what the latter answer."""
        with ThreadPoolExecutor(times + 1) as pool:
            first = pool.submit(self.cached.find, hsa_id)
            assert self.loading.wait(10)
            self._register.rows[hsa_id] = SOURCE
            others = [pool.submit(self.cached.find, hsa_id) for _ in range(times)]
            wait(others, timeout=0.1, return_when=FIRST_COMPLETED)
            self.answer.set()
            wait([first])
            return [other.result() for other in others]


def test_who_asks_while_a_load_is_under_way_does_not_believe_it(register: FakeRegister) -> None:
    assert GatedRegister(register).ask("SE-B", times=24) == [SOURCE] * 24
    assert register.loads == 3  # the first copy, the one under way, and one for all 24


def test_those_who_wait_share_a_failure_too(register: FakeRegister) -> None:
    gated = GatedRegister(register)
    register.away = True
    with pytest.raises(Unavailable):
        gated.ask("SE-B", times=24)
    assert register.loads == 3


SYSTEMS = ("SE-A", "SE-B")
#: A system is activated or deactivated, or the database goes or comes back.
CHANGES = st.sampled_from([*SYSTEMS, "outage"])
ROUNDS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 1.0, 2.0, 4.9, 5.0, 3600.0]),  # idle seconds before
        st.lists(CHANGES, max_size=2),  # while idle
        st.lists(st.sampled_from(SYSTEMS), min_size=1, max_size=4),  # asked at once
        st.lists(CHANGES, max_size=2),  # during their load
        st.lists(st.sampled_from(SYSTEMS), max_size=4),  # asked meanwhile
    ),
    min_size=1,
    max_size=5,
)


class World:
    """A register with a history, and threads that ask for its systems.

    `states`: since when (fake seconds), which systems were active, and whether the database
    answered. They are in order, so that an index is a moment.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(8)
        self._changing = Lock()
        self._during_load: Callable[[], None] | None = None
        self.now = 0.0
        self.states: list[tuple[float, frozenset[str], bool]] = [(0.0, frozenset(), True)]
        self._cached = CachedRegister(self._load, clock=lambda: NOON + timedelta(seconds=self.now))

    def change(self, what: str) -> None:
        with self._changing:
            _, active, reachable = self.states[-1]
            if what == "outage":
                reachable = not reachable
            else:
                active = active ^ {what}
            self.states.append((self.now, active, reachable))

    def round(self, asked: list[str], changes: list[str], asked_meanwhile: list[str]) -> None:
        late: list[Future[None]] = []

        def meanwhile() -> None:
            for what in changes:
                self.change(what)
            late.extend(self._pool.submit(self._ask, hsa_id) for hsa_id in asked_meanwhile)
            wait(late, timeout=0.01)

        self._during_load = meanwhile
        for early in [self._pool.submit(self._ask, hsa_id) for hsa_id in asked]:
            early.result()
        if (left := self._take_hook()) is not None:
            left()
        for one in late:
            one.result()

    def close(self) -> None:
        self._pool.shutdown()

    def _load(self) -> Mapping[str, SourceSystem]:
        _, active, reachable = self.states[-1]
        if hook := self._take_hook():
            hook()
        if not reachable:
            raise Unavailable("database_unavailable")
        return dict.fromkeys(active, SOURCE)

    def _take_hook(self) -> Callable[[], None] | None:
        with self._changing:
            hook, self._during_load = self._during_load, None
            return hook

    def _ask(self, hsa_id: str) -> None:
        begun = len(self.states) - 1
        try:
            found = self._cached.find(hsa_id) is not None
        except Unavailable:
            assert not all(reachable for _, _, reachable in self._seen(begun))
            return
        if not found:
            assert any(hsa_id not in active and up for _, active, up in self._seen(begun))
        elif all(up for _, _, up in self._seen(self._five_seconds_ago())):
            since = self._seen(self._five_seconds_ago())
            assert any(hsa_id in active for _, active, _ in since)

    def _seen(self, since: int) -> list[tuple[float, frozenset[str], bool]]:
        return self.states[since:]

    def _five_seconds_ago(self) -> int:
        """The state that was in force then."""
        earlier = [n for n, (at, _, _) in enumerate(self.states) if at <= self.now - 5]
        return earlier[-1] if earlier else 0


@given(ROUNDS)
@settings(deadline=None)
def test_every_answer_is_one_that_the_register_justifies(
    rounds: list[tuple[float, list[str], list[str], list[str], list[str]]],
) -> None:
    """Not active: it was not, at a moment since the question. Active: it was within five seconds,
    or the database was unavailable since. Unavailable: the database was."""
    world = World()
    try:
        for idle, changes, asked, changes_meanwhile, asked_meanwhile in rounds:
            for what in changes:
                world.change(what)
            world.now += idle
            world.round(asked, changes_meanwhile, asked_meanwhile)
    finally:
        world.close()
