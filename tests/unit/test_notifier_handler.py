"""The notifier's decisions: what is sent, and what is left alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.channels import NoticeWaitReason
from notifier.handler import (
    DoneReason,
    Note,
    NoticeDeadReason,
    NoticeDropReason,
    NoticeRetryReason,
    NotTaken,
)
from notifier.pacing import QuietHours
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, TryLater, Uncertain
from shared.booking.identity import BookingKey
from shared.booking.messages import BookingChange, NoticeOrder
from shared.booking.notices import Channel, NoticeStatus
from shared.relay.outcomes import DeadLetter, Done, Drop, Postpone, Publish, RetryLater
from tests.unit.notifier_world import ADDRESS, EVENING, MOBILE, NOON, World, an_order


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


def test_in_quiet_hours_sms_wait_and_email_goes(world: World) -> None:
    quiet = QuietHours.parse("21:00-07:00")
    world.channels[Channel.SMS] = replace(world.channels[Channel.SMS], quiet_hours=quiet)
    world.now = EVENING
    assert world.handle() == Postpone(timedelta(hours=9), NoticeWaitReason.QUIET_HOURS)
    assert world.notices.status(Channel.SMS) is NoticeStatus.PENDING
    assert world.sms.sent == []
    world.preferences.chosen = {Channel.EMAIL: ADDRESS}
    assert world.handle() == Done(DoneReason.ACCEPTED)
