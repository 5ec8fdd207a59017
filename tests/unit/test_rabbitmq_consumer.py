"""When a consumer's I/O loop may wait for more to come, and when the broker waits for us."""

from pika.spec import Basic, BasicProperties

from shared.relay.broker import Delivery
from shared.relay.rabbitmq.consumer import RabbitMQConsumer
from shared.relay.rabbitmq.session import Session
from tests.unit.test_rabbitmq_session import FakeChannel


class FakeLink:
    def __init__(self) -> None:
        self.hurries = 0

    def hurry(self) -> None:
        self.hurries += 1


def test_its_loop_hurries_when_the_broker_may_hand_out_little_more() -> None:
    consumer, link = RabbitMQConsumer.__new__(RabbitMQConsumer), FakeLink()  # without its thread
    taken: list[Delivery] = []
    consumer._link, consumer._deliver = link, taken.append
    consumer._prefetch, consumer._room, consumer._paused = 4, 2, False
    session = Session(FakeChannel(), on_unroutable=lambda *_: None, soon=lambda work: work())

    hurries = []
    for tag in (1, 2, 3):
        method = Basic.Deliver(delivery_tag=tag, redelivered=False)
        consumer._on_message(session, None, method, BasicProperties(message_id="m"), b"{}")
        hurries.append(link.hurries)
    assert (hurries, len(taken)) == ([0, 0, 1], 3)
