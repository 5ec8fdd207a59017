"""RabbitMQ that stops, is killed, takes nothing in, loses its queues or its connections."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pika
import pytest
import trustme
from structlog.testing import capture_logs
from structlog.typing import EventDict

from shared.relay import open_broker
from shared.relay.broker import Broker, BrokerUnavailable, Delivery, Outgoing, PublishRefused
from shared.relay.topology import work_queue
from tests.brokers import FAST, Reader, message, opened, ready_count
from tests.polling import eventually
from tests.proxy import Proxy
from tests.services import RabbitMQ

#: A broker start on a busy machine.
LONG = 60


@pytest.fixture
def broker(rabbitmq_url: str) -> Iterator[Broker]:
    with opened(rabbitmq_url) as broker:
        broker.publish([message("first")])
        yield broker


@pytest.fixture
def proxy(rabbitmq: RabbitMQ) -> Iterator[Proxy]:
    with Proxy(rabbitmq.port) as proxy:
        yield proxy


@pytest.fixture
def proxied_url(rabbitmq: RabbitMQ, rabbitmq_url: str, proxy: Proxy) -> str:
    return rabbitmq_url.replace(f":{rabbitmq.port}/", f":{proxy.port}/") + "?heartbeat=1"


class Stream:
    """A publisher that does not give up, and remembers what was accepted."""

    def __init__(self, broker: Broker) -> None:
        self.accepted: list[str] = []
        self.failures = 0
        self._broker = broker
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            try:
                self._broker.publish([message(str(number))])
            except BrokerUnavailable:
                self.failures += 1
                self._stopping.wait(0.02)
            else:
                self.accepted.append(str(number))


def _relay(delivery: Delivery) -> list[Outgoing]:
    return [message(delivery.envelope.message_id, "fetcher")]


def test_everything_resumes_when_the_broker_returns(rabbitmq: RabbitMQ, broker: Broker) -> None:
    reader = Reader(broker)
    held = reader.next_one()
    assert broker.ready()
    rabbitmq.stop()
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        broker.publish([message("lost")], timeout=10)
    assert time.monotonic() - started < 5
    assert not broker.ready()
    with pytest.raises(BrokerUnavailable):
        broker.states()
    reader.consumer.acknowledge(held, [message("late", "fetcher")])
    assert reader.consumer.drained(5)
    rabbitmq.start()
    eventually(broker.ready, timeout=LONG)  # with nobody publishing
    broker.publish([message("second")])
    eventually(lambda: "second" in reader.names, timeout=LONG)
    assert reader.names == ["first", "first", "second"]
    assert ready_count(broker, "fetcher") == 0


def test_a_message_that_cannot_be_encoded_costs_no_connection(broker: Broker) -> None:
    """The delivery in whose place it was published is handed out again, and no other is."""
    reader = Reader(broker)
    broker.publish([message("second")])
    eventually(lambda: reader.names == ["first", "second"])
    with pytest.raises(PublishRefused):
        broker.publish([message("n" * 256)])
    first, second = reader.deliveries
    reader.consumer.acknowledge(first, [message("n" * 256, "fetcher")])
    eventually(lambda: len(reader.names) == 3, timeout=LONG)
    assert reader.names == ["first", "second", "first"]
    reader.consumer.acknowledge(second, [message("fine", "fetcher")])
    eventually(lambda: ready_count(broker, "fetcher") == 1)


def test_a_publisher_made_while_the_broker_is_away_works_later(
    rabbitmq: RabbitMQ, rabbitmq_url: str
) -> None:
    rabbitmq.stop()
    with opened(rabbitmq_url) as broker:
        assert not broker.ready()
        with pytest.raises(BrokerUnavailable):
            broker.publish([message("a")])
        with pytest.raises(BrokerUnavailable):
            broker.declare()
        reader = Reader(broker)
        assert not reader.consumer.connected
        rabbitmq.start()
        eventually(broker.ready, timeout=LONG)
        broker.publish([message("b")])
        assert reader.wait_for(1, timeout=LONG)[0].envelope.message_id == "b"


def test_a_killed_broker_loses_nothing_that_was_accepted(
    rabbitmq: RabbitMQ, broker: Broker
) -> None:
    stream = Stream(broker)
    relaying = Reader(broker, answer=_relay, prefetch=20)
    arrived = Reader(broker, "fetcher", answer=lambda _delivery: [], prefetch=20)
    arrived.wait_for(100)
    rabbitmq.kill()
    rabbitmq.start()
    so_far = len(stream.accepted)
    eventually(lambda: len(stream.accepted) > so_far + 100, timeout=LONG)
    stream.stop()
    assert stream.failures
    eventually(lambda: set(stream.accepted) <= set(arrived.names), timeout=LONG)
    assert relaying.consumer.drained(10)


def test_a_cut_connection_loses_nothing(proxy: Proxy, proxied_url: str) -> None:
    with opened(proxied_url) as broker:
        stream = Stream(broker)
        relaying = Reader(broker, answer=_relay, prefetch=20)
        arrived = Reader(broker, "fetcher", answer=lambda _delivery: [], prefetch=20)
        for round_number in range(1, 4):
            target = len(stream.accepted) + 50
            eventually(lambda target=target: len(stream.accepted) > target, timeout=LONG)
            proxy.cut()
            eventually(lambda count=round_number: stream.failures >= count, timeout=LONG)
        eventually(broker.ready, timeout=LONG)
        stream.stop()
        eventually(lambda: set(stream.accepted) <= set(arrived.names), timeout=LONG)
        eventually(lambda: relaying.consumer.connected, timeout=LONG)


def test_a_acknowledgement_of_before_the_cut_does_nothing_after_it(
    proxy: Proxy, proxied_url: str
) -> None:
    """Its tag may be another message's by now."""
    with opened(proxied_url) as broker:
        broker.publish([message("a")])
        reader = Reader(broker)
        before = reader.next_one()
        proxy.cut()
        after = reader.wait_for(2, timeout=LONG)[1]
        reader.consumer.acknowledge(before, [message("wrong", "fetcher")])
        assert reader.consumer.drained(5)
        reader.consumer.acknowledge(after, [message("right", "fetcher")])
        follower = Reader(broker, "fetcher")
        follower.next_one()
        assert reader.consumer.drained(5)
        assert follower.names == ["right"]


def test_a_silent_connection_is_given_up(proxy: Proxy, proxied_url: str) -> None:
    """Nothing is heard, nothing is refused: only the missing heartbeats tell."""
    with opened(proxied_url) as broker:
        broker.publish([message("a")])
        reader = Reader(broker)
        reader.next_one()
        proxy.silence()
        with pytest.raises(BrokerUnavailable):
            broker.publish([message("b")], timeout=0.5)
        eventually(lambda: not reader.consumer.connected and not broker.ready(), timeout=LONG)
        proxy.resume()
        eventually(broker.ready, timeout=LONG)
        broker.publish([message("c")])
        eventually(lambda: "c" in reader.names, timeout=LONG)


@contextmanager
def memory_alarm(rabbitmq: RabbitMQ) -> Iterator[None]:
    """The broker says that its memory is used up, and takes nothing in."""
    rabbitmq.ctl("set_vm_memory_high_watermark", "0.0000001")
    try:
        yield
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")


def test_a_blocked_connection_neither_hangs_nor_grows(rabbitmq: RabbitMQ, broker: Broker) -> None:
    reader = Reader(broker, prefetch=3)
    held = reader.next_one()
    waiting = threading.Thread(
        target=broker.publish, args=([message("patient")],), kwargs={"timeout": LONG}
    )
    with memory_alarm(rabbitmq):
        for attempt in range(3):
            started = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                broker.publish([message(f"given up {attempt}")], timeout=0.5)
            assert time.monotonic() - started < 3
        assert not broker.ready()
        reader.consumer.acknowledge(held, [message("next", "fetcher")])
        eventually(lambda: not reader.consumer.connected)
        assert not reader.consumer.drained(0.2)
        waiting.start()
    waiting.join(LONG)
    assert reader.consumer.drained(LONG)
    eventually(lambda: broker.ready() and reader.consumer.connected, timeout=LONG)
    eventually(lambda: "patient" in reader.names)
    assert Reader(broker, "fetcher").next_one().envelope.message_id == "next"
    # Only the first was sent before the broker told us that it takes nothing in.
    assert not {"given up 1", "given up 2"} & set(reader.names)


def test_closing_while_blocked_does_not_hang(rabbitmq: RabbitMQ, broker: Broker) -> None:
    with memory_alarm(rabbitmq):
        with pytest.raises(BrokerUnavailable):
            broker.publish([message("b")], timeout=0.5)
        started = time.monotonic()
        broker.close()
        assert time.monotonic() - started < 15


def _delete_queue(url: str, name: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_delete(name)


def test_a_queue_that_vanished_is_put_back(broker: Broker, rabbitmq_url: str) -> None:
    """The broker cancels the consumer, which is a fault that is mended."""
    reader = Reader(broker, answer=lambda _delivery: [])
    reader.next_one()
    _delete_queue(rabbitmq_url, work_queue("filter"))

    def published() -> bool:
        try:
            broker.publish([message("again")])
        except PublishRefused:
            return False
        return True

    eventually(published, timeout=LONG)
    eventually(lambda: "again" in reader.names, timeout=LONG)


def test_a_delay_that_vanished_is_put_back(broker: Broker, rabbitmq_url: str) -> None:
    answers = {"first": [message("delayed", delay=0.2)], "delayed": []}
    broker.publish([message("warm up", delay=0.2, key="fetcher")])
    _delete_queue(rabbitmq_url, "budkavle.delay.200ms")
    time.sleep(2.1)  # unroutable messages have it declared again, at most every two seconds
    reader = Reader(broker, answer=lambda delivery: answers[delivery.envelope.message_id])
    eventually(lambda: "delayed" in reader.names, timeout=LONG)


def test_a_vanished_queue_is_named(broker: Broker, rabbitmq_url: str) -> None:
    broker.declare()
    assert broker.missing() == []
    with capture_logs() as lines:
        for gone in ("budkavle.delay.200ms", work_queue("fetcher")):
            _delete_queue(rabbitmq_url, gone)
        assert set(broker.missing()) == {"budkavle.delay.200ms", work_queue("fetcher")}
        eventually(lambda: _refused_by_a_missing_queue(broker, lines), timeout=LONG)
    eventually(lambda: broker.missing() == [], timeout=LONG)
    line = next(line for line in lines if line["event"] == "queue_missing")
    assert (line["exchange"], line["key"]) == ("budkavle", "fetcher")


def _refused_by_a_missing_queue(broker: Broker, lines: list[EventDict]) -> bool:
    with suppress(PublishRefused):
        broker.publish([message("a", "fetcher")])
    return any(line["event"] == "queue_missing" for line in lines)


def test_an_exchange_that_vanished_is_put_back(broker: Broker, rabbitmq_url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        connection.channel().exchange_delete("budkavle.delay.1s")
    with pytest.raises(BrokerUnavailable):  # the broker closes the channel over it
        broker.publish([message("a", delay=1)])
    eventually(broker.ready, timeout=LONG)
    broker.publish([message("b", delay=1)])
    reader = Reader(broker)
    eventually(lambda: "b" in reader.names)


def test_what_cannot_be_declared_is_used_as_it_is(rabbitmq_url: str) -> None:
    """An operator may have declared a queue with other arguments: it is not ours to change."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.exchange_declare("budkavle", "direct", durable=True)
        channel.queue_declare("budkavle.filter", durable=True)
        channel.queue_bind("budkavle.filter", "budkavle", "filter")
    with opened(rabbitmq_url) as broker:
        broker.publish([message("a")])
        assert Reader(broker).next_one().envelope.message_id == "a"
        with pytest.raises(BrokerUnavailable, match="406"):
            broker.declare()


def test_a_wrong_password_is_no_crash(rabbitmq_url: str) -> None:
    broker = open_broker(rabbitmq_url.replace("guest:guest@", "guest:wrong@"), FAST)
    try:
        assert not broker.ready()
        with pytest.raises(BrokerUnavailable) as failure:
            broker.publish([message("a")])
        assert "wrong" not in str(failure.value)
    finally:
        broker.close()


def test_a_broker_behind_tls_that_asks_for_our_certificate(
    rabbitmq: RabbitMQ, rabbitmq_url: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("relay").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")
    asking = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    asking.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(asking)
    authority.issue_cert("127.0.0.1").configure_cert(asking)
    with Proxy(rabbitmq.port, tls=asking) as proxy:
        url = rabbitmq_url.replace("amqp:", "amqps:").replace(str(rabbitmq.port), str(proxy.port))
        with opened(f"{url}?cafile={tmp_path}/ca.pem&certfile={tmp_path}/me.pem") as broker:
            broker.publish([message("a", delay=0.2)])
            assert Reader(broker, answer=_relay).next_one().envelope.message_id == "a"
            assert broker.states()
        with opened(f"{url}?cafile={tmp_path}/ca.pem") as stranger:
            assert not stranger.ready()


def test_an_orderly_end_leaves_nothing_to_be_handed_out_again(rabbitmq_url: str) -> None:
    """RabbitMQ forgets acknowledgements that its queue has not taken up when the channel closes,
    and it takes up few commands of one channel at once."""
    count = 50
    with opened(rabbitmq_url) as broker:
        broker.publish([message(f"message {number}") for number in range(count)])
        reader = Reader(broker, prefetch=count)
        for delivery in reader.wait_for(count):
            passed_on = message(delivery.envelope.message_id, "fetcher")
            reader.consumer.acknowledge(delivery, [passed_on])
        reader.consumer.pause()
        assert reader.consumer.drained(10)
        reader.consumer.close()
        eventually(lambda: consumers(broker) == 0)
        assert ready_count(broker) == 0


def test_an_orderly_end_forgets_no_acknowledgement_beside_what_was_not_begun(
    rabbitmq_url: str,
) -> None:
    """Beside deliveries that go back each acknowledgement is a command of its own. RabbitMQ's
    channel passes 32 on, and has to be given the time for the others."""
    count = 400
    with opened(rabbitmq_url) as broker:
        broker.publish([message(f"message {number}") for number in range(count)])
        reader = Reader(broker, prefetch=count)
        handled = reader.wait_for(count)[1::2]
        reader.consumer.pause()
        reader.consumer.acknowledge_all([(delivery, ()) for delivery in handled])
        assert reader.consumer.drained(10)
        reader.consumer.close()
        eventually(lambda: consumers(broker) == 0)
        assert ready_count(broker) == count - len(handled)


def consumers(broker: Broker) -> int | None:
    return next(state.consumers for state in broker.states() if state.stage == "filter")
