"""When all dead letters have been read, of a RabbitMQ that hands them out late."""

from types import SimpleNamespace
from typing import Any

import pika
import pytest

from shared.relay.broker import BrokerUnavailable
from shared.relay.rabbitmq import dead_queue
from shared.relay.rabbitmq.dead_queue import RabbitMQDeadQueue
from shared.relay.topology import Place


class LateBroker:
    """Counts no letter any more as soon as somebody consumes, and hands them out looks later."""

    def __init__(self, letters: int, *, late: int, stuck: bool = False) -> None:
        self.letters, self.late, self.stuck = letters, late, stuck
        self.consumers: list[Any] = []

    def channel(self) -> "LateBroker":
        return self

    def basic_qos(self, *, prefetch_count: int) -> None:
        assert prefetch_count

    def basic_consume(self, _queue: str, deliver: Any) -> str:
        self.consumers.append(deliver)
        return f"tag{len(self.consumers)}"

    def basic_cancel(self, _tag: str) -> None:
        """What was handed out stays so."""

    def queue_declare(self, _queue: str, *, passive: bool) -> SimpleNamespace:
        assert passive
        lying = self.letters if self.stuck or not self.consumers else 0
        return SimpleNamespace(method=SimpleNamespace(message_count=lying))

    def process_data_events(self, _seconds: float) -> None:
        self.late -= 1
        if self.late >= 0 or not self.letters or self.stuck:
            return
        self.letters -= 1
        method = SimpleNamespace(delivery_tag=1, consumer_tag=f"tag{len(self.consumers)}")
        properties = pika.BasicProperties(message_id=f"m{self.letters}")
        self.consumers[-1](self, method, properties, b"")


def read_all(broker: LateBroker) -> int:
    queue = RabbitMQDeadQueue(broker, None, "filter", Place.DEAD, lambda _: None)  # type: ignore[arg-type]
    count = 0
    while letters := queue.read(50):
        count += len(letters)
    return count


def test_letters_on_their_way_are_waited_for() -> None:
    assert read_all(LateBroker(120, late=7)) == 120


def test_an_empty_queue_is_soon_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_queue, "_COME_WITHIN", 1000)
    assert read_all(LateBroker(0, late=0)) == 0


def test_letters_that_expired_meanwhile_are_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_queue, "_COME_WITHIN", 0.05)
    assert read_all(LateBroker(3, late=10_000_000)) == 0


def test_a_queue_that_hands_nothing_out_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_queue, "_COME_WITHIN", 0.05)
    with pytest.raises(BrokerUnavailable, match="hands nothing out"):
        read_all(LateBroker(3, late=0, stuck=True))
