"""The notifier's decisions: what is sent, what waits, what is left alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from notifier.handler import (
    DeadReason,
    DropReason,
    Lane,
    Note,
    Notifier,
    NotTaken,
    RetryReason,
    WaitReason,
)
from notifier.pacing import Bulkhead, Pause, QuietHours, Slots
from notifier.replies import Accepted, Away, Rejected, Reply, TryLater, Uncertain
from shared.base.errors import Unavailable
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, Claim, Notice, NoticeStatus
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Postpone, Publish, RetryLater

NOON = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
EVENING = datetime(2026, 12, 3, 21, 0, tzinfo=UTC)  # 22:00 in Sweden
MOBILE = "+46701740605"
ADDRESS = "tolvan@example.org"
LIMIT = timedelta(seconds=100)


class Killed(BaseException):
    """What SIGKILL is to the code under test: nothing runs after it."""


@dataclass
class FakeNotices:
    """The rules of `NoticeStore`, in memory."""

    clock: Callable[[], datetime]
    rows: dict[tuple[str, Channel], Notice] = field(default_factory=dict)
    settled: list[tuple[NoticeStatus, str, str | None]] = field(default_factory=list)

    def claim(self, message_id: str, channel: Channel) -> Claim | Notice:
        standing = self.rows.get((message_id, channel))
        if standing is not None and standing.status is not NoticeStatus.PENDING:
            return standing
        notice_id = f"notice-{message_id}-{channel}"
        self.rows[message_id, channel] = Notice(
            notice_id, message_id, channel, NoticeStatus.SENDING, self.clock()
        )
        return Claim(notice_id, self.clock())

    def settle(
        self,
        claim: Claim,
        status: NoticeStatus,
        *,
        detail: str = "",
        provider_id: str | None = None,
    ) -> None:
        self._change(claim.notice_id, status)
        self.settled.append((status, detail, provider_id))

    def doubt(self, stale: Notice, detail: str) -> bool:
        self._change(stale.id, NoticeStatus.UNCERTAIN)
        return True

    def _change(self, notice_id: str, status: NoticeStatus) -> None:
        for key, row in self.rows.items():
            if row.id == notice_id:
                self.rows[key] = replace(row, status=status, since=self.clock())

    def status(self, channel: Channel) -> NoticeStatus:
        return self.rows["m", channel].status


@dataclass
class FakeSender:
    reply: Reply = field(default_factory=Accepted)
    sent: list[tuple[str, str]] = field(default_factory=list)
    dies: bool = False

    def send(self, notice_id: str, address: str) -> Reply:
        self.sent.append((notice_id, address))
        if self.dies:
            raise Killed
        return self.reply


@dataclass
class FakePreferences:
    chosen: Mapping[Channel, str]

    def of(self, patient: str) -> Mapping[Channel, str]:
        return self.chosen


class World:
    """A notifier among fakes, on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOON
        self.preferences = FakePreferences({Channel.SMS: MOBILE})
        self.notices = FakeNotices(lambda: self.now)
        self.sms = FakeSender()
        self.email = FakeSender()
        self.lanes = {
            Channel.SMS: Lane(self.sms, Pause()),
            Channel.EMAIL: Lane(self.email, Pause()),
        }
        self.observed: list[tuple[Channel, NoticeStatus, str]] = []
        self.notifier = Notifier(
            self.preferences,
            self.notices,
            self.lanes,
            lambda *seen: self.observed.append(seen),
            sending_limit=LIMIT,
            clock=lambda: self.now,
        )

    def handle(self, order: NoticeOrder | None = None) -> Outcome:
        return self.notifier(order or an_order())

    def pass_time(self, **length: float) -> None:
        self.now += timedelta(**length)


def an_order(**given: object) -> NoticeOrder:
    values: dict[str, object] = {
        "notification_id": "n",
        "received_at": NOON,
        "change_id": "c",
        "message_id": "m",
        "patient": "191212121212",
    }
    return NoticeOrder.model_validate(values | given)


@pytest.fixture
def world() -> World:
    return World()


def test_one_chosen_channel_gets_one_notice(world: World) -> None:
    world.sms.reply = Accepted("s123")
    assert world.handle() == Publish((), note=Note.ACCEPTED)
    assert world.sms.sent == [("notice-m-sms", MOBILE)]
    assert world.email.sent == []
    assert world.notices.settled == [(NoticeStatus.ACCEPTED, "", "s123")]
    assert world.observed == [(Channel.SMS, NoticeStatus.ACCEPTED, "")]


def test_redelivery_sends_nothing_again(world: World) -> None:
    world.handle()
    assert world.handle() == Drop(DropReason.ALREADY_NOTIFIED)
    assert len(world.sms.sent) == 1


def test_nothing_chosen_nothing_sent(world: World) -> None:
    world.preferences.chosen = {}
    assert world.handle() == Drop(DropReason.NOT_WANTED)
    assert world.notices.rows == {}


def test_a_chosen_channel_without_a_provider_is_a_dead_letter(world: World) -> None:
    del world.lanes[Channel.SMS]
    assert world.handle() == DeadLetter(DeadReason.CHANNEL_OFF)
    assert world.notices.rows == {}


@pytest.mark.parametrize(("left", "sent"), [(-1, 0), (0, 0), (1, 1)])
def test_an_expired_order_has_no_use(world: World, left: int, sent: int) -> None:
    outcome = world.handle(an_order(expires_at=NOON + timedelta(seconds=left)))
    assert (outcome == Drop(DropReason.EXPIRED)) is not bool(sent)
    assert len(world.sms.sent) == sent


class TestTwoChannels:
    @pytest.fixture(autouse=True)
    def both_chosen(self, world: World) -> None:
        world.preferences.chosen = {Channel.SMS: MOBILE, Channel.EMAIL: ADDRESS}

    def orders(self, world: World) -> dict[Channel | None, NoticeOrder]:
        outcome = world.handle()
        assert isinstance(outcome, Publish)
        orders = [order for order in outcome.messages if isinstance(order, NoticeOrder)]
        return {order.channel: order for order in orders}

    def test_become_one_order_each_with_their_own_identity(self, world: World) -> None:
        orders = self.orders(world)
        assert orders.keys() == {Channel.SMS, Channel.EMAIL}
        assert len({order.identity for order in orders.values()}) == 2
        assert world.sms.sent == world.email.sent == []

    def test_one_without_a_provider_is_a_dead_letter_and_the_other_is_sent(
        self, world: World
    ) -> None:
        del world.lanes[Channel.SMS]
        orders = self.orders(world)
        assert world.handle(orders[Channel.SMS]) == DeadLetter(DeadReason.CHANNEL_OFF)
        assert world.handle(orders[Channel.EMAIL]) == Publish((), note=Note.ACCEPTED)

    def test_one_in_trouble_does_not_touch_the_other(self, world: World) -> None:
        world.sms.reply = TryLater("busy")
        orders = self.orders(world)
        assert isinstance(world.handle(orders[Channel.SMS]), RetryLater)
        assert world.handle(orders[Channel.EMAIL]) == Publish((), note=Note.ACCEPTED)
        assert isinstance(world.handle(orders[Channel.SMS]), RetryLater)
        assert [address for _, address in world.email.sent] == [ADDRESS]

    def test_the_choice_is_read_again_when_each_is_sent(self, world: World) -> None:
        orders = self.orders(world)
        world.preferences.chosen = {Channel.EMAIL: "ny@example.org"}
        assert world.handle(orders[Channel.SMS]) == Drop(DropReason.NOT_WANTED)
        world.handle(orders[Channel.EMAIL])
        assert world.email.sent == [("notice-m-email", "ny@example.org")]


class TestWhatTheProviderSays:
    @pytest.mark.parametrize(
        ("reply", "status", "reason"),
        [
            (Rejected("HTTP 400"), NoticeStatus.REJECTED, DropReason.REJECTED),
            (Uncertain("ReadTimeout"), NoticeStatus.UNCERTAIN, DropReason.UNCERTAIN),
        ],
    )
    def test_final_answers_are_never_followed_by_another_try(
        self, world: World, reply: Reply, status: NoticeStatus, reason: DropReason
    ) -> None:
        world.sms.reply = reply
        assert world.handle() == Drop(reason)
        assert world.notices.status(Channel.SMS) is status
        assert world.observed == [(Channel.SMS, status, reply.detail)]  # type: ignore[union-attr]
        world.pass_time(hours=1)
        assert world.handle() == Drop(DropReason.ALREADY_NOTIFIED)
        assert len(world.sms.sent) == 1

    def test_what_was_not_taken_is_given_back_and_tried_again(self, world: World) -> None:
        world.sms.reply = TryLater("SMTP 450")
        outcome = world.handle()
        assert isinstance(outcome, RetryLater)
        assert outcome.reason is RetryReason.NOT_TAKEN
        assert isinstance(outcome.error, NotTaken)
        assert str(outcome.error) == "SMTP 450"
        assert world.notices.status(Channel.SMS) is NoticeStatus.PENDING
        world.sms.reply = Accepted()
        assert world.handle() == Publish((), note=Note.ACCEPTED)

    def test_asked_to_wait_we_wait_that_long_and_spend_no_attempt(self, world: World) -> None:
        world.sms.reply = Away("HTTP 429", timedelta(seconds=42))
        waited = Postpone(timedelta(seconds=42), WaitReason.PROVIDER_PAUSED)
        assert world.handle() == waited
        assert world.handle() == waited
        assert len(world.sms.sent) == 1
        world.pass_time(seconds=42)
        world.sms.reply = Accepted()
        assert world.handle() == Publish((), note=Note.ACCEPTED)

    @pytest.mark.parametrize("reply", [Away("ConnectionError"), Uncertain("ReadTimeout")])
    def test_a_provider_that_does_not_answer_is_left_in_peace(
        self, world: World, reply: Reply
    ) -> None:
        world.sms.reply = reply
        world.handle()
        other = world.handle(an_order(message_id="other"))
        assert other == Postpone(timedelta(seconds=10), WaitReason.PROVIDER_PAUSED)
        assert len(world.sms.sent) == 1
        assert ("other", Channel.SMS) not in world.notices.rows

    def test_away_spends_an_attempt(self, world: World) -> None:
        world.sms.reply = Away("ConnectionError")
        outcome = world.handle()
        assert isinstance(outcome, RetryLater)
        assert outcome.reason is RetryReason.PROVIDER_AWAY

    @pytest.mark.parametrize("reply", [Accepted(), Rejected("HTTP 400"), TryLater("SMTP 450")])
    def test_an_answer_about_one_notice_stops_no_other(self, world: World, reply: Reply) -> None:
        world.sms.reply = reply
        world.handle()
        world.handle(an_order(message_id="other"))
        assert len(world.sms.sent) == 2


class TestAChannelThatIsSlow:
    @pytest.fixture(autouse=True)
    def one_place(self, world: World) -> None:
        bulkhead = Bulkhead(2, patience_seconds=0)
        world.lanes[Channel.SMS] = replace(world.lanes[Channel.SMS], bulkhead=bulkhead)

    def test_keeps_further_notices_waiting_without_a_claim(self, world: World) -> None:
        bulkhead = world.lanes[Channel.SMS].bulkhead
        bulkhead.enter()
        bulkhead.enter()
        assert world.handle() == Postpone(timedelta(seconds=5), WaitReason.CHANNEL_BUSY)
        assert world.notices.rows == {}
        bulkhead.leave()
        assert world.handle() == Publish((), note=Note.ACCEPTED)

    def test_is_probed_by_one_notice_after_a_pause(self, world: World) -> None:
        world.sms.reply = Away("ConnectionError")
        world.handle()
        world.pass_time(seconds=11)
        world.sms.reply = Accepted()
        world.lanes[Channel.SMS].bulkhead.enter()  # another is the probe
        other = an_order(message_id="other")
        assert world.handle(other) == Postpone(timedelta(seconds=5), WaitReason.CHANNEL_BUSY)
        world.lanes[Channel.SMS].bulkhead.leave()
        assert world.handle(other) == Publish((), note=Note.ACCEPTED)
        world.lanes[Channel.SMS].bulkhead.enter()  # it is back: both places are free again
        assert world.handle() == Publish((), note=Note.ACCEPTED)

    def test_gives_its_place_back_whatever_comes_of_it(self, world: World) -> None:
        world.sms.dies = True
        for number in range(2):
            with pytest.raises(Killed):
                world.handle(an_order(message_id=f"m{number}"))
        world.sms.dies = False
        assert world.handle(an_order(message_id="last")) == Publish((), note=Note.ACCEPTED)


class TestACrashWhileSending:
    def crash(self, world: World) -> None:
        world.sms.dies = True
        with pytest.raises(Killed):
            world.handle()
        world.sms.dies = False

    def test_is_waited_for_as_long_as_someone_may_be_at_it(self, world: World) -> None:
        self.crash(world)
        world.pass_time(seconds=40)
        assert world.handle() == Postpone(timedelta(seconds=60), WaitReason.BEING_SENT)

    def test_is_uncertain_then_and_told_once(self, world: World) -> None:
        self.crash(world)
        world.pass_time(seconds=100)
        assert world.handle() == Drop(DropReason.UNCERTAIN)
        assert world.handle() == Drop(DropReason.ALREADY_NOTIFIED)
        assert world.observed == [(Channel.SMS, NoticeStatus.UNCERTAIN, "its sender died")]
        assert len(world.sms.sent) == 1

    def test_is_not_told_when_another_told_it_first(self, world: World) -> None:
        self.crash(world)
        world.pass_time(seconds=100)
        world.notices.doubt = lambda *_: False  # type: ignore[method-assign]
        assert world.handle() == Drop(DropReason.UNCERTAIN)
        assert world.observed == []


def test_a_database_that_goes_away_after_sending_sends_nothing_twice(world: World) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("database_unavailable")

    settle, world.notices.settle = world.notices.settle, away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        world.handle()
    world.notices.settle = settle  # type: ignore[method-assign]
    world.pass_time(seconds=100)
    assert world.handle() == Drop(DropReason.UNCERTAIN)
    assert len(world.sms.sent) == 1


def test_in_quiet_hours_sms_wait_and_email_goes(world: World) -> None:
    quiet = QuietHours.parse("21:00-07:00")
    world.lanes[Channel.SMS] = replace(world.lanes[Channel.SMS], quiet_hours=quiet)
    world.now = EVENING
    assert world.handle() == Postpone(timedelta(hours=9), WaitReason.QUIET_HOURS)
    assert world.notices.rows == {}
    world.preferences.chosen = {Channel.EMAIL: ADDRESS}
    assert world.handle() == Publish((), note=Note.ACCEPTED)


class TestTheRateLimit:
    @pytest.fixture(autouse=True)
    def six_a_minute(self, world: World) -> None:
        world.lanes[Channel.SMS] = replace(world.lanes[Channel.SMS], slots=Slots(6))

    def test_gives_what_is_over_it_a_turn_to_come_back_on(self, world: World) -> None:
        outcomes = [world.handle(an_order(message_id=f"m{number}")) for number in range(4)]
        assert outcomes[0] == Publish((), note=Note.ACCEPTED)
        for number in (1, 2, 3):
            slot = NOON + timedelta(seconds=10 * number)
            holder = an_order(message_id=f"m{number}", slot=slot)
            assert outcomes[number] == Postpone(slot - NOON, WaitReason.RATE_LIMIT, holder)

    def test_is_kept_by_turns_not_by_trying_again(self, world: World) -> None:
        world.handle()
        waiting = world.handle(an_order(message_id="second"))
        assert isinstance(waiting, Postpone)
        held = waiting.instead
        assert isinstance(held, NoticeOrder)
        early = world.handle(held)
        assert early == Postpone(timedelta(seconds=10), WaitReason.RATE_LIMIT, held)
        world.pass_time(seconds=10.5)
        assert world.handle(held) == Publish((), note=Note.ACCEPTED)
