"""One operator at a time at the dead letters of a stage: identical on both brokers."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.relay import dead_queue
from shared.relay.broker import REPLAY, Aside, Broker, BrokerUnavailable, DeadQueueBusy, Outgoing
from shared.relay.dead_queue import BATCH, read_all
from shared.relay.disposition import StageDelivery
from shared.relay.outcomes import Done
from shared.relay.replay_reports import read_report
from shared.relay.topology import Place
from tests.brokers import FAST, Reader, dead, dead_count, message, opened, ready_count
from tests.polling import eventually

MANY = 12 * BATCH


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for another operator; consumers of letters succeed each other soon."""
    monkeypatch.setattr("shared.relay.rabbitmq.dead_queue._WINDOW", 100)
    for module in ("shared.relay.embedded.broker", "shared.relay.rabbitmq.broker"):
        monkeypatch.setattr(f"{module}.HOLD_WITHIN", 0.5)
    assert dead_queue.HOLD_WITHIN > 1


@pytest.fixture
def other(broker_url: str) -> Iterator[Broker]:
    """A second operator's, in a process of its own as far as the broker can see."""
    with opened(broker_url) as broker:
        yield broker


def names(letters: object) -> list[str]:
    return [letter.message_id for letter in letters]  # type: ignore[attr-defined]


def test_looking_takes_nothing_from_a_replay_that_runs(broker: Broker, other: Broker) -> None:
    expected = [str(number) for number in range(MANY)]
    broker.publish([dead(name) for name in expected])
    stopping, looks = threading.Event(), []

    def look() -> None:
        while not stopping.is_set():
            try:
                looks.append(len(list(other.dead_letters("filter"))))
            except DeadQueueBusy:
                looks.append(-1)

    looker = threading.Thread(target=look)
    looker.start()
    eventually(lambda: looks)
    assert broker_takes_all(broker) == MANY
    stopping.set()
    looker.join()
    assert dead_count(broker) == 0
    assert sorted(names(d.envelope for d in Reader(broker, prefetch=MANY).wait_for(MANY))) == (
        sorted(expected)
    )


def broker_takes_all(broker: Broker) -> int:
    def once() -> int:
        try:
            return broker.take_dead("filter", lambda _letter: REPLAY)
        except DeadQueueBusy:
            return 0

    return eventually(once)


def test_two_operators_do_not_meet_and_the_second_is_told_who_and_since_when(
    broker: Broker, other: Broker
) -> None:
    broker.publish([dead("a"), dead("b")])
    before = datetime.now(UTC)
    with broker.hold_dead("filter", by="anna", doing="replaying") as held:
        held.doing("replaying: 1 of 2")
        with (
            pytest.raises(DeadQueueBusy, match=r"filter are held by anna since .* 1 of 2") as busy,
            other.hold_dead("filter", by="bo", doing="discarding"),
        ):
            pass
        assert busy.value.holder is not None
        assert before - timedelta(seconds=1) < busy.value.holder.since < datetime.now(UTC)
        with other.hold_dead("fetcher", by="bo", doing="replaying"):
            pass  # another stage's letters are free
    with other.hold_dead("filter", by="bo", doing="replaying") as held:
        assert names(letter.envelope for letter in read_all(held)) == ["a", "b"]


def test_what_is_held_and_not_taken_is_back_at_once(broker: Broker, other: Broker) -> None:
    broker.publish([dead(str(number)) for number in range(MANY)])
    for _ in range(3):
        with other.hold_dead("filter", by="bo", doing="looking") as held:
            assert len(list(read_all(held))) == MANY


def test_letters_are_moved_and_come_back_as_they_were(broker: Broker) -> None:
    broker.publish([dead("a"), dead("b")])
    aside = Aside(at=datetime(2026, 12, 3, tzinfo=UTC), by="anna", note="the region was told")
    with broker.hold_dead("filter", by="anna", doing="parking") as held:
        first = held.read(1)
        parked = first[0].envelope._replace(aside=aside)
        held.take(first, [Outgoing("filter.parked", parked)])
    assert names(broker.dead_letters("filter")) == ["b"]
    assert list(broker.dead_letters("filter", Place.PARKED)) == [parked]
    state = broker.states()[0]
    assert (state.dead, state.parked, state.discarded) == (1, 1, 0)


def test_the_stage_reports_what_became_of_a_letter_of_a_followed_replay(broker: Broker) -> None:
    broker.publish([dead("a")])

    def answer(delivery: object) -> list[Outgoing]:
        now = datetime.now(UTC)
        hop = StageDelivery("filter", delivery.envelope, now, FAST)  # type: ignore[attr-defined]
        return list(hop.disposition(Done("delivered")).publish)

    Reader(broker, answer=answer)
    with broker.hold_dead("filter", by="anna", doing="replaying") as held:
        letters = held.read(1)
        held.take(letters, [Outgoing("filter", letters[0].envelope.replayed("run1"))])
        reported = eventually(held.reports)
        assert read_report(reported[0]) == ("run1", "a", "done", "delivered")
        assert held.reports() == []


def test_nothing_is_removed_when_the_publish_is_refused(broker: Broker) -> None:
    broker.publish([dead("a")])
    with (
        broker.hold_dead("filter", by="anna", doing="replaying") as held,
        pytest.raises(Exception, match="unroutable"),
    ):
        held.take(held.read(1), [message("a", "nowhere")])
    eventually(lambda: dead_count(broker) == 1)
    assert ready_count(broker) == 0


def test_a_hold_outlasts_a_rest(broker: Broker) -> None:
    broker.publish([dead("a")])
    with broker.hold_dead("filter", by="anna", doing="replaying") as held:
        held.rest(0.3)
        held.take(held.read(1))
    assert dead_count(broker) == 0


def test_delays_are_told_by_step(broker: Broker) -> None:
    broker.publish([message("a", delay=1), message("b", "composer", delay=1)])
    assert broker.delays() == {timedelta(seconds=0.2): 0, timedelta(seconds=1): 2}
    assert {state.delayed_total for state in broker.states()} == {2}


def test_a_hold_that_is_lost_takes_nothing(broker: Broker) -> None:
    """The process slept, or the connection went: another may be at work by now."""
    broker.publish([dead("a")])
    with pytest.raises(BrokerUnavailable):
        lose_the_hold_and_take(broker)
    eventually(lambda: dead_count(broker) == 1)


def lose_the_hold_and_take(broker: Broker) -> None:
    with broker.hold_dead("filter", by="anna", doing="replaying") as held:
        letters = held.read(1)
        lose_the_hold(held)
        held.take(letters)


def lose_the_hold(held: object) -> None:
    if hasattr(held, "_connection"):
        held._connection.close()
    else:
        held._lock.release()  # type: ignore[attr-defined]
