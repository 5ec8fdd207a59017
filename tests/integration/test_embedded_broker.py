"""What only the embedded broker can run into: its file, and leases instead of connections."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from shared.relay.broker import Broker, BrokerUnavailable, UnknownBroker
from shared.relay.embedded.broker import EmbeddedBroker
from tests.brokers import FAST, Reader, message, opened, ready_count
from tests.polling import eventually

#: Takes one message, and acknowledges it when told to.
_SLOW = """\
import sys, time
from tests.brokers import broker_at, message
broker = broker_at(sys.argv[1])
taken = []
consumer = broker.consume("filter", taken.append, prefetch=1)
while not taken:
    time.sleep(0.01)
print("held", flush=True)
sys.stdin.readline()
consumer.acknowledge(taken[0], [message("wrong", "fetcher")])
assert consumer.drained(10)
broker.close()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "queues.sqlite3"


@pytest.fixture
def broker(file: Path) -> Iterator[Broker]:
    with opened(f"sqlite:///{file}") as broker:
        yield broker


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else writes, and does not end."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:file"])
def test_a_file_must_be_named(url: str) -> None:
    with pytest.raises(UnknownBroker):
        EmbeddedBroker(url, FAST)


def test_a_folder_that_is_missing_makes_it_unavailable(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path / 'missing' / 'queues.sqlite3'}") as broker:
        assert not broker.ready()
        with pytest.raises(BrokerUnavailable):
            broker.publish([message("a")])
        reader = Reader(broker)
        (tmp_path / "missing").mkdir()
        eventually(broker.ready)
        broker.publish([message("b")])
        assert reader.next_one().envelope.message_id == "b"


def test_a_locked_file_makes_it_unavailable_for_as_long(broker: Broker, file: Path) -> None:
    broker.publish([message("a")])
    with locked(file):
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            broker.publish([message("b")], timeout=0.2)
        assert time.monotonic() - started < 2
        assert not broker.ready()
    assert broker.ready()
    broker.publish([message("c")])
    assert ready_count(broker) == 2


def test_a_consumer_acknowledges_when_the_file_can_be_written_again(
    broker: Broker, file: Path
) -> None:
    broker.publish([message("a")])
    reader = Reader(broker)
    delivery = reader.next_one()
    with locked(file):
        reader.consumer.acknowledge(delivery, [message("b", "fetcher")])
        assert not reader.consumer.drained(0.3)
    assert reader.consumer.drained(15)
    assert Reader(broker, "fetcher").next_one().envelope.message_id == "b"


def freeze(process: subprocess.Popen[str], file: Path) -> bool:
    """Whether it stands still now. In the midst of a write it does not: all would wait for it."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        with closing(sqlite3.connect(file, timeout=0.2, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        os.kill(process.pid, signal.SIGCONT)
        return False
    return True


def test_a_consumer_that_was_frozen_too_long_has_lost_its_message(
    broker: Broker, file: Path
) -> None:
    broker.publish([message("a")])
    with subprocess.Popen(
        [sys.executable, "-c", _SLOW, f"sqlite:///{file}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as frozen:
        assert frozen.stdout is not None
        while (line := frozen.stdout.readline()) != "held\n":
            assert line, "it ended by itself"
        eventually(lambda: freeze(frozen, file))
        heir = Reader(broker, prefetch=1)
        delivery = heir.next_one()
        os.kill(frozen.pid, signal.SIGCONT)
        frozen.communicate("go on\n", timeout=30)
        assert frozen.returncode == 0
    heir.consumer.acknowledge(delivery, [message("right", "fetcher")])
    assert heir.consumer.drained(10)
    follower = Reader(broker, "fetcher")
    follower.next_one()
    assert follower.names == ["right"]


def test_a_acknowledgement_is_stored_whole_or_not_at_all(broker: Broker, file: Path) -> None:
    """An insert that fails takes the acknowledgement back with it."""
    broker.publish([message("a")])
    reader = Reader(broker)
    delivery = reader.next_one()
    with sqlite3.connect(file) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON message WHEN new.message_id = 'c'"
            " BEGIN SELECT raise(ABORT, 'disk full'); END"
        )
    reader.consumer.acknowledge(delivery, [message("b", "fetcher"), message("c", "fetcher")])
    time.sleep(0.3)
    assert ready_count(broker, "fetcher") == 0
    with sqlite3.connect(file) as other:
        other.execute("DROP TRIGGER full")
    assert reader.consumer.drained(10)
    assert ready_count(broker, "fetcher") == 2


def test_an_idle_consumer_costs_next_to_nothing(broker: Broker) -> None:
    broker.declare()
    readers = [Reader(broker, stage) for stage in ("filter", "fetcher", "composer", "notifier")]
    eventually(lambda: all(reader.consumer.connected for reader in readers))
    before = time.process_time()
    time.sleep(1)
    assert time.process_time() - before < 0.2


def test_messages_of_another_process_are_noticed_soon(broker: Broker, file: Path) -> None:
    reader = Reader(broker, answer=lambda _delivery: [])
    eventually(lambda: reader.consumer.connected)
    with opened(f"sqlite:///{file}") as other:  # shares nothing with `broker` but the file
        other.declare()
        started = time.monotonic()
        other.publish([message("a")])
        reader.next_one()
    assert time.monotonic() - started < 1
