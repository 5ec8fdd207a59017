"""Notices that are no longer wanted, and addresses that bounced too often."""

from datetime import timedelta

import pytest

from notifier.handler import (
    DoneReason,
    NoticeDeadReason,
    NoticeDropReason,
)
from notifier.results import TryLater
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, NoticeStatus
from shared.relay.outcomes import DeadLetter, Done, Drop, Postpone
from tests.unit.notifier_world import ADDRESS, MOBILE, NOON, World, an_order


@pytest.fixture
def world() -> World:
    return World()


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
