"""Notices that are handled together: few statements, and no more doubt than sendings."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Lock

import pytest

from notifier.channels import NoticeWaitReason, OutgoingChannel
from notifier.handler import DoneReason, NoticeDropReason, Notifier
from notifier.pacing import Bulkhead, CircuitBreaker
from notifier.results import Accepted, ProviderDown, SendResult
from shared.base.errors import Unavailable
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, Choice, Claim, Ending, Notice, NoticeStatus, Wanted
from shared.relay.outcomes import Done, Drop, Postpone
from tests.fake_notices import FakeNotices
from tests.polling import eventually

NOON = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
AT_ONCE = 4
ACCEPTED = Done(DoneReason.ACCEPTED)


class CountingNotices(FakeNotices):
    """Counts its statements, and the most that were ever in doubt. Thread-safe."""

    def __init__(self) -> None:
        super().__init__(lambda: NOON)
        self.statements: Counter[str] = Counter()
        self.most_in_doubt = 0
        self.away = False
        self._lock = Lock()

    def register_all(self, several: Sequence[Wanted]) -> None:
        with self._lock:
            self.statements["register"] += 1
            super().register_all(several)

    def claim_all(self, several: Sequence[Wanted]) -> list[Claim | Notice]:
        with self._lock:
            self.statements["claim"] += 1
            found = super().claim_all(several)
            self.most_in_doubt = max(self.most_in_doubt, len(self.in_doubt))
            return found

    def record_results(self, several: Sequence[Ending]) -> None:
        if self.away:
            raise Unavailable("database_unavailable")
        with self._lock:
            self.statements["record"] += 1
            super().record_results(several)

    @property
    def in_doubt(self) -> list[str]:
        rows = [*self.rows.values()]
        return [row.message_id for row in rows if row.status is NoticeStatus.SENDING]


class Sender:
    """Sends at once, but for the addresses that a test holds, or lets fail."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.reply: SendResult = Accepted()
        self.bugs: set[str] = set()
        self.held: set[str] = set()
        self.go = Event()

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        self.sent.append(address)
        if address in self.held:
            assert self.go.wait(10)
        if address in self.bugs:
            raise ZeroDivisionError
        return self.reply


class World:
    def __init__(self, collecting: timedelta = timedelta(0)) -> None:
        self.now = NOON
        self.notices = CountingNotices()
        self.sms, self.email = Sender(), Sender()
        self.asked = 0
        self.named = ""
        self.observed: list[str] = []
        self.channels = {
            Channel.SMS: OutgoingChannel(self.sms, CircuitBreaker(), bulkhead=Bulkhead(3, 0.05)),
            Channel.EMAIL: OutgoingChannel(
                self.email, CircuitBreaker(), bulkhead=Bulkhead(3, 0.05)
            ),
        }
        self.notifier = Notifier(
            self,
            self.notices,
            self.channels,
            lambda *_: self.observed.append(self.named),
            in_inbox=set,
            collecting=collecting,
            sending_limit=timedelta(seconds=100),
            at_once=AT_ONCE,
            named=self.naming,
            clock=lambda: self.now,
        )

    def choices_of(self, patients: Collection[str]) -> Mapping[str, Mapping[Channel, Choice]]:
        """Patients whose number ends with a letter want e-mail, others SMS."""
        self.asked += 1
        return {
            patient: {Channel.EMAIL if patient[-1].isalpha() else Channel.SMS: Choice(patient)}
            for patient in patients
        }

    @contextmanager
    def naming(self, order: NoticeOrder) -> Iterator[None]:
        self.named = order.message_id
        yield
        self.named = ""

    @contextmanager
    def handling(self, orders: Sequence[NoticeOrder]) -> Iterator[object]:
        """While another thread handles them."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(self.notifier.handle_batch, orders)


def orders(*patients: str) -> list[NoticeOrder]:
    return [
        NoticeOrder(
            notification_id="n",
            received_at=NOON,
            change_id="c",
            message_id=f"m{number}",
            patient=patient,
        )
        for number, patient in enumerate(patients)
    ]


MANY = [f"20121212{number:04d}" for number in range(20)]


def test_those_that_come_first_cost_two_statements() -> None:
    world = World(collecting=timedelta(seconds=5))
    outcomes = world.notifier.handle_batch(orders(*MANY))
    assert all(isinstance(outcome, Postpone) for outcome in outcomes)
    assert world.asked == 1
    assert world.notices.statements == {"register": 1}


def test_as_many_as_may_be_sent_at_once_cost_one_claim_and_one_record() -> None:
    world = World()
    mixed = [*MANY[:2], "20121212000A", "20121212000B"]
    assert world.notifier.handle_batch(orders(*mixed)) == [ACCEPTED] * 4
    assert world.asked == 1
    assert world.notices.statements == {"register": 1, "claim": 1, "record": 1}


def test_what_is_reported_of_each_names_its_order() -> None:
    world = World()
    world.notifier.handle_batch(orders(*MANY[:4]))
    assert sorted(world.observed) == ["m0", "m1", "m2", "m3"]


def test_no_more_are_in_doubt_than_are_sent_at_once() -> None:
    world = World()
    patients = [*MANY, *[f"20121212A{number:02d}B" for number in range(20)]]
    assert world.notifier.handle_batch(orders(*patients)) == [ACCEPTED] * 40
    assert 1 < world.notices.most_in_doubt <= AT_ONCE
    assert sorted(world.sms.sent + world.email.sent) == sorted(patients)


def test_nor_by_several_threads_together() -> None:
    world = World()
    batches = [orders(*MANY[start : start + 5]) for start in range(0, 20, 5)]
    for number, batch in enumerate(batches):
        batches[number] = [
            order.model_copy(update={"message_id": order.patient}) for order in batch
        ]
    with ThreadPoolExecutor(4) as pool:
        outcomes = [outcome for done in pool.map(world.notifier.handle_batch, batches)
                    for outcome in done]  # fmt: skip
    assert world.notices.most_in_doubt <= AT_ONCE
    assert {type(outcome) for outcome in outcomes} <= {Done, Postpone}
    assert len(world.sms.sent) == outcomes.count(ACCEPTED)


def test_batches_side_by_side_share_out_no_places_one_by_one() -> None:
    """Each share costs a claim and a record, however small it is."""
    world = World()
    both = [MANY[:12], [f"20121212A{number:02d}B" for number in range(12)]]
    batches = [
        [order.model_copy(update={"message_id": order.patient}) for order in orders(*patients)]
        for patients in both
    ]
    with ThreadPoolExecutor(2) as pool:
        outcomes = [*pool.map(world.notifier.handle_batch, batches)]
    assert outcomes == [[ACCEPTED] * 12] * 2
    assert world.notices.statements["claim"] <= 10
    assert world.notices.statements["record"] <= 10


def test_several_messages_to_one_patient_are_one_notice() -> None:
    world = World()
    outcomes = world.notifier.handle_batch(orders(*[MANY[0]] * 3, MANY[1]))
    told = Drop(NoticeDropReason.ALREADY_NOTIFIED)
    assert outcomes == [ACCEPTED, told, told, ACCEPTED]
    assert sorted(world.sms.sent) == MANY[:2]


def test_one_that_is_slow_keeps_no_result_of_another_from_being_stored() -> None:
    world = World()
    world.sms.held = {MANY[0]}
    with world.handling(orders(*MANY[:3], "20121212000A")):
        eventually(lambda: world.notices.in_doubt == ["m0"])
        assert len(world.email.sent) == 1
        world.sms.go.set()
    assert world.notices.in_doubt == []


def test_a_slow_channel_holds_its_own_places_and_no_more() -> None:
    world = World()
    world.sms.held = set(MANY[:3])
    mails = [f"2012121200{number:d}A" for number in range(8)]
    with world.handling(orders(*MANY[:3])):
        eventually(lambda: len(world.sms.sent) == 3)
        outcomes = world.notifier.handle_batch(orders(MANY[4], *mails))
        assert outcomes[1:] == [ACCEPTED] * 8
        assert outcomes[0] == Postpone(timedelta(seconds=5), NoticeWaitReason.CHANNEL_BUSY)
        world.sms.go.set()


def test_a_half_open_breaker_lets_one_of_a_batch_through() -> None:
    world = World()
    world.sms.reply = ProviderDown("E_COULDNT_CONNECT")
    world.notifier.handle_batch(orders(MANY[0]))
    world.now += timedelta(seconds=11)
    outcomes = world.notifier.handle_batch(orders(*MANY)[1:6])
    assert world.sms.sent == MANY[:2]
    paused = Postpone(timedelta(seconds=20), NoticeWaitReason.BREAKER_OPEN)
    assert outcomes[1:] == [paused] * 4


def test_a_bug_in_one_sending_loses_no_result_of_the_others() -> None:
    world = World()
    world.sms.bugs = {MANY[1]}
    with pytest.raises(ZeroDivisionError):
        world.notifier.handle_batch(orders(*MANY[:3]))
    assert world.notices.in_doubt == ["m1"]
    assert world.notifier(orders(MANY[0])[0]) == Drop(NoticeDropReason.ALREADY_NOTIFIED)
    assert world.notifier.handle_batch(orders(*MANY[3:6])) != []  # every place is free again


def test_a_database_that_goes_away_after_sending_sends_nothing_twice() -> None:
    world = World()
    world.notices.away = True
    batch = orders(*MANY[:3])
    with pytest.raises(Unavailable):
        world.notifier.handle_batch(batch)
    world.notices.away = False
    for order in batch:  # as the runner does with each by itself
        assert isinstance(world.notifier(order), Postpone)
    world.now += timedelta(seconds=200)
    assert world.notifier.handle_batch(batch) == [Done(DoneReason.UNCERTAIN)] * 3
    assert sorted(world.sms.sent) == MANY[:3]
