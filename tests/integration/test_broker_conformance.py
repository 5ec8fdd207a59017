"""What every broker must do, run identically on the embedded one and on RabbitMQ."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from shared.booking.messages import Engagement, Notification, QueueMessage
from shared.relay.broker import REPLAY, Broker, Envelope, Failure, Outgoing, PublishRefused
from shared.relay.outcomes import Drop, Outcome, Postpone
from shared.relay.topology import DELIVERY_LIMIT
from shared.relay.worker import Worker
from tests.brokers import FAST, Reader, dead_count, message, opened, ready_count
from tests.polling import eventually

#: Takes one message, says so, and holds it until it is killed.
_HOLDER = """\
import sys, time
from tests.brokers import broker_at
broker = broker_at(sys.argv[1])
broker.consume("filter", lambda delivery: print("held", flush=True), prefetch=10)
time.sleep(600)
"""
#: Publishes its share of messages and ends.
_PUBLISHER = """\
import sys
from tests.brokers import broker_at, message
broker = broker_at(sys.argv[1])
for number in range(50):
    broker.publish([message(f"{sys.argv[2]}-{number}")])
broker.close()
"""


# Publish, confirm, acknowledge


def test_a_confirmed_message_is_there_for_a_later_reader(broker: Broker, broker_url: str) -> None:
    broker.publish([message("a")])
    broker.close()
    with opened(broker_url) as later:
        assert Reader(later).next_one().envelope == message("a").envelope


def test_an_envelope_survives_the_round_trip(broker: Broker) -> None:
    instant = datetime(2026, 12, 3, 9, 0, 0, 123456, tzinfo=UTC)
    failure = Failure(at=instant, stage="fetcher", reason="timeout", error="Timeout", text="“å”")
    envelope = Envelope(
        message_id="abc",
        body="kallelse åäö".encode(),
        attempt=4,
        not_before=instant,
        delayed_at=instant,
        history=(failure, failure),
        origin="fetcher",
        replays=2,
    )
    broker.publish([Outgoing("fetcher", envelope)])
    delivery = Reader(broker, "fetcher").next_one()
    assert delivery.envelope == envelope
    assert not delivery.redelivered


def test_messages_come_in_the_order_they_were_published(broker: Broker) -> None:
    names = [f"{number:03}" for number in range(100)]
    broker.publish([message(name) for name in names])
    reader = Reader(broker, prefetch=7, answer=lambda _delivery: [])
    reader.wait_for(len(names))
    assert reader.names == names


def test_a_acknowledged_message_is_gone_and_what_it_led_to_is_there(broker: Broker) -> None:
    broker.publish([message("a")])
    reader = Reader(broker, answer=lambda _: [message("b", "fetcher"), message("c", "composer")])
    assert Reader(broker, "fetcher").next_one().envelope.message_id == "b"
    assert Reader(broker, "composer").next_one().envelope.message_id == "c"
    assert reader.consumer.drained(10)
    reader.consumer.close()
    eventually(lambda: ready_count(broker) == 0)


def test_many_threads_publish_at_once(broker: Broker) -> None:
    def publish(thread: int) -> None:
        for number in range(20):
            broker.publish([message(f"{thread}-{number}"), message(f"{thread}-{number}-b")])

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: ready_count(broker) == 8 * 40)


def test_several_processes_share_the_queues(broker: Broker, broker_url: str) -> None:
    publishers = [
        subprocess.Popen([sys.executable, "-c", _PUBLISHER, broker_url, str(number)])
        for number in range(2)
    ]
    readers = [Reader(broker, answer=lambda _: [], prefetch=3) for _ in range(2)]
    eventually(lambda: sum(len(reader.names) for reader in readers) == 100, timeout=30)
    assert [publisher.wait(30) for publisher in publishers] == [0, 0]
    assert len({*readers[0].names, *readers[1].names}) == 100


def test_publishing_nothing_fills_no_queue(broker: Broker) -> None:
    broker.publish([])
    assert ready_count(broker) == 0


# Unroutable


def test_a_message_for_nobody_is_refused(broker: Broker) -> None:
    with pytest.raises(PublishRefused):
        broker.publish([message("a", "nobody")])
    broker.publish([message("b")])
    assert Reader(broker).next_one().envelope.message_id == "b"


def test_of_several_messages_only_the_unroutable_makes_trouble(broker: Broker) -> None:
    """The same id may travel under two keys; the wrong one of them is what is refused."""
    done: list[str] = []

    def publish() -> None:
        for _ in range(20):
            broker.publish([message("same")])
        done.append("good")

    publisher = threading.Thread(target=publish)
    publisher.start()
    for _ in range(20):
        with pytest.raises(PublishRefused):
            broker.publish([message("same", "nobody")])
    publisher.join()
    assert done == ["good"]


def test_a_acknowledgement_that_is_refused_acknowledges_nothing(broker: Broker) -> None:
    """It rests, so that it does not spin, and comes again."""
    answers = iter([[message("b", "nobody")], [message("b", "fetcher")]])
    broker.publish([message("a")])
    started = time.monotonic()
    reader = Reader(broker, answer=lambda _delivery: next(answers))
    first, second = reader.wait_for(2)
    assert time.monotonic() - started > 0.5
    assert first.envelope == second.envelope
    assert second.redelivered
    assert Reader(broker, "fetcher").next_one().envelope.message_id == "b"


def test_a_batch_is_acknowledged_at_once_and_a_refused_publish_holds_back_only_its_own(
    broker: Broker,
) -> None:
    broker.publish([message(name) for name in "abc"])
    reader = Reader(broker)
    first, refused, last = reader.wait_for(3)
    nowhere = [message("x", "no such key")]
    following = [(first, [message("next", "fetcher")]), (refused, nowhere), (last, [])]
    reader.consumer.acknowledge_all(following)
    again = reader.wait_for(4)[3]
    assert (again.envelope, again.redelivered) == (refused.envelope, True)
    reader.consumer.acknowledge(again)
    assert reader.consumer.drained(10)
    assert Reader(broker, "fetcher").next_one().envelope.message_id == "next"
    reader.consumer.close()
    broker.publish([message("end")])
    assert Reader(broker).next_one().envelope.message_id == "end"


# Redelivery


def test_a_closed_consumers_messages_are_handed_out_again(broker: Broker) -> None:
    broker.publish([message("a"), message("b")])
    lost = Reader(broker)
    lost.wait_for(2)
    lost.consumer.close()
    again = Reader(broker).wait_for(2)
    assert sorted(delivery.envelope.message_id for delivery in again) == ["a", "b"]
    assert all(delivery.redelivered for delivery in again)


def test_a_killed_consumers_message_is_handed_out_again(broker: Broker, broker_url: str) -> None:
    broker.publish([message("a")])
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, broker_url], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        while (line := holder.stdout.readline()) != "held\n":
            assert line, "the holder ended by itself"
        reader = Reader(broker)
        time.sleep(0.2)
        assert reader.names == []
        os.kill(holder.pid, signal.SIGKILL)
    assert reader.next_one().redelivered


def test_a_long_handler_keeps_its_message(broker_url: str) -> None:
    """Longer than a lease lasts, and than heartbeats may be missing."""
    url = broker_url if broker_url.startswith("sqlite:") else f"{broker_url}?heartbeat=1"
    with opened(url) as broker:
        broker.publish([message("a")])
        holder = Reader(broker)
        delivery = holder.next_one()
        rival = Reader(broker)
        time.sleep(3.2)
        assert rival.names == []
        assert holder.names == ["a"]
        holder.consumer.acknowledge(delivery, [message("b", "fetcher")])
        assert Reader(broker, "fetcher").next_one().envelope.message_id == "b"


def test_a_late_acknowledgement_of_a_lost_delivery_does_nothing(broker: Broker) -> None:
    broker.publish([message("a")])
    lost = Reader(broker)
    delivery = lost.next_one()
    lost.consumer.close()
    heir = Reader(broker)
    inherited = heir.next_one()
    lost.consumer.acknowledge(delivery, [message("wrong", "fetcher")])
    assert lost.consumer.drained(5)
    heir.consumer.acknowledge(inherited, [message("right", "fetcher")])
    follower = Reader(broker, "fetcher")
    assert follower.next_one().envelope.message_id == "right"
    assert heir.consumer.drained(5)
    assert follower.names == ["right"]


def test_a_message_that_kills_its_readers_ends_in_the_dead_queue(
    broker: Broker, broker_url: str
) -> None:
    broker.publish([message("killer")])
    handed_out = 0
    while dead_count(broker) == 0:
        handed_out += _hand_out_and_crash(broker, broker_url)
        assert handed_out <= DELIVERY_LIMIT + 1
    assert handed_out > DELIVERY_LIMIT / 2
    (letter,) = broker.dead_letters("filter")
    assert (letter.message_id, letter.dead_reason) == ("killer", "delivery_limit")
    assert letter.origin == "filter"
    assert broker.take_dead("filter", lambda _letter: REPLAY) == 1
    assert Reader(broker).next_one().envelope.replays == 1


def _hand_out_and_crash(broker: Broker, broker_url: str) -> int:
    with opened(broker_url) as other:
        reader = Reader(other)
        eventually(lambda: reader.names or dead_count(broker))
        return len(reader.names)


# Prefetch and shutdown


def test_no_more_than_the_prefetch_is_out_at_once(broker: Broker) -> None:
    broker.publish([message(str(number)) for number in range(5)])
    reader = Reader(broker, prefetch=2)
    first, _ = reader.wait_for(2)
    time.sleep(0.2)
    assert reader.names == ["0", "1"]
    reader.consumer.acknowledge(first)
    reader.wait_for(3)
    time.sleep(0.1)
    assert reader.names == ["0", "1", "2"]


def test_shutdown_in_order_loses_and_repeats_nothing(broker: Broker) -> None:
    """Pause, finish, drain, close: what was begun is done, the rest is left for others."""
    broker.publish([message(f"{number:02}") for number in range(20)])
    reader = Reader(broker, prefetch=5)
    begun = list(reader.wait_for(5))
    reader.consumer.pause()
    broker.publish([message("later")])
    for delivery in begun[:3]:
        reader.consumer.acknowledge(delivery, [message(f"next {len(begun)}", "fetcher")])
    assert reader.consumer.drained(10)
    time.sleep(0.2)
    assert len(reader.names) == 5
    reader.consumer.close()
    rest = Reader(broker, answer=lambda _: [])
    rest.wait_for(18)
    assert rest.consumer.drained(10)
    assert not {delivery.envelope.message_id for delivery in begun[:3]} & set(rest.names)
    eventually(lambda: ready_count(broker, "fetcher") == 3)


def test_drained_waits_for_nothing_when_nothing_was_acknowledged(broker: Broker) -> None:
    reader = Reader(broker)
    assert reader.consumer.drained(0)


def test_after_a_second_closing_it_is_still_closed(broker: Broker) -> None:
    reader = Reader(broker)
    for _ in range(2):
        reader.consumer.close()
        broker.close()
    assert not reader.consumer.connected
    broker.publish([message("a")])  # connects anew
    assert ready_count(broker) == 1
    assert reader.names == []


# Delays


def test_a_delayed_message_comes_after_its_delay(broker: Broker) -> None:
    reader = Reader(broker, answer=lambda _delivery: [])
    started = time.monotonic()
    broker.publish([message("late", delay=1), message("soon", delay=0.2), message("now")])
    reader.wait_for(3)
    assert reader.names == ["now", "soon", "late"]
    assert 0.95 <= time.monotonic() - started < 4


def test_a_acknowledgement_can_delay_the_same_message(broker: Broker) -> None:
    broker.publish([message("a")])
    answers = iter([[message("a", delay=0.2)], []])
    reader = Reader(broker, answer=lambda _delivery: next(answers))
    first, second = reader.wait_for(2)
    assert first.envelope == second.envelope


class _Reason(StrEnum):
    WAIT = "wait"
    DONE = "done"


def test_a_wait_longer_than_every_step_is_walked_in_steps(broker: Broker) -> None:
    wait = timedelta(seconds=2.3)
    calls: list[float] = []

    def handle(_message: QueueMessage) -> Outcome:
        calls.append(time.monotonic())
        return Postpone(wait, _Reason.WAIT) if len(calls) == 1 else Drop(_Reason.DONE)

    broker.publish([_notification()])
    worker = Worker(
        "filter",
        handle,
        broker,
        decode=Notification.decode,
        topology=FAST,
        concurrency=1,
        prefetch=5,
    )
    worker.start()
    eventually(lambda: len(calls) == 2)
    assert worker.stop(10)
    assert 2.25 < calls[1] - calls[0] < 4


def test_what_a_worker_holds_is_in_no_delay_and_others_get_through(broker: Broker) -> None:
    seen: list[str] = []

    def handle(message: Notification) -> Outcome:
        again = message.notification_id in seen
        seen.append(message.notification_id)
        if again or message.notification_id == "other":
            return Drop(_Reason.DONE)
        return Postpone(timedelta(seconds=1), _Reason.WAIT, in_hand=True)

    worker = Worker(
        "filter", handle, broker, decode=Notification.decode, topology=FAST, concurrency=1,
        prefetch=10,
    )  # fmt: skip
    held = ["a", "b", "c"]
    broker.publish([_notification(name) for name in held])
    worker.start()
    eventually(lambda: seen == held)
    assert not any(broker.delays().values())
    broker.publish([_notification("other")])
    eventually(lambda: seen == [*held, "other", *held])
    assert worker.stop(10)
    assert ready_count(broker) == 0


def test_what_a_worker_held_comes_again_at_once_when_it_stops(broker: Broker) -> None:
    seen: list[str] = []

    def handle(message: Notification) -> Outcome:
        seen.append(message.notification_id)
        return Postpone(timedelta(seconds=20), _Reason.WAIT, in_hand=True)

    worker = Worker(
        "filter", handle, broker, decode=Notification.decode, topology=FAST, concurrency=1,
        prefetch=10,
    )  # fmt: skip
    broker.publish([_notification("a"), _notification("b")])
    worker.start()
    eventually(lambda: seen == ["a", "b"])
    assert worker.stop(10)
    again = Reader(broker).wait_for(2)
    assert all(delivery.redelivered for delivery in again)


def _notification(name: str = "n") -> Outgoing:
    engagement = Engagement(
        deleted=False,
        patient="191212121212",
        service_domain="riv:crm:scheduling",
        categorization="NA",
        logical_address="SE-UNIT",
        booking_id="1",
        clinical_process_interest_id="NA",
        source_system="SE-SOURCE",
        data_controller="SE-REGION",
    )
    body = Notification(
        notification_id=name, received_at=datetime.now(UTC), engagements=(engagement,)
    ).encode()
    return Outgoing("filter", Envelope(name, body))
