"""The notifier's decisions: what is sent, what waits, what is left alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from notifier.channels import NoticeWaitReason, OutgoingChannel
from notifier.handler import (
    DoneReason,
    Note,
    NoticeDeadReason,
    NoticeDropReason,
    NoticeRetryReason,
    Notifier,
    NotTaken,
)
from notifier.pacing import Bulkhead, CircuitBreaker, QuietHours, Slots
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, TryLater, Uncertain
from shared.base.errors import Unavailable
from shared.booking.identity import BookingKey
from shared.booking.messages import BookingChange, NoticeOrder
from shared.booking.notices import Channel, Choice, NoticeStatus
from shared.relay.outcomes import DeadLetter, Done, Drop, Outcome, Postpone, Publish, RetryLater
from tests.fake_notices import FakeNotices

NOON = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
EVENING = datetime(2026, 12, 3, 21, 0, tzinfo=UTC)  # 22:00 in Sweden
MOBILE = "+46701740605"
ADDRESS = "tolvan@example.org"
LIMIT = timedelta(seconds=100)


class Killed(BaseException):
    """What SIGKILL is to the code under test: nothing runs after it."""


@dataclass
class FakeSender:
    reply: SendResult = field(default_factory=Accepted)
    sent: list[tuple[str, str]] = field(default_factory=list)
    several: list[bool] = field(default_factory=list)
    dies: bool = False

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        self.sent.append((notice_id, address))
        self.several.append(several)
        if self.dies:
            raise Killed
        return self.reply


@dataclass
class FakePreferences:
    chosen: Mapping[Channel, str]
    suppressed: tuple[Channel, ...] = ()

    def choices_of(self, patients: Collection[str]) -> Mapping[str, Mapping[Channel, Choice]]:
        choices = {
            channel: Choice(address, suppressed_at=NOON if channel in self.suppressed else None)
            for channel, address in self.chosen.items()
        }
        return dict.fromkeys(patients, choices)


class World:
    """A notifier among fakes, on a clock that the test moves."""

    def __init__(self, collecting: timedelta = timedelta(0)) -> None:
        self.now = NOON
        self.preferences = FakePreferences({Channel.SMS: MOBILE})
        self.notices = FakeNotices(lambda: self.now)
        self.sms = FakeSender()
        self.email = FakeSender()
        self.channels = {
            Channel.SMS: OutgoingChannel(self.sms, CircuitBreaker()),
            Channel.EMAIL: OutgoingChannel(self.email, CircuitBreaker()),
        }
        self.observed: list[tuple[Channel, NoticeStatus, str]] = []
        self.lost: set[str] = set()
        self.notifier = Notifier(
            self.preferences,
            self.notices,
            self.channels,
            lambda *seen: self.observed.append(seen),
            in_inbox=lambda ids: set(ids) - self.lost,
            collecting=collecting,
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


def test_nobody_is_told_of_a_message_that_the_database_lost(world: World) -> None:
    """After a failover to a standby that was behind."""
    world.lost.add("m")
    assert world.handle() == DeadLetter(NoticeDeadReason.MESSAGE_MISSING)
    assert not world.sms.sent
    world.lost.clear()
    assert world.handle() == Done(DoneReason.ACCEPTED)


def test_the_booking_system_is_asked_again_about_a_message_that_was_lost(world: World) -> None:
    world.lost.add("m")
    change = BookingChange(
        notification_id="n",
        received_at=NOON,
        change_id="c",
        service_domain="riv:crm:scheduling",
        deleted=False,
        booking=BookingKey(
            source_system="SE1", logical_address="SE2", booking_id="B", patient="191212121212"
        ),
    )
    assert world.handle(an_order(change=change)) == Publish((change,), Note.MESSAGE_MISSING)
    assert not world.sms.sent


def test_one_chosen_channel_gets_one_notice(world: World) -> None:
    world.sms.reply = Accepted("s123")
    assert world.handle() == Done(DoneReason.ACCEPTED)
    assert world.sms.sent == [("notice-m-sms", MOBILE)]
    assert world.email.sent == []
    assert world.notices.recorded == [(NoticeStatus.ACCEPTED, "", "s123")]
    assert world.observed == [(Channel.SMS, NoticeStatus.ACCEPTED, "")]


def test_redelivery_sends_nothing_again(world: World) -> None:
    world.handle()
    assert world.handle() == Drop(NoticeDropReason.ALREADY_NOTIFIED)
    assert len(world.sms.sent) == 1


def test_nothing_chosen_nothing_sent(world: World) -> None:
    world.preferences.chosen = {}
    assert world.handle() == Drop(NoticeDropReason.NOT_WANTED)
    assert world.notices.rows == {}


def test_a_chosen_channel_without_a_provider_is_a_dead_letter(world: World) -> None:
    del world.channels[Channel.SMS]
    assert world.handle() == DeadLetter(NoticeDeadReason.CHANNEL_OFF)
    assert world.notices.rows == {}


@pytest.mark.parametrize(("left", "sent"), [(-1, 0), (0, 0), (1, 1)])
def test_an_expired_order_has_no_use(world: World, left: int, sent: int) -> None:
    outcome = world.handle(an_order(expires_at=NOON + timedelta(seconds=left)))
    assert (outcome == Drop(NoticeDropReason.EXPIRED)) is not bool(sent)
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
        del world.channels[Channel.SMS]
        orders = self.orders(world)
        assert world.handle(orders[Channel.SMS]) == DeadLetter(NoticeDeadReason.CHANNEL_OFF)
        assert world.handle(orders[Channel.EMAIL]) == Done(DoneReason.ACCEPTED)

    def test_one_in_trouble_does_not_touch_the_other(self, world: World) -> None:
        world.sms.reply = TryLater("busy")
        orders = self.orders(world)
        assert isinstance(world.handle(orders[Channel.SMS]), RetryLater)
        assert world.handle(orders[Channel.EMAIL]) == Done(DoneReason.ACCEPTED)
        assert isinstance(world.handle(orders[Channel.SMS]), RetryLater)
        assert [address for _, address in world.email.sent] == [ADDRESS]

    def test_the_choice_is_read_again_when_each_is_sent(self, world: World) -> None:
        orders = self.orders(world)
        world.preferences.chosen = {Channel.EMAIL: "ny@example.org"}
        assert world.handle(orders[Channel.SMS]) == Drop(NoticeDropReason.NOT_WANTED)
        world.handle(orders[Channel.EMAIL])
        assert world.email.sent == [("notice-m-email", "ny@example.org")]


class TestWhatTheProviderSays:
    @pytest.mark.parametrize(
        ("reply", "status", "reason"),
        [
            (Rejected("HTTP 400"), NoticeStatus.REJECTED, DoneReason.REJECTED),
            (Uncertain("ReadTimeout"), NoticeStatus.UNCERTAIN, DoneReason.UNCERTAIN),
        ],
    )
    def test_final_answers_are_never_followed_by_another_try(
        self, world: World, reply: SendResult, status: NoticeStatus, reason: DoneReason
    ) -> None:
        world.sms.reply = reply
        assert world.handle() == Done(reason)
        assert world.notices.status(Channel.SMS) is status
        assert world.observed == [(Channel.SMS, status, reply.detail)]  # type: ignore[union-attr]
        world.pass_time(hours=1)
        assert world.handle() == Drop(NoticeDropReason.ALREADY_NOTIFIED)
        assert len(world.sms.sent) == 1

    def test_what_was_not_taken_is_given_back_and_tried_again(self, world: World) -> None:
        world.sms.reply = TryLater("SMTP 450")
        outcome = world.handle()
        assert isinstance(outcome, RetryLater)
        assert outcome.reason is NoticeRetryReason.NOT_TAKEN
        assert isinstance(outcome.error, NotTaken)
        assert str(outcome.error) == "SMTP 450"
        assert world.notices.status(Channel.SMS) is NoticeStatus.PENDING
        world.sms.reply = Accepted()
        assert world.handle() == Done(DoneReason.ACCEPTED)

    def test_asked_to_wait_we_wait_that_long_and_spend_no_attempt(self, world: World) -> None:
        world.sms.reply = ProviderDown("HTTP 429", timedelta(seconds=42))
        waited = Postpone(timedelta(seconds=42), NoticeWaitReason.BREAKER_OPEN)
        assert world.handle() == waited
        assert world.handle() == waited
        assert len(world.sms.sent) == 1
        world.pass_time(seconds=42)
        world.sms.reply = Accepted()
        assert world.handle() == Done(DoneReason.ACCEPTED)

    @pytest.mark.parametrize("reply", [ProviderDown("ConnectionError"), Uncertain("ReadTimeout")])
    def test_a_provider_that_does_not_answer_is_left_in_peace(
        self, world: World, reply: SendResult
    ) -> None:
        world.sms.reply = reply
        world.handle()
        other = world.handle(an_order(message_id="other"))
        assert other == Postpone(timedelta(seconds=10), NoticeWaitReason.BREAKER_OPEN)
        assert len(world.sms.sent) == 1
        assert world.notices.status(Channel.SMS, "other") is NoticeStatus.PENDING

    def test_away_spends_an_attempt(self, world: World) -> None:
        world.sms.reply = ProviderDown("ConnectionError")
        outcome = world.handle()
        assert isinstance(outcome, RetryLater)
        assert outcome.reason is NoticeRetryReason.PROVIDER_DOWN

    @pytest.mark.parametrize("reply", [Accepted(), Rejected("HTTP 400"), TryLater("SMTP 450")])
    def test_an_answer_about_one_notice_stops_no_other(
        self, world: World, reply: SendResult
    ) -> None:
        world.sms.reply = reply
        world.handle()
        world.handle(an_order(message_id="other"))
        assert len(world.sms.sent) == 2


class TestAChannelThatIsSlow:
    @pytest.fixture(autouse=True)
    def one_place(self, world: World) -> None:
        bulkhead = Bulkhead(2, patience_seconds=0)
        world.channels[Channel.SMS] = replace(world.channels[Channel.SMS], bulkhead=bulkhead)

    def test_keeps_further_notices_waiting_without_a_claim(self, world: World) -> None:
        bulkhead = world.channels[Channel.SMS].bulkhead
        bulkhead.enter()
        bulkhead.enter()
        assert world.handle() == Postpone(timedelta(seconds=5), NoticeWaitReason.CHANNEL_BUSY)
        assert world.notices.status(Channel.SMS) is NoticeStatus.PENDING
        bulkhead.leave()
        assert world.handle() == Done(DoneReason.ACCEPTED)

    def test_is_probed_by_one_notice_after_a_pause(self, world: World) -> None:
        world.sms.reply = ProviderDown("ConnectionError")
        world.handle()
        world.pass_time(seconds=11)
        world.sms.reply = Accepted()
        world.channels[Channel.SMS].bulkhead.enter()  # another is the probe
        other = an_order(message_id="other")
        assert world.handle(other) == Postpone(timedelta(seconds=5), NoticeWaitReason.CHANNEL_BUSY)
        world.channels[Channel.SMS].bulkhead.leave()
        assert world.handle(other) == Done(DoneReason.ACCEPTED)
        world.channels[Channel.SMS].bulkhead.enter()  # it is back: both places are free again
        assert world.handle(an_order(message_id="third")) == Done(DoneReason.ACCEPTED)

    def test_gives_its_place_back_whatever_comes_of_it(self, world: World) -> None:
        world.sms.dies = True
        for number in range(2):
            with pytest.raises(Killed):
                world.handle(an_order(message_id=f"m{number}"))
        world.sms.dies = False
        assert world.handle(an_order(message_id="last")) == Done(DoneReason.ACCEPTED)


class TestACrashWhileSending:
    def crash(self, world: World) -> None:
        world.sms.dies = True
        with pytest.raises(Killed):
            world.handle()
        world.sms.dies = False

    def test_is_waited_for_as_long_as_someone_may_be_at_it(self, world: World) -> None:
        self.crash(world)
        world.pass_time(seconds=40)
        assert world.handle() == Postpone(timedelta(seconds=60), NoticeWaitReason.BEING_SENT)

    def test_is_uncertain_then_and_told_once(self, world: World) -> None:
        self.crash(world)
        world.pass_time(seconds=100)
        assert world.handle() == Done(DoneReason.UNCERTAIN)
        assert world.handle() == Drop(NoticeDropReason.ALREADY_NOTIFIED)
        assert world.observed == [(Channel.SMS, NoticeStatus.UNCERTAIN, "its sender died")]
        assert len(world.sms.sent) == 1

    def test_is_not_told_when_another_told_it_first(self, world: World) -> None:
        self.crash(world)
        world.pass_time(seconds=100)
        world.notices.doubt = lambda *_: False  # type: ignore[method-assign]
        assert world.handle() == Done(DoneReason.UNCERTAIN)
        assert world.observed == []


def test_a_database_that_goes_away_after_sending_sends_nothing_twice(world: World) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("database_unavailable")

    record_results, world.notices.record_results = world.notices.record_results, away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        world.handle()
    world.notices.record_results = record_results  # type: ignore[method-assign]
    world.pass_time(seconds=100)
    assert world.handle() == Done(DoneReason.UNCERTAIN)
    assert len(world.sms.sent) == 1


def test_in_quiet_hours_sms_wait_and_email_goes(world: World) -> None:
    quiet = QuietHours.parse("21:00-07:00")
    world.channels[Channel.SMS] = replace(world.channels[Channel.SMS], quiet_hours=quiet)
    world.now = EVENING
    assert world.handle() == Postpone(timedelta(hours=9), NoticeWaitReason.QUIET_HOURS)
    assert world.notices.status(Channel.SMS) is NoticeStatus.PENDING
    assert world.sms.sent == []
    world.preferences.chosen = {Channel.EMAIL: ADDRESS}
    assert world.handle() == Done(DoneReason.ACCEPTED)


class TestTheRateLimit:
    @pytest.fixture(autouse=True)
    def six_a_minute(self, world: World) -> None:
        world.channels[Channel.SMS] = replace(world.channels[Channel.SMS], slots=Slots(6))

    def test_gives_what_is_over_it_a_turn_to_come_back_on(self, world: World) -> None:
        outcomes = [world.handle(an_order(message_id=f"m{number}")) for number in range(4)]
        assert outcomes[0] == Done(DoneReason.ACCEPTED)
        for number in (1, 2, 3):
            slot = NOON + timedelta(seconds=10 * number)
            holder = an_order(message_id=f"m{number}", slot=slot)
            assert outcomes[number] == Postpone(slot - NOON, NoticeWaitReason.RATE_LIMIT, holder)

    def test_is_kept_by_turns_not_by_trying_again(self, world: World) -> None:
        world.handle()
        waiting = world.handle(an_order(message_id="second"))
        assert isinstance(waiting, Postpone)
        held = waiting.instead
        assert isinstance(held, NoticeOrder)
        early = world.handle(held)
        assert early == Postpone(timedelta(seconds=10), NoticeWaitReason.RATE_LIMIT, held)
        world.pass_time(seconds=10.5)
        assert world.handle(held) == Done(DoneReason.ACCEPTED)


class TestSeveralMessages:
    """Messages to one patient within a few seconds, or in the same quiet hours, are one notice."""

    @pytest.fixture
    def world(self) -> World:
        return World(collecting=timedelta(seconds=5))

    def waiting(self, world: World, message_id: str, **given: object) -> NoticeOrder:
        """What comes back to the notifier when it has waited for others."""
        outcome = world.handle(an_order(message_id=message_id, change_id=message_id, **given))
        assert isinstance(outcome, Postpone)
        assert outcome.reason is NoticeWaitReason.COLLECTING
        assert outcome.delay == timedelta(seconds=5)
        assert outcome.in_hand
        assert isinstance(outcome.instead, NoticeOrder)
        return outcome.instead

    def test_one_message_waits_once_and_is_told_as_one(self, world: World) -> None:
        order = self.waiting(world, "m")
        assert world.sms.sent == []
        world.pass_time(seconds=5)
        assert world.handle(order) == Done(DoneReason.ACCEPTED)
        assert world.sms.several == [False]

    def test_three_within_the_wait_are_one_sms(self, world: World) -> None:
        orders = []
        for message_id in ("m", "m2", "m3"):
            orders.append(self.waiting(world, message_id))
            world.pass_time(seconds=2)
        assert world.handle(orders[0]) == Done(DoneReason.ACCEPTED)
        world.pass_time(seconds=5)
        assert world.handle(orders[1]) == Drop(NoticeDropReason.ALREADY_NOTIFIED)
        assert world.handle(orders[2]) == Drop(NoticeDropReason.ALREADY_NOTIFIED)
        assert world.sms.sent == [("notice-m-sms", MOBILE)]
        assert world.sms.several == [True]
        assert world.observed == [(Channel.SMS, NoticeStatus.ACCEPTED, "")] * 3

    def test_one_that_comes_after_is_told_by_itself(self, world: World) -> None:
        first = self.waiting(world, "m")
        world.pass_time(seconds=5)
        world.handle(first)
        later = self.waiting(world, "m2")
        world.pass_time(seconds=5)
        assert world.handle(later) == Done(DoneReason.ACCEPTED)
        assert world.sms.several == [False, False]

    def test_another_patients_messages_are_not_among_them(self, world: World) -> None:
        first = self.waiting(world, "m")
        self.waiting(world, "other", patient="201212121212")
        world.pass_time(seconds=5)
        world.handle(first)
        assert world.sms.several == [False]
        assert world.notices.status(Channel.SMS, "other") is NoticeStatus.PENDING

    def test_on_two_channels_each_tells_all_of_them(self, world: World) -> None:
        world.preferences.chosen = {Channel.SMS: MOBILE, Channel.EMAIL: ADDRESS}
        orders = [self.waiting(world, message_id) for message_id in ("m", "m2")]
        world.pass_time(seconds=5)
        for order in orders:
            outcome = world.handle(order)
            assert isinstance(outcome, Publish)
            for one in outcome.messages:
                assert isinstance(one, NoticeOrder)
                world.handle(one)
        assert (world.sms.several, world.email.several) == ([True], [True])

    def test_quiet_hours_end_with_one_sms(self, world: World) -> None:
        quiet = QuietHours.parse("21:00-07:00")
        world.channels[Channel.SMS] = replace(world.channels[Channel.SMS], quiet_hours=quiet)
        world.now = EVENING
        orders = []
        for hours in range(3):
            orders.append(self.waiting(world, f"m{hours}"))
            world.pass_time(seconds=5)
            until_morning = timedelta(hours=9 - hours, seconds=-5)
            assert world.handle(orders[-1]) == Postpone(until_morning, NoticeWaitReason.QUIET_HOURS)
            world.pass_time(hours=1, seconds=-5)
        assert world.sms.sent == []
        world.pass_time(hours=6)
        outcomes = [world.handle(order) for order in orders]
        assert outcomes == [
            Done(DoneReason.ACCEPTED),
            *[Drop(NoticeDropReason.ALREADY_NOTIFIED)] * 2,
        ]
        assert world.sms.several == [True]

    def test_what_was_not_taken_is_tried_again_by_whichever_comes_first(self, world: World) -> None:
        orders = [self.waiting(world, message_id) for message_id in ("m", "m2")]
        world.pass_time(seconds=5)
        world.sms.reply = TryLater("busy")
        assert isinstance(world.handle(orders[0]), RetryLater)
        world.sms.reply = Accepted()
        assert world.handle(orders[1]) == Done(DoneReason.ACCEPTED)
        assert world.handle(orders[0]) == Drop(NoticeDropReason.ALREADY_NOTIFIED)
        assert world.sms.several == [True, True]

    def test_a_crash_while_sending_makes_doubtful_what_was_sent_and_no_more(
        self, world: World
    ) -> None:
        orders = [self.waiting(world, message_id) for message_id in ("m", "m2")]
        world.pass_time(seconds=5)
        world.sms.dies = True
        with pytest.raises(Killed):
            world.handle(orders[0])
        world.sms.dies = False
        later = self.waiting(world, "later")
        world.pass_time(seconds=5)
        assert world.handle(later) == Done(DoneReason.ACCEPTED)
        world.pass_time(seconds=95)
        assert world.handle(orders[1]) == Done(DoneReason.UNCERTAIN)
        assert world.handle(orders[0]) == Drop(NoticeDropReason.ALREADY_NOTIFIED)
        statuses = [world.notices.status(Channel.SMS, one) for one in ("m", "m2", "later")]
        assert statuses == [NoticeStatus.UNCERTAIN, NoticeStatus.UNCERTAIN, NoticeStatus.ACCEPTED]
        assert world.observed.count((Channel.SMS, NoticeStatus.UNCERTAIN, "its sender died")) == 2

    def test_one_that_is_being_sent_with_another_is_looked_at_soon(self, world: World) -> None:
        orders = [self.waiting(world, message_id) for message_id in ("m", "m2")]
        world.pass_time(seconds=5)
        world.notices.claim("m", Channel.SMS, "191212121212")
        assert world.handle(orders[1]) == Postpone(
            timedelta(seconds=5), NoticeWaitReason.BEING_SENT
        )


class TestWhatIsNoLongerWanted:
    """A notice that waits for an order that ends would wait for ever."""

    @pytest.fixture
    def world(self) -> World:
        return World(collecting=timedelta(seconds=5))

    def waiting(self, world: World) -> NoticeOrder:
        outcome = world.handle(an_order(expires_at=NOON + timedelta(hours=1)))
        assert isinstance(outcome, Postpone)
        assert isinstance(outcome.instead, NoticeOrder)
        world.pass_time(seconds=5)
        return outcome.instead

    def test_is_withdrawn_when_the_choice_was_removed(self, world: World) -> None:
        order = self.waiting(world)
        world.preferences.chosen = {}
        assert world.handle(order) == Drop(NoticeDropReason.NOT_WANTED)
        assert world.notices.status(Channel.SMS) is NoticeStatus.WITHDRAWN
        assert world.observed == [(Channel.SMS, NoticeStatus.WITHDRAWN, "not_wanted")]

    def test_goes_out_on_the_channel_that_was_chosen_instead(self, world: World) -> None:
        order = self.waiting(world)
        world.preferences.chosen = {Channel.EMAIL: ADDRESS}
        assert world.handle(order) == Done(DoneReason.ACCEPTED)
        assert world.notices.status(Channel.SMS) is NoticeStatus.WITHDRAWN
        assert world.notices.status(Channel.EMAIL) is NoticeStatus.ACCEPTED

    def test_is_withdrawn_alone_when_one_of_two_was_removed(self, world: World) -> None:
        world.preferences.chosen = {Channel.SMS: MOBILE, Channel.EMAIL: ADDRESS}
        order = self.waiting(world)
        world.preferences.chosen = {Channel.EMAIL: ADDRESS}
        assert world.handle(order) == Done(DoneReason.ACCEPTED)
        assert world.notices.status(Channel.SMS) is NoticeStatus.WITHDRAWN
        assert world.notices.status(Channel.EMAIL) is NoticeStatus.ACCEPTED

    def test_is_withdrawn_when_it_came_too_late(self, world: World) -> None:
        order = self.waiting(world)
        world.pass_time(hours=2)
        assert world.handle(order) == Drop(NoticeDropReason.EXPIRED)
        assert world.notices.status(Channel.SMS) is NoticeStatus.WITHDRAWN

    def test_is_kept_when_the_channel_was_switched_off(self, world: World) -> None:
        """Its order is a dead letter, which can be replayed when the provider is set again."""
        order = self.waiting(world)
        del world.channels[Channel.SMS]
        assert world.handle(order) == DeadLetter(NoticeDeadReason.CHANNEL_OFF)
        assert world.notices.status(Channel.SMS) is NoticeStatus.PENDING

    def test_is_not_sent_when_it_is_wanted_again(self, world: World) -> None:
        order = self.waiting(world)
        world.preferences.chosen = {}
        world.handle(order)
        world.preferences.chosen = {Channel.SMS: MOBILE}
        assert world.handle(order) == Drop(NoticeDropReason.WITHDRAWN)
        assert world.sms.sent == []

    def test_what_was_given_back_is_withdrawn_too(self, world: World) -> None:
        order = self.waiting(world)
        world.sms.reply = TryLater("busy")
        world.handle(order)
        world.preferences.chosen = {}
        assert world.handle(order) == Drop(NoticeDropReason.NOT_WANTED)
        assert world.notices.status(Channel.SMS) is NoticeStatus.WITHDRAWN


class TestASuppressedAddress:
    """One that has bounced too often: nothing is sent there, and operators see why."""

    @pytest.fixture(autouse=True)
    def email_is_suppressed(self, world: World) -> None:
        world.preferences.chosen = {Channel.EMAIL: ADDRESS}
        world.preferences.suppressed = (Channel.EMAIL,)

    def test_gets_nothing(self, world: World) -> None:
        assert world.handle() == Drop(NoticeDropReason.SUPPRESSED)
        assert world.email.sent == []
        assert world.notices.status(Channel.EMAIL) is NoticeStatus.SUPPRESSED
        assert world.observed == [(Channel.EMAIL, NoticeStatus.SUPPRESSED, "bounced too often")]

    def test_is_counted_once(self, world: World) -> None:
        world.handle()
        assert world.handle() == Drop(NoticeDropReason.SUPPRESSED)
        assert len(world.observed) == 1

    def test_keeps_no_sms_from_being_sent(self, world: World) -> None:
        world.preferences.chosen = {Channel.EMAIL: ADDRESS, Channel.SMS: MOBILE}
        assert world.handle() == Done(DoneReason.ACCEPTED)
        assert world.sms.sent == [("notice-m-sms", MOBILE)]
        assert world.notices.status(Channel.EMAIL) is NoticeStatus.SUPPRESSED

    def test_that_was_set_again_gets_the_next_message_and_not_this_one(self, world: World) -> None:
        world.handle()
        world.preferences.suppressed = ()
        assert world.handle() == Drop(NoticeDropReason.SUPPRESSED)
        assert world.handle(an_order(message_id="m2")) == Done(DoneReason.ACCEPTED)

    def test_ends_a_notice_that_waits(self) -> None:
        world = World(collecting=timedelta(seconds=5))
        world.preferences.chosen = {Channel.EMAIL: ADDRESS}
        outcome = world.handle()
        assert isinstance(outcome, Postpone)
        assert isinstance(outcome.instead, NoticeOrder)
        world.preferences.suppressed = (Channel.EMAIL,)
        world.pass_time(seconds=5)
        assert world.handle(outcome.instead) == Drop(NoticeDropReason.SUPPRESSED)
        assert world.notices.status(Channel.EMAIL) is NoticeStatus.SUPPRESSED
