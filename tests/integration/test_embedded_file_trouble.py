"""The queue file is full, deleted, replaced, or was written by a clock that was ahead."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from shared.relay.broker import Broker, BrokerUnavailable, Outgoing
from shared.relay.embedded import broker as embedded_broker
from shared.relay.embedded.queue_file import QueueFile
from tests.brokers import Reader, dead, dead_count, message, opened, ready_count
from tests.polling import eventually

_SIX_HOURS = 6 * 3600


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "queues.sqlite3"


@pytest.fixture
def broker(file: Path) -> Iterator[Broker]:
    with opened(f"sqlite:///{file}") as broker:
        broker.declare()
        yield broker


@contextmanager
def full(file: Path) -> Iterator[None]:
    """Nothing more can be stored."""
    with closing(sqlite3.connect(file)) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON message"
            " BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
        )
        other.commit()
        yield
        other.execute("DROP TRIGGER full")
        other.commit()


@contextmanager
def moved(file: Path) -> Iterator[None]:
    """The file is elsewhere for a while, with the two that SQLite keeps beside it."""
    elsewhere = file.parent / "elsewhere"
    elsewhere.mkdir()
    names = [found.name for found in file.parent.glob(f"{file.name}*")]
    for name in names:
        (file.parent / name).rename(elsewhere / name)
    yield
    for name in names:
        (elsewhere / name).rename(file.parent / name)


def test_on_a_full_disk_a_consumer_rests_and_says_so_once(broker: Broker, file: Path) -> None:
    broker.publish([message("a")])
    reader = Reader(broker)
    delivery = reader.next_one()
    with capture_logs() as lines:
        with full(file):
            reader.consumer.acknowledge(delivery, [message("b", "fetcher")])
            eventually(lambda: not reader.consumer.connected)
            before = time.process_time()
            assert not reader.consumer.drained(2)
            assert time.process_time() - before < 0.5
        assert reader.consumer.drained(10)
        eventually(lambda: reader.consumer.connected)
    assert [line["event"] for line in lines] == ["broker_unavailable", "broker_available"]
    assert "disk is full" in lines[0]["error"]
    assert Reader(broker, "fetcher").next_one().envelope.message_id == "b"


def test_a_stage_ends_in_time_on_a_full_disk(broker: Broker, file: Path) -> None:
    broker.publish([message("a")])
    reader = Reader(broker)
    delivery = reader.next_one()
    with full(file):
        reader.consumer.acknowledge(delivery, [message("b", "fetcher")])
        eventually(lambda: not reader.consumer.connected)
        started = time.monotonic()
        reader.consumer.close()
        assert time.monotonic() - started < 2


def test_with_next_to_no_space_left_it_is_not_ready(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker.ready()
    with monkeypatch.context() as full_disk:
        full_disk.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
        assert not broker.ready()
    assert broker.ready()


def test_nothing_is_accepted_into_a_file_that_was_deleted(broker: Broker, file: Path) -> None:
    assert broker.ready()
    with moved(file):
        assert not broker.ready()
        for _ in range(2):
            with pytest.raises(BrokerUnavailable, match="deleted while in use"):
                broker.publish([message("a")])
        assert not file.exists(), "no new file is begun in its place"
    assert broker.ready()
    broker.publish([message("b")])
    assert ready_count(broker) == 1


def test_a_file_that_is_deleted_during_the_publish_is_noticed(
    broker: Broker, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = QueueFile.insert

    def insert_and_delete(store: QueueFile, messages: list[Outgoing], now: float) -> None:
        insert(store, messages, now)
        file.unlink()

    monkeypatch.setattr(QueueFile, "insert", insert_and_delete)
    with pytest.raises(BrokerUnavailable, match="deleted while in use"):
        broker.publish([message("a")])


def test_what_lies_in_a_deleted_file_is_worked_off_while_it_can_be_had(
    broker: Broker, file: Path
) -> None:
    broker.publish([message("a", delay=1), message("b", delay=1)])
    relaying = Reader(broker, answer=lambda _delivery: [message("c", "fetcher")], prefetch=1)
    following = Reader(broker, "fetcher", answer=lambda _delivery: [])
    eventually(lambda: relaying.consumer.connected and following.consumer.connected)
    with moved(file), capture_logs() as lines:
        following.wait_for(2)
        eventually(lambda: not relaying.consumer.connected)
        eventually(lambda: len(lines) >= 2)
    assert {line["stage"] for line in lines} == {"filter", "fetcher"}
    assert all("restart every stage" in line["error"] for line in lines)
    eventually(lambda: relaying.consumer.connected)


def test_nobody_touches_a_file_that_took_the_place_of_the_one_in_use(
    broker: Broker, file: Path
) -> None:
    broker.publish([message("a", delay=1)])
    reader = Reader(broker)
    eventually(lambda: reader.consumer.connected)
    with moved(file):
        with opened(f"sqlite:///{file}") as other:
            other.publish([message("other")])
            assert not broker.ready()
            with pytest.raises(BrokerUnavailable, match="replaced while in use"):
                broker.publish([message("b")])
            eventually(lambda: not reader.consumer.connected)
            assert ready_count(other) == 1
        assert reader.names == []
        for leftover in file.parent.glob(f"{file.name}*"):
            leftover.unlink()
    assert reader.next_one().envelope.message_id == "a"


def test_a_clock_that_was_ahead_delays_nothing(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as ahead:
        wrong = SimpleNamespace(time=lambda: time.time() + _SIX_HOURS, monotonic=time.monotonic)
        ahead.setattr(embedded_broker, "time", wrong)
        broker.publish([message("now"), message("later", delay=1), dead("dead")])
    with capture_logs() as lines:
        reader = Reader(broker)
        reader.wait_for(2)
    assert reader.names == ["now", "later"]
    assert lines == [
        {"event": "clock_was_ahead", "stage": "filter", "messages": 2, "log_level": "warning"}
    ]
    assert dead_count(broker) == 1


def test_a_lease_that_a_clock_wrote_ahead_runs_out(file: Path, broker: Broker) -> None:
    broker.publish([message("a")])
    with closing(QueueFile(file, busy_seconds=1)) as store, store.transaction():
        ahead = time.time() + _SIX_HOURS
        assert store.claim("filter", "killed", 1, now=ahead, lease=1)
    assert Reader(broker).next_one().redelivered


def test_a_wait_that_a_right_clock_wrote_is_kept(broker: Broker) -> None:
    started = time.monotonic()
    broker.publish([message("a", delay=1)])
    Reader(broker).next_one()
    assert time.monotonic() - started >= 1
