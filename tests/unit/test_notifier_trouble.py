"""Slow channels, rate limits, and a crash while a notice is sent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.channels import NoticeWaitReason
from notifier.handler import (
    DoneReason,
    NoticeDropReason,
)
from notifier.pacing import Bulkhead, Slots
from notifier.results import Accepted, ProviderDown
from shared.base.errors import Unavailable
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, NoticeStatus
from shared.relay.outcomes import Done, Drop, Postpone
from tests.unit.notifier_world import NOON, Killed, World, an_order


@pytest.fixture
def world() -> World:
    return World()


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
