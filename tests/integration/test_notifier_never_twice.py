"""Never twice, on both databases: rival workers, and death between the claim and the answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event

import pytest

from notifier.channels import NoticeWaitReason, OutgoingChannel
from notifier.handler import DoneReason, NoticeDropReason, Notifier
from notifier.pacing import CircuitBreaker
from notifier.results import Accepted, SendResult
from shared.base.clock import utcnow
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, NoticeStatus
from shared.relay.outcomes import Done, Drop, Outcome, Postpone
from shared.store.contacts import ContactPreferences
from shared.store.engine import Database, open_database
from shared.store.migrate import migrate
from shared.store.notices import NoticeStore

LIMIT = timedelta(seconds=100)
TOLVAN = "191212121212"
ORDER = NoticeOrder(
    notification_id="n",
    received_at=datetime(2026, 12, 3, 11, 0, tzinfo=UTC),
    change_id="c",
    message_id="m",
    patient=TOLVAN,
)


class Killed(BaseException):
    """What SIGKILL is to the code under test: nothing runs after it."""


class SlowSender:
    """Sends when the test lets it, so that rivals arrive in the midst of it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.at_it = Event()
        self.may_finish = Event()
        self.killed_by: BaseException | None = None

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        self.sent.append(address)
        self.at_it.set()
        assert self.may_finish.wait(10)
        if self.killed_by is not None:
            raise self.killed_by
        return Accepted()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    migrate(database_url)
    opened = open_database(database_url, pool_size=8)
    ContactPreferences(opened).set(TOLVAN, Channel.SMS, "0701740605")
    yield opened
    opened.close()


@pytest.fixture
def sender() -> SlowSender:
    return SlowSender()


def worker(database: Database, sender: SlowSender, later: timedelta = timedelta(0)) -> Notifier:
    """A notifier as one process has it, its clock `later` than it is."""
    return Notifier(
        ContactPreferences(database),
        NoticeStore(database),
        {Channel.SMS: OutgoingChannel(sender, CircuitBreaker())},
        lambda *_: None,
        in_inbox=set,
        collecting=timedelta(0),
        sending_limit=LIMIT,
        clock=lambda: utcnow() + later,
    )


def status(database: Database) -> NoticeStatus:
    [notice] = NoticeStore(database).of_message("m")
    return notice.status


def test_of_rival_workers_one_sends(database: Database, sender: SlowSender) -> None:
    sender.may_finish.set()
    start = Barrier(6)

    def handle(notifier: Notifier) -> Outcome:
        start.wait()
        return notifier(ORDER)

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(handle, [worker(database, sender) for _ in range(6)]))
    assert sender.sent == ["+46701740605"]
    assert outcomes.count(Done(DoneReason.ACCEPTED)) == 1
    others = [outcome for outcome in outcomes if not isinstance(outcome, Done)]
    assert all(
        outcome == Drop(NoticeDropReason.ALREADY_NOTIFIED)
        or (isinstance(outcome, Postpone) and outcome.reason is NoticeWaitReason.BEING_SENT)
        for outcome in others
    )


def test_a_rival_waits_while_another_is_at_it(database: Database, sender: SlowSender) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(worker(database, sender), ORDER)
        assert sender.at_it.wait(10)
        waiting = worker(database, sender)(ORDER)
        sender.may_finish.set()
        assert first.result() == Done(DoneReason.ACCEPTED)
    assert isinstance(waiting, Postpone)
    assert waiting.reason is NoticeWaitReason.BEING_SENT
    assert timedelta(0) < waiting.delay <= LIMIT
    assert worker(database, sender)(ORDER) == Drop(NoticeDropReason.ALREADY_NOTIFIED)
    assert len(sender.sent) == 1


def test_death_in_the_midst_of_sending_is_uncertain(database: Database, sender: SlowSender) -> None:
    sender.may_finish.set()
    sender.killed_by = Killed()
    with pytest.raises(Killed):
        worker(database, sender)(ORDER)
    assert status(database) is NoticeStatus.SENDING
    assert isinstance(worker(database, sender)(ORDER), Postpone)
    assert worker(database, sender, later=LIMIT)(ORDER) == Done(DoneReason.UNCERTAIN)
    assert status(database) is NoticeStatus.UNCERTAIN
    assert worker(database, sender, later=LIMIT)(ORDER) == Drop(NoticeDropReason.ALREADY_NOTIFIED)
    assert len(sender.sent) == 1


def test_one_given_up_too_early_is_still_sent_once(database: Database, sender: SlowSender) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(worker(database, sender), ORDER)
        assert sender.at_it.wait(10)
        assert worker(database, sender, later=2 * LIMIT)(ORDER) == Done(DoneReason.UNCERTAIN)
        sender.may_finish.set()
        assert slow.result() == Done(DoneReason.ACCEPTED)
    assert status(database) is NoticeStatus.ACCEPTED
    assert len(sender.sent) == 1
