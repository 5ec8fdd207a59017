"""What the spool keeps, in which order it goes to the broker, and what a crash leaves of it."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from ingest.publisher import QueuePublisher
from ingest.spool import Spool
from ingest.store_and_forward import StoreAndForward
from shared.base.errors import CannotStart, Unavailable
from shared.booking.messages import Notification, RefusedEngagement
from shared.relay.broker import BrokerError, BrokerUnavailable, Envelope, Outgoing, PublishRefused
from tests.polling import eventually

MIB = 1024 * 1024
NOTIFICATION = Notification(
    notification_id="n",
    received_at=datetime(2026, 11, 25, tzinfo=UTC),
    refused=(RefusedEngagement(problem="odd"),),
)


def message(name: str, size: int = 10) -> Outgoing:
    return Outgoing("filter", Envelope(name, b"x" * size))


class Broker:
    """Takes messages while `trouble` is None."""

    def __init__(self) -> None:
        self.trouble: BrokerError | None = None
        self.refused_after: int | None = None  # so many batches more
        self.names: list[str] = []

    def publish(self, messages: Sequence[Outgoing], *, timeout: float) -> None:
        assert timeout > 0
        if self.refused_after is not None:
            self.refused_after -= 1
            if self.refused_after < 0:
                self.trouble = PublishRefused("nacked")
        if self.trouble is not None:
            raise self.trouble
        self.names += [one.envelope.message_id for one in messages]

    def ready(self) -> bool:
        return self.trouble is None


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.db", max_bytes=MIB)
    yield opened
    opened.close()


def storage_of(broker: Broker, spool: Spool) -> StoreAndForward:
    return StoreAndForward(broker, spool, timeout=1, largest=1000, every=0.01)


def names_in(spool: Spool) -> list[str]:
    batch = spool.oldest(most=10_000, max_bytes=MIB)
    return [one.envelope.message_id for one in batch.messages] if batch else []


def fill(spool: Spool, size: int) -> None:
    """With messages of `size` bytes, until one is refused."""
    with suppress(BrokerUnavailable):
        for number in count():
            spool.append([message(f"m{number}", size)])


def test_nothing_is_spooled_while_the_broker_takes_it(broker: Broker, spool: Spool) -> None:
    storage_of(broker, spool).publish([message("a")], timeout=1)
    assert (broker.names, names_in(spool)) == (["a"], [])


@pytest.mark.parametrize("trouble", [BrokerUnavailable("away"), PublishRefused("nacked")])
def test_what_the_broker_does_not_take_is_spooled(
    broker: Broker, spool: Spool, trouble: BrokerError
) -> None:
    broker.trouble = trouble
    storage_of(broker, spool).publish([message("a"), message("b")], timeout=1)
    assert names_in(spool) == ["a", "b"]


def test_nothing_overtakes_what_is_spooled(broker: Broker, spool: Spool) -> None:
    """The broker is back, and the spool is not drained yet."""
    storage = storage_of(broker, spool)
    broker.trouble = BrokerUnavailable("away")
    storage.publish([message("first")], timeout=1)
    broker.trouble = None
    storage.publish([message("second")], timeout=1)
    assert (broker.names, names_in(spool)) == ([], ["first", "second"])
    storage.start()
    eventually(lambda: spool.empty)
    storage.publish([message("third")], timeout=1)
    storage.stop()
    assert broker.names == ["first", "second", "third"]


def test_it_is_drained_in_its_order_over_many_batches(broker: Broker, spool: Spool) -> None:
    """The broker fails again in the midst of it."""
    storage = storage_of(broker, spool)
    broker.trouble = BrokerUnavailable("away")
    names = [f"m{number}" for number in range(350)]
    for name in names:
        storage.publish([message(name)], timeout=1)
    broker.trouble, broker.refused_after = None, 2
    storage.start()
    eventually(lambda: broker.trouble is not None)
    assert broker.names == names[:200]
    assert names_in(spool) == names[200:]
    broker.trouble = broker.refused_after = None
    eventually(lambda: spool.empty)
    storage.stop()
    assert broker.names == names


def test_what_is_spooled_stays_in_its_trace(spool: Spool) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    one = message("a")
    spool.append([one._replace(envelope=one.envelope._replace(traceparent=parent)), message("b")])
    batch = spool.oldest(most=2, max_bytes=MIB)
    assert batch is not None
    assert [one.envelope.traceparent for one in batch.messages] == [parent, ""]


def test_a_file_of_a_version_without_traces_is_drained_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with closing(Spool(path, max_bytes=MIB)) as former:
        former.append([message("old")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE message DROP COLUMN traceparent")
    with closing(Spool(path, max_bytes=MIB)) as spool:
        spool.append([message("new")])
        assert names_in(spool) == ["old", "new"]


def test_messages_in_the_spool_outlive_the_process(tmp_path: Path, broker: Broker) -> None:
    """SIGKILL right after the answer; the folder and the file are found again as they were."""
    program = (
        "import os, sys; from pathlib import Path; from ingest.spool import Spool;"
        "from shared.relay.broker import Envelope, Outgoing;"
        f"spool = Spool(Path({str(tmp_path / 'spool.db')!r}), max_bytes={MIB});"
        "[spool.append([Outgoing('filter', Envelope(f'm{n}', b'x'))]) for n in range(50)];"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    assert killed.returncode == -signal.SIGKILL
    spool = Spool(tmp_path / "spool.db", max_bytes=MIB)
    storage = storage_of(broker, spool)
    storage.start()
    eventually(lambda: spool.empty)
    storage.stop()
    assert broker.names == [f"m{number}" for number in range(50)]


def test_a_commit_is_flushed_before_it_is_answered(spool: Spool) -> None:
    """SQLite says so of itself: FULL flushes the log at each commit."""
    with spool._used() as connection:
        [level] = connection.execute("PRAGMA synchronous").fetchone()
    assert level == 2


def test_the_folder_is_flushed_when_the_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def recorded(handle: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", recorded)
    Spool(tmp_path / "spool.db", max_bytes=MIB).close()
    assert str(tmp_path) in flushed


def test_it_takes_no_more_than_it_may(spool: Spool) -> None:
    fill(spool, 20_000)
    kept = spool.state().messages
    assert 40 < kept < 53
    assert not spool.has_room(20_000)
    batch = spool.oldest(most=10, max_bytes=MIB)
    assert batch is not None
    spool.remove(batch)
    assert spool.has_room(20_000)
    spool.append([message("fits again", 20_000)])
    assert spool.state().messages == kept - 10 + 1


def test_all_of_a_request_is_spooled_or_nothing(spool: Spool) -> None:
    with pytest.raises(BrokerUnavailable):
        spool.append([message("small"), message("huge", 2 * MIB)])
    assert spool.empty


def test_a_full_spool_is_unavailable_and_the_request_is_held(broker: Broker, spool: Spool) -> None:
    broker.trouble = BrokerUnavailable("away")
    with pytest.raises(BrokerUnavailable):
        spool.append([message("huge", 2 * MIB)])
    storage = storage_of(broker, spool)
    fill(spool, 20_000)
    fill(spool, 1)
    publish = QueuePublisher(storage, timeout=1, max_message_bytes=MIB)
    with pytest.raises(Unavailable):
        publish(NOTIFICATION)
    assert not StoreAndForward(broker, spool, timeout=1, largest=MIB).ready()


def test_it_is_ready_while_it_can_store_anywhere(broker: Broker, spool: Spool) -> None:
    storage = storage_of(broker, spool)
    assert storage.ready()
    broker.trouble = BrokerUnavailable("away")
    assert storage.ready()
    assert not StoreAndForward(broker, spool, timeout=1, largest=2 * MIB).ready()


def test_a_deleted_file_takes_nothing_and_the_broker_does(
    tmp_path: Path, broker: Broker, spool: Spool
) -> None:
    storage = storage_of(broker, spool)
    (tmp_path / "spool.db").unlink()
    storage.publish([message("a")], timeout=1)
    broker.trouble = BrokerUnavailable("away")
    with pytest.raises(BrokerUnavailable):
        storage.publish([message("b")], timeout=1)
    assert (broker.names, storage.ready()) == (["a"], False)


def test_one_process_at_a_time_drains_a_shared_file(tmp_path: Path) -> None:
    one, other = (Spool(tmp_path / "spool.db", max_bytes=MIB) for _ in range(2))
    assert (one.may_drain(), other.may_drain()) == (True, False)
    other.append([message("a")])
    assert not one.empty
    one.close()
    assert other.may_drain()
    other.close()


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"this is no database, whatever its name says" * 100)
    for path in (tmp_path / "spool.db", tmp_path / "none" / "spool.db"):
        with pytest.raises(CannotStart, match="BUDKAVLE_INGEST_SPOOL"):
            Spool(path, max_bytes=MIB)


def test_the_files_name_nobody_when_it_is_drained(
    tmp_path: Path, broker: Broker, spool: Spool
) -> None:
    patient = b"191212121212"
    storage = storage_of(broker, spool)
    broker.trouble = BrokerUnavailable("away")
    storage.publish([Outgoing("filter", Envelope("a", patient * 1000))], timeout=1)
    assert any(patient in file.read_bytes() for file in tmp_path.iterdir())
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())
    broker.trouble = None
    storage.start()
    eventually(lambda: not any(patient in file.read_bytes() for file in tmp_path.iterdir()))
    storage.stop()


def test_metrics_show_size_and_age(broker: Broker, tmp_path: Path) -> None:
    now = 1000.0
    spool = Spool(tmp_path / "spool.db", max_bytes=MIB, clock=lambda: now)
    broker.trouble = BrokerUnavailable("away")
    storage = storage_of(broker, spool)
    for number in range(3):
        storage.publish([message(f"m{number}", 5000)], timeout=1)
    now = 1090.0
    storage.start()
    eventually(lambda: gauge("oldest_seconds") == now - 1000)
    assert (gauge("messages"), gauge("limit_bytes")) == (3, MIB)
    assert 15_000 < gauge("bytes") < 60_000
    broker.trouble = None
    eventually(lambda: gauge("messages") == gauge("oldest_seconds") == 0)
    storage.stop()


def gauge(name: str) -> float:
    value = REGISTRY.get_sample_value(f"budkavle_ingest_spool_{name}")
    assert value is not None
    return value


def test_a_spool_of_another_kind_of_trouble_is_unavailable(spool: Spool) -> None:
    with pytest.raises(BrokerUnavailable, match="spool"), spool._used():
        raise sqlite3.OperationalError("disk I/O error")
