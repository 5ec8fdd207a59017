"""The embedded broker in trouble: a full disk, a queue file that is gone, a clock put back."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from shared.relay.broker import Broker, BrokerUnavailable
from tests.brokers import Reader, message, opened, ready_count
from tests.polling import eventually


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "queues.sqlite3"


@pytest.fixture
def broker(file: Path) -> Iterator[Broker]:
    with opened(f"sqlite:///{file}") as broker:
        broker.declare()
        yield broker


def full_disk(file: Path) -> None:
    """Whatever is to be stored for the fetcher finds no room."""
    with sqlite3.connect(file) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON message WHEN new.key = 'fetcher'"
            " BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
        )


def room_again(file: Path) -> None:
    with sqlite3.connect(file) as other:
        other.execute("DROP TRIGGER full")


def test_an_acknowledgement_that_finds_no_room_rests_and_is_reported_once(
    broker: Broker, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = structlog.get_logger()
    monkeypatch.setattr("shared.relay.embedded.consumer.log", logger)
    broker.publish([message("a")])
    full_disk(file)
    with capture_logs() as lines:
        reader = Reader(broker, answer=lambda _delivery: [message("b", "fetcher")])
        reader.next_one()
        used = time.process_time()
        assert not reader.consumer.drained(2)
        assert time.process_time() - used < 1
        assert not reader.consumer.connected
    reported = [line for line in lines if line["event"] == "broker_unavailable"]
    assert [line["error"] for line in reported] == ["queue file: database or disk is full"]
    room_again(file)
    assert reader.consumer.drained(10)
    assert ready_count(broker, "fetcher") == 1


def remove(file: Path) -> None:
    for each in file.parent.glob(f"{file.name}*"):
        each.rename(each.with_name(f"away-{each.name}"))


def replace(file: Path) -> None:
    remove(file)
    shutil.copy(file.with_name(f"away-{file.name}"), file)


@pytest.mark.parametrize("lose", [remove, replace])
def test_a_file_that_is_gone_or_another_takes_nothing(
    broker: Broker, file: Path, lose: object
) -> None:
    broker.publish([message("a")])
    assert broker.ready()
    reader = Reader(broker, "fetcher")
    eventually(lambda: reader.consumer.connected)
    lose(file)  # type: ignore[operator]
    assert not broker.ready()
    with pytest.raises(BrokerUnavailable, match=r"gone or replaced .* restart"):
        broker.publish([message("b")])
    eventually(lambda: not reader.consumer.connected)


def test_a_file_that_is_put_back_is_used_again(broker: Broker, file: Path) -> None:
    broker.publish([message("a")])
    away = file.with_name("away")
    file.rename(away)
    assert not broker.ready()
    away.rename(file)
    assert broker.ready()
    broker.publish([message("b")])
    assert ready_count(broker) == 2


def written_by_a_clock_six_hours_ahead(file: Path) -> None:
    with sqlite3.connect(file) as other:
        other.execute("UPDATE message SET due = due + 21600")


@pytest.mark.parametrize("delay", [None, 1.0])
def test_what_a_clock_ahead_has_delayed_comes_when_it_is_right_again(
    file: Path, delay: float | None
) -> None:
    url = f"sqlite:///{file}"
    with opened(url) as before:
        before.publish([message("a", delay=delay)])
    written_by_a_clock_six_hours_ahead(file)
    with opened(url) as after:
        assert ready_count(after) == 0
        assert Reader(after).wait_for(1, timeout=10)


def test_a_true_delay_is_believed(file: Path) -> None:
    with opened(f"sqlite:///{file}") as broker:
        broker.publish([message("a", delay=1)])
        started = time.monotonic()
        Reader(broker).next_one()
        assert time.monotonic() - started > 0.7
