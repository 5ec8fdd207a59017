"""Dead letters, and what is told of the queues: identical on the embedded broker and RabbitMQ."""

from datetime import UTC, datetime

import pytest

from shared.relay.broker import DISCARD, KEEP, REPLAY, Broker, Envelope, Failure, Outgoing
from shared.relay.topology import READING_STAGES
from tests.brokers import Reader, dead, dead_count, message, opened, ready_count
from tests.polling import eventually

# Dead letters


@pytest.fixture
def letters(broker: Broker) -> list[str]:
    names = ["one", "two", "three"]
    broker.publish([dead(name) for name in names])
    return names


def test_looking_at_dead_letters_leaves_them_as_they_are(
    broker: Broker, letters: list[str]
) -> None:
    for _ in range(3):
        found = _look(broker)
        assert found == letters
    assert dead_count(broker) == 3


def _look(broker: Broker) -> list[str]:
    """As soon as those that were looked at before are back."""
    eventually(lambda: dead_count(broker) == 3)
    return [letter.message_id for letter in broker.dead_letters("filter")]


def test_looking_can_end_early(broker: Broker, letters: list[str]) -> None:
    walk = broker.dead_letters("filter")
    assert next(walk).message_id == letters[0]
    walk.close()  # type: ignore[attr-defined] - both brokers' walks are generators
    eventually(lambda: dead_count(broker) == 3)


def test_a_dead_letter_tells_how_it_died(broker: Broker) -> None:
    instant = datetime(2026, 12, 3, 9, 0, tzinfo=UTC)
    letter = Envelope(
        "a",
        b"body",
        attempt=7,
        history=(Failure(at=instant, stage="filter", reason="bug", error="KeyError"),),
        dead_reason="bug",
        dead_since=instant,
        origin="filter",
    )
    broker.publish([Outgoing("filter.dead", letter)])
    assert list(broker.dead_letters("filter")) == [letter]


def test_each_letter_meets_the_fate_decided_for_it(broker: Broker, letters: list[str]) -> None:
    fates = dict(zip(letters, [REPLAY, KEEP, DISCARD], strict=True))
    assert broker.take_dead("filter", lambda letter: fates[letter.message_id]) == 2
    eventually(lambda: dead_count(broker) == 1)
    assert [letter.message_id for letter in broker.dead_letters("filter")] == ["two"]
    replayed = Reader(broker).next_one().envelope
    assert (replayed.message_id, replayed.attempt, replayed.replays) == ("one", 1, 1)
    assert (replayed.dead_reason, replayed.dead_since) == ("", None)


def test_no_more_letters_are_taken_than_allowed(broker: Broker, letters: list[str]) -> None:
    assert broker.take_dead("filter", lambda _letter: DISCARD, limit=2) == 2
    eventually(lambda: dead_count(broker) == 1)
    assert [letter.message_id for letter in broker.dead_letters("filter")] == letters[2:]


def test_taking_none_is_allowed(broker: Broker, letters: list[str]) -> None:
    assert broker.take_dead("filter", lambda _letter: DISCARD, limit=0) == 0
    eventually(lambda: dead_count(broker) == len(letters))


def test_a_letter_that_dies_again_on_replay_is_walked_once(broker: Broker) -> None:
    broker.publish([dead("a")])
    reader = Reader(broker, answer=lambda _delivery: [dead("a")])
    assert broker.take_dead("filter", lambda _letter: REPLAY) == 1
    reader.next_one()
    eventually(lambda: dead_count(broker) == 1)


def test_an_error_while_deciding_leaves_the_letters(broker: Broker, letters: list[str]) -> None:
    def decide(_letter: Envelope) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broker.take_dead("filter", decide)  # type: ignore[arg-type] - it never answers
    eventually(lambda: dead_count(broker) == len(letters))


# What is told of the queues


def test_states_tell_how_full_the_queues_are(broker: Broker) -> None:
    broker.publish([message("a"), message("b"), message("c", "composer"), dead("d")])
    eventually(lambda: ready_count(broker) == 2)
    states = broker.states()
    assert [state.stage for state in states] == list(READING_STAGES)
    assert [state.ready for state in states] == [2, 0, 1, 0]
    assert [state.dead for state in states] == [1, 0, 0, 0]


def test_what_is_handed_out_is_not_ready(broker: Broker) -> None:
    broker.publish([message("a")])
    Reader(broker).next_one()
    state = broker.states()[0]
    assert state.ready == 0
    assert state.unacknowledged in {1, None}


def test_what_is_delayed_is_not_ready(broker: Broker) -> None:
    broker.publish([message("a", delay=1)])
    state = broker.states()[0]
    assert state.ready == 0
    assert state.delayed in {1, None}


def test_ready_once_it_is_connected(broker: Broker) -> None:
    assert broker.ready()
    reader = Reader(broker)
    eventually(lambda: reader.consumer.connected)
    reader.consumer.close()
    assert not reader.consumer.connected


def test_nothing_need_be_declared_before_use(broker_url: str) -> None:
    """A stage may start before `budkavle setup` ran, or after somebody emptied the broker."""
    with opened(broker_url) as broker:
        broker.publish([message("a"), message("b", delay=0.2)])
        Reader(broker).wait_for(2)


def test_nothing_is_missing_that_was_declared(broker: Broker) -> None:
    assert broker.missing() == []


def test_declaring_again_changes_nothing(broker: Broker) -> None:
    broker.publish([message("a")])
    broker.declare()
    eventually(lambda: ready_count(broker) == 1)
