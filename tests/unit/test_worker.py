"""The runner around a handler: what is acknowledged how, and how it ends."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from shared.base.clock import utcnow
from shared.base.errors import Unavailable
from shared.booking.messages import BookingChange, QueueMessage
from shared.relay.broker import Delivery, Envelope, Outgoing
from shared.relay.outcomes import Drop, Outcome, Postpone, Publish, RetryLater
from shared.relay.topology import Topology
from shared.relay.worker import Handled, Worker
from tests.polling import eventually
from tests.unit.test_disposition import Why, change


@dataclass
class FakeBroker:
    """A broker and its one consumer: keeps what was acknowledged, in the order of the calls."""

    deliver: Callable[[Delivery], None] = lambda _delivery: None
    acknowledged: list[tuple[Delivery, Sequence[Outgoing]]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    connected: bool = True

    def consume(self, stage: str, deliver: Callable[[Delivery], None], *, prefetch: int):
        self.calls.append(f"consume {stage} {prefetch}")
        self.deliver = deliver
        return self

    def acknowledge_all(self, several: Sequence[tuple[Delivery, Sequence[Outgoing]]]) -> None:
        self.calls.append("acknowledge")
        self.acknowledged += several

    def pause(self) -> None:
        self.calls.append("pause")

    def drained(self, timeout: float) -> bool:
        self.calls.append("drained")
        return True

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def run(broker: FakeBroker) -> Iterator[Callable[[Callable[[QueueMessage], Outcome]], Worker]]:
    started: list[Worker] = []

    def start(handle: Callable[[QueueMessage], Outcome]) -> Worker:
        worker = Worker(
            "fetcher",
            handle,
            broker,
            decode=BookingChange.decode,
            topology=Topology(),
            concurrency=2,
            prefetch=10,
        )
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.stop(timeout=5)


def delivery(body: bytes | None = None, **fields: object) -> Delivery:
    return Delivery(Envelope("m", change().encode() if body is None else body, **fields), token=1)


def outcome_of(broker: FakeBroker) -> Sequence[Outgoing]:
    return eventually(lambda: broker.acknowledged)[0][1]


def test_what_the_handler_publishes_is_acknowledged_with_the_delivery(broker, run) -> None:
    run(lambda message: Publish((message,)))
    broker.deliver(delivery())
    assert [out.key for out in outcome_of(broker)] == ["fetcher"]


def test_a_bug_in_a_handler_is_retried_not_lost(broker, run) -> None:
    def broken(_message: QueueMessage) -> Outcome:
        raise KeyError("x")

    run(broken)
    broker.deliver(delivery())
    (out,) = outcome_of(broker)
    assert out.delay is not None
    assert out.envelope.history[0].reason == "bug"
    assert out.envelope.history[0].error == "KeyError"


def test_what_cannot_be_decoded_goes_to_the_dead_letters(broker, run) -> None:
    run(lambda _message: pytest.fail("the handler must not see it"))
    broker.deliver(delivery(b'{"patient": "191212121212"}'))
    (out,) = outcome_of(broker)
    assert out.key == "fetcher.dead"
    assert out.envelope.dead_reason == "undecodable"
    assert out.envelope.body == b'{"patient": "191212121212"}'
    assert "191212121212" not in out.envelope.history[0].text


def test_an_outage_spends_no_attempt(broker, run) -> None:
    def outage(_message: QueueMessage) -> Outcome:
        raise Unavailable("database_unavailable")

    run(outage)
    broker.deliver(delivery(attempt=3))
    (out,) = outcome_of(broker)
    assert out.envelope.attempt == 3
    assert out.envelope.history == ()
    assert out.delay is not None


def test_a_message_that_is_early_does_not_reach_the_handler(broker, run) -> None:
    run(lambda _message: pytest.fail("not yet"))
    broker.deliver(delivery(not_before=utcnow() + timedelta(hours=1)))
    (out,) = outcome_of(broker)
    assert out.delay == timedelta(minutes=10)


def test_stopping_finishes_what_was_begun_and_only_then_lets_go(broker, run) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(_message: QueueMessage) -> Outcome:
        begun.set()
        may_end.wait(10)
        return Drop(Why.NOT_OURS)

    worker = run(slow)
    broker.deliver(delivery())
    begun.wait(10)
    stopper = threading.Thread(target=worker.stop, args=(10,))
    stopper.start()
    eventually(lambda: "pause" in broker.calls)
    broker.deliver(delivery())  # handed out before the pause, not begun: left to the broker
    may_end.set()
    stopper.join(10)
    assert broker.calls == ["consume fetcher 10", "pause", "acknowledge", "drained", "close"]
    assert len(broker.acknowledged) == 1


def test_stopping_tells_when_the_deadline_passed_first(broker) -> None:
    may_end = threading.Event()
    begun = threading.Event()

    def stuck(_message: QueueMessage) -> Outcome:
        begun.set()
        may_end.wait(30)
        return Drop(Why.NOT_OURS)

    worker = Worker(
        "fetcher",
        stuck,
        broker,
        decode=BookingChange.decode,
        topology=Topology(),
        concurrency=1,
        prefetch=1,
    )
    worker.start()
    broker.deliver(delivery())
    begun.wait(10)
    assert worker.stop(timeout=0.05) is False
    may_end.set()


class TestHeld:
    """A handler that allows it gets its message again after a short wait, without the broker."""

    WAIT = timedelta(seconds=0.2)

    def handle_first(self, then: Outcome, seen: list[str]) -> Callable[[QueueMessage], Outcome]:
        def handle(message: BookingChange) -> Outcome:
            seen.append(message.notification_id)
            instead = change(notification_id="waited")
            return then if len(seen) > 1 else Postpone(self.WAIT, Why.NOT_OURS, instead, True)

        return handle

    def test_it_comes_back_as_the_handler_wants_and_is_acknowledged_once(self, broker, run) -> None:
        seen: list[str] = []
        run(self.handle_first(Drop(Why.NOT_OURS), seen))
        broker.deliver(delivery(attempt=3))
        eventually(lambda: len(seen) == 2)
        assert list(outcome_of(broker)) == []
        assert seen == [change().notification_id, "waited"]
        assert [given.envelope.body for given, _ in broker.acknowledged] == [change().encode()]

    @pytest.mark.parametrize(
        "then", [Postpone(timedelta(hours=9), Why.NOT_OURS), RetryLater(Why.NOT_OURS)]
    )
    def test_what_follows_is_about_the_message_that_waited(self, broker, run, then) -> None:
        run(self.handle_first(then, []))
        broker.deliver(delivery())
        (out,) = outcome_of(broker)
        assert out.envelope.body == change(notification_id="waited").encode()

    def test_stopping_leaves_it_to_the_broker(self, broker, run) -> None:
        seen: list[str] = []
        worker = run(self.handle_first(Drop(Why.NOT_OURS), seen))
        broker.deliver(delivery())
        eventually(lambda: seen)
        assert worker.stop(timeout=5) is True
        assert broker.calls == ["consume fetcher 10", "pause", "drained", "close"]

    def test_when_too_many_are_held_the_rest_waits_with_the_broker(self, broker, run) -> None:
        wait = timedelta(seconds=20)
        run(lambda _message: Postpone(wait, Why.NOT_OURS, in_hand=True))
        for _ in range(6):  # half of the prefetch is 5
            broker.deliver(delivery())
        (out,) = outcome_of(broker)
        assert out.delay is not None
        assert len(broker.acknowledged) == 1

    def test_one_that_an_operator_replays_is_reported_not_held(self, broker, run) -> None:
        run(lambda _message: Postpone(self.WAIT, Why.NOT_OURS, in_hand=True))
        broker.deliver(delivery(run="replay"))
        waits, report = outcome_of(broker)
        assert waits.delay is not None
        assert report.key == "fetcher.replayed"


class TestTogether:
    """A stage that can handle several messages in one go gets those that wait."""

    @dataclass
    class Stage:
        """Its first message keeps the only thread busy until `go`."""

        seen: list[list[str]] = field(default_factory=list)
        alone: list[str] = field(default_factory=list)
        begun: threading.Event = field(default_factory=threading.Event)
        go: threading.Event = field(default_factory=threading.Event)
        breaks: bool = False

        def __call__(self, message: QueueMessage) -> Outcome:
            self.begun.set()
            self.go.wait(10)
            self.alone.append(message.notification_id)
            return Drop(Why.NOT_OURS)

        def handle_batch(self, messages: Sequence[QueueMessage]) -> Sequence[Outcome]:
            self.seen.append([message.notification_id for message in messages])
            if self.breaks:
                raise KeyError("one of them is broken")
            return [Publish((message,)) for message in messages]

    @pytest.fixture
    def stage(self) -> Stage:
        return self.Stage()

    @pytest.fixture
    def worker(self, broker: FakeBroker, stage: Stage) -> Iterator[Worker]:
        worker = Worker(
            "fetcher",
            stage,
            broker,
            decode=BookingChange.decode,
            topology=Topology(),
            concurrency=1,
            prefetch=10,
            handle_batch=stage.handle_batch,
        )
        worker.start()
        broker.deliver(delivery())
        stage.begun.wait(10)
        yield worker
        worker.stop(timeout=5)

    def deliver_all(self, broker: FakeBroker, stage: Stage, *ids: str) -> None:
        for one in ids:
            broker.deliver(delivery(change(notification_id=one).encode()))
        stage.go.set()

    def test_each_gets_its_own_outcome(self, broker, stage, worker) -> None:
        self.deliver_all(broker, stage, "a", "b", "c")
        eventually(lambda: len(broker.acknowledged) == 4)
        assert stage.seen == [["a", "b", "c"]]
        assert [len(publish) for _, publish in broker.acknowledged] == [0, 1, 1, 1]

    def test_what_cannot_be_read_does_not_disturb_the_others(self, broker, stage, worker) -> None:
        broker.deliver(delivery(b"{}"))
        self.deliver_all(broker, stage, "a", "b")
        eventually(lambda: len(broker.acknowledged) == 4)
        assert stage.seen == [["a", "b"]]

    def test_when_it_fails_each_is_handled_by_itself(self, broker, stage, worker) -> None:
        stage.breaks = True
        self.deliver_all(broker, stage, "a", "b")
        eventually(lambda: len(broker.acknowledged) == 3)
        assert stage.alone[1:] == ["a", "b"]

    def test_stopping_does_not_wait_for_more(self, broker, stage, worker) -> None:
        stage.go.set()
        assert worker.stop(timeout=5) is True


def test_what_became_of_a_message_is_recorded_after_it_is_acknowledged(broker) -> None:
    recorded: list[Handled] = []

    def record(handled: Handled) -> None:
        broker.calls.append("record")
        recorded.append(handled)

    worker = Worker(
        "fetcher",
        lambda _message: Drop(Why.NOT_OURS),
        broker,
        decode=BookingChange.decode,
        topology=Topology(),
        concurrency=1,
        prefetch=10,
        record=record,
    )
    worker.start()
    broker.deliver(delivery(attempt=3))
    (handled,) = eventually(lambda: recorded)
    worker.stop(timeout=5)
    assert (handled.message, handled.outcome, handled.attempt) == (change(), Drop(Why.NOT_OURS), 3)
    assert broker.calls.index("acknowledge") < broker.calls.index("record")


def test_a_batch_waits_for_what_comes_within_its_linger() -> None:
    """However many threads are free: they do not share it, one message each."""
    broker = FakeBroker()
    batches: list[int] = []

    def handle_batch(messages: Sequence[QueueMessage]) -> Sequence[Outcome]:
        batches.append(len(messages))
        return [Drop(Why.NOT_OURS) for _ in messages]

    worker = Worker(
        "fetcher",
        lambda _: Drop(Why.NOT_OURS),
        broker,
        decode=BookingChange.decode,
        topology=Topology(),
        concurrency=4,
        prefetch=10,
        handle_batch=handle_batch,
        linger=5,
    )
    worker.start()
    for _ in range(20):  # a whole batch: it waits no longer
        broker.deliver(delivery())
    eventually(lambda: len(broker.acknowledged) == 20)
    assert batches == [20]
    worker.stop(10)
