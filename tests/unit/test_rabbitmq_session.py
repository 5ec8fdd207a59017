"""Confirms, returns and blocking on one channel, with a broker that says what the test wants."""

from collections.abc import Callable
from typing import Any

import pytest
from pika.frame import Method
from pika.spec import Basic, BasicProperties

from shared.relay.broker import BrokerError, BrokerUnavailable, PublishRefused
from shared.relay.rabbitmq.session import Session
from tests.brokers import message


class FakeChannel:
    """Takes what a session sends, and lets the test answer for the broker."""

    is_open = True

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.confirm: Callable[[Any], None]
        self.give_back: Callable[..., None]

    def add_on_return_callback(self, callback: Callable[..., None]) -> None:
        self.give_back = callback

    def confirm_delivery(self, callback: Callable[[Any], None]) -> None:
        self.confirm = callback

    def basic_publish(
        self, exchange: str, key: str, body: bytes, properties: Any, *, mandatory: bool
    ) -> None:
        assert mandatory
        assert properties.delivery_mode == 2
        properties.encode()  # as pika does before it sends anything
        self.sent.append((exchange, key))

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        self.confirm(Method(1, Basic.Ack(tag, multiple)))

    def nack(self, tag: int) -> None:
        self.confirm(Method(1, Basic.Nack(tag)))

    def unroutable(self, name: str, key: str) -> None:
        method = Basic.Return(312, "NO_ROUTE", "budkavle", key)
        self.give_back(self, method, BasicProperties(message_id=name), b"")


class Ends:
    """How batches ended, in the order they did."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, BrokerError | None]] = []

    def of(self, name: str) -> Callable[[BrokerError | None], None]:
        return lambda error: self.ended.append((name, error))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.ended]

    def error(self, name: str) -> BrokerError | None:
        (error,) = [error for ended, error in self.ended if ended == name]
        return error


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def unroutable_told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def session(channel: FakeChannel, unroutable_told: list[tuple[str, str]]) -> Session:
    return Session(
        channel,
        on_unroutable=lambda *address: unroutable_told.append(address),
        soon=lambda work: work(),
    )


@pytest.fixture
def ends() -> Ends:
    return Ends()


def test_a_batch_ends_with_its_last_confirm(
    session: Session, channel: FakeChannel, ends: Ends
) -> None:
    session.publish([message("a"), message("b")], ends.of("both"))
    channel.ack(2)
    assert ends.names == []
    channel.ack(1)
    assert ends.ended == [("both", None)]
    assert session.unanswered == 0


def test_one_confirm_may_answer_many(session: Session, channel: FakeChannel, ends: Ends) -> None:
    for name in "abcd":
        session.publish([message(name)], ends.of(name))
    channel.ack(2)
    channel.ack(3, multiple=True)
    assert ends.names == ["b", "a", "c"]
    channel.ack(4, multiple=True)
    assert ends.names == ["b", "a", "c", "d"]


def test_a_confirm_out_of_order_hides_no_earlier_message(
    session: Session, channel: FakeChannel, ends: Ends
) -> None:
    for name in "abcde":
        session.publish([message(name)], ends.of(name))
    channel.ack(1)
    channel.ack(4)
    channel.ack(5, multiple=True)
    assert sorted(ends.names) == list("abcde")


def test_what_cannot_be_encoded_fails_its_own_batch_and_no_other(
    session: Session, channel: FakeChannel, ends: Ends
) -> None:
    session.publish([message("n" * 256)], ends.of("alone"))
    assert session.unconfirmed_seconds == 0  # nothing was sent that could be confirmed
    session.publish([message("a"), message("n" * 256)], ends.of("failed"))
    session.publish([message("c")], ends.of("fine"))
    channel.ack(2, multiple=True)  # the broker counts what it was sent
    for name in ("alone", "failed"):
        assert isinstance(ends.error(name), PublishRefused)
    assert ends.error("fine") is None
    assert session.unanswered == 0


def test_one_nack_fails_its_whole_batch_and_no_other(
    session: Session, channel: FakeChannel, ends: Ends
) -> None:
    session.publish([message("a"), message("b")], ends.of("failed"))
    session.publish([message("c")], ends.of("fine"))
    channel.nack(1)
    channel.ack(3, multiple=True)
    assert isinstance(ends.error("failed"), PublishRefused)
    assert ends.error("fine") is None


def test_what_comes_back_is_refused_though_it_is_confirmed(
    session: Session, channel: FakeChannel, ends: Ends, unroutable_told: list[tuple[str, str]]
) -> None:
    session.publish([message("same", "filter")], ends.of("fine"))
    session.publish([message("same", "nobody")], ends.of("failed"))
    channel.unroutable("same", "nobody")
    channel.ack(2, multiple=True)
    assert isinstance(ends.error("failed"), PublishRefused)
    assert ends.error("fine") is None
    assert unroutable_told == [("budkavle", "nobody")]


def test_a_lost_session_fails_all_that_is_unanswered(
    session: Session, channel: FakeChannel, ends: Ends
) -> None:
    session.publish([message("a"), message("b")], ends.of("half"))
    session.publish([message("c")], ends.of("done"))
    channel.ack(1)
    channel.ack(3)
    session.lose()
    assert ends.names == ["done", "half"]
    assert isinstance(ends.error("half"), BrokerUnavailable)


def test_while_blocked_work_waits_in_order(session: Session) -> None:
    done: list[tuple[str, object]] = []
    session.blocked = True
    session.unless_blocked(lambda current: done.append(("first", current)))
    session.unless_blocked(lambda current: done.append(("second", current)))
    assert done == []
    session.unblock()
    assert done == [("first", session), ("second", session)]
    session.unless_blocked(lambda current: done.append(("third", current)))
    assert done[-1] == ("third", session)


def test_work_that_waited_in_vain_is_told(session: Session) -> None:
    told: list[object] = []
    session.blocked = True
    session.unless_blocked(told.append)
    session.lose()
    assert told == [None]


def test_blocked_again_while_catching_up_it_waits_again(session: Session) -> None:
    done: list[str] = []

    def block_again(_session: Session | None) -> None:
        session.blocked = True

    session.blocked = True
    session.unless_blocked(block_again)
    session.unless_blocked(lambda _session: done.append("late"))
    session.unblock()
    assert done == []
    session.unblock()
    assert done == ["late"]


class TestUnconfirmed:
    """For how long nothing was confirmed: what the watchdog leaves a node for."""

    @pytest.fixture
    def now(self) -> list[float]:
        return [0.0]

    @pytest.fixture
    def session(self, channel: FakeChannel, now: list[float]) -> Session:
        return Session(
            channel,
            on_unroutable=lambda *_address: None,
            soon=lambda work: work(),
            monotonic=lambda: now[0],
        )

    def test_counts_from_the_first_publish(self, session: Session, now: list[float]) -> None:
        assert session.unconfirmed_seconds == 0
        session.publish([message("a")], lambda _error: None)
        now[0] = 7
        session.publish([message("b")], lambda _error: None)
        assert session.unconfirmed_seconds == 7

    def test_each_confirm_begins_it_anew(
        self, session: Session, channel: FakeChannel, now: list[float]
    ) -> None:
        session.publish([message("a"), message("b")], lambda _error: None)
        now[0] = 7
        channel.ack(1)
        now[0] = 9
        assert session.unconfirmed_seconds == 2
        channel.ack(2)
        assert session.unconfirmed_seconds == 0

    def test_a_refusal_is_no_confirm(
        self, session: Session, channel: FakeChannel, now: list[float]
    ) -> None:
        session.publish([message("a")], lambda _error: None)
        now[0] = 11
        channel.nack(1)
        assert session.unconfirmed_seconds == 11

    def test_a_refusal_lasts_from_the_publish_on_whatever_is_confirmed_besides(
        self, session: Session, channel: FakeChannel, now: list[float]
    ) -> None:
        session.publish([message("a")], lambda _error: None)
        assert session.refused_seconds == 0
        now[0] = 7
        channel.nack(1)
        now[0] = 8
        session.publish([message("b")], lambda _error: None)
        channel.ack(2)
        session.publish([message("c")], lambda _error: None)
        channel.nack(3)
        assert session.refused_seconds == 8

    def test_a_blocked_broker_has_its_time_from_the_unblocking_on(
        self, session: Session, now: list[float]
    ) -> None:
        session.publish([message("a")], lambda _error: None)
        session.blocked, now[0] = True, 3600
        session.unblock()
        now[0] = 3602
        assert session.unconfirmed_seconds == 2
