"""Messages to one patient that are announced in one SMS and one e-mail."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.channels import NoticeWaitReason
from notifier.handler import (
    DoneReason,
    NoticeDropReason,
)
from notifier.pacing import QuietHours
from notifier.results import Accepted, TryLater
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, NoticeStatus
from shared.relay.outcomes import Done, Drop, Postpone, Publish, RetryLater
from tests.unit.notifier_world import ADDRESS, EVENING, MOBILE, Killed, World, an_order


@pytest.fixture
def world() -> World:
    return World()


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
