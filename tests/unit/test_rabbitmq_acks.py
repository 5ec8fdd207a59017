"""Which acknowledgements go out at the end of a turn, and that none of them takes too much."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.relay.rabbitmq.acks import Acknowledgements


class FakeChannel:
    """Keeps what is unacknowledged, as the broker does."""

    def __init__(self, deliveries: int) -> None:
        self.is_open = True
        self.sent: list[tuple[int, bool]] = []
        self.open_tags = set(range(1, deliveries + 1))

    def basic_ack(self, tag: int, multiple: bool = False) -> None:
        taken = {one for one in self.open_tags if one <= tag} if multiple else {tag}
        assert taken & self.open_tags, "acknowledging what is not open closes the channel"
        self.open_tags -= taken
        self.sent.append((tag, multiple))


class Turns:
    """The end of each turn of the I/O loop comes when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def end(self) -> None:
        for work in self.waiting:
            work()
        self.waiting.clear()


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel(5)


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def acks(channel: FakeChannel, turns: Turns) -> Acknowledgements:
    acks = Acknowledgements(channel, turns.waiting.append)
    for tag in range(1, 6):
        acks.handed_out(tag)
    return acks


def test_all_of_one_turn_are_one_command(
    acks: Acknowledgements, channel: FakeChannel, turns: Turns
) -> None:
    for tag in (2, 1, 3):
        acks.add(tag)
    assert channel.sent == []
    turns.end()
    assert channel.sent == [(3, True)]


def test_what_lies_beyond_one_in_work_goes_singly(
    acks: Acknowledgements, channel: FakeChannel, turns: Turns
) -> None:
    for tag in (5, 1, 4):
        acks.add(tag)
    turns.end()
    assert channel.sent == [(1, True), (4, False), (5, False)]
    acks.add(2)
    acks.add(3)
    turns.end()
    assert channel.sent[3:] == [(3, True)]
    assert channel.open_tags == set()


def test_what_was_given_back_is_passed_over(
    acks: Acknowledgements, channel: FakeChannel, turns: Turns
) -> None:
    acks.given_back(1)
    channel.open_tags.remove(1)
    acks.add(2)
    turns.end()
    assert channel.sent == [(2, True)]


def test_on_a_closed_channel_nothing_is_sent(
    acks: Acknowledgements, channel: FakeChannel, turns: Turns
) -> None:
    acks.add(1)
    channel.is_open = False
    turns.end()
    assert channel.sent == []


def test_what_is_due_can_be_sent_at_once(
    acks: Acknowledgements, channel: FakeChannel, turns: Turns
) -> None:
    acks.add(1)
    acks.send()
    assert channel.sent == [(1, True)]
    turns.end()
    assert channel.sent == [(1, True)]


@given(st.permutations(range(1, 13)), st.sets(st.integers(1, 12)), st.sets(st.integers(0, 11)))
def test_exactly_what_was_acknowledged_is_acknowledged(
    order: list[int], in_work: set[int], turn_ends: set[int]
) -> None:
    channel, turns = FakeChannel(12), Turns()
    acks = Acknowledgements(channel, turns.waiting.append)
    for tag in range(1, 13):
        acks.handed_out(tag)
    for position, tag in enumerate(order):
        if tag not in in_work:
            acks.add(tag)
        if position in turn_ends:
            turns.end()
    turns.end()
    assert channel.open_tags == in_work
