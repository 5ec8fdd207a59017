"""Two providers as one: which one sends, and that no notice ever goes to both."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.channels import OutgoingChannel
from notifier.failover import ErrorRate, Failover, Line
from notifier.handler import DoneReason, Notifier
from notifier.pacing import CircuitBreaker
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, TryLater, Uncertain
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, Choice, NoticeStatus
from shared.relay.outcomes import Done, Outcome, Postpone
from tests.fake_notices import FakeNotices

NOON = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
MOBILE = "+46701740605"


class Killed(BaseException):
    """What SIGKILL is to the code under test: nothing runs after it."""


@dataclass
class FakeProvider:
    reply: SendResult | BaseException = field(default_factory=lambda: Accepted("s1"))
    sent: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)  # what it may have taken

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        self.sent.append(notice_id)
        if not isinstance(self.reply, ProviderDown | TryLater | Rejected):
            self.taken.append(notice_id)
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply


class World:
    def __init__(self, share: float = 0.5) -> None:
        self.now = NOON
        self.first, self.second = FakeProvider(), FakeProvider()
        self.changes: list[tuple[str, bool]] = []
        lines = [
            self.line("first", self.first, share),
            self.line("second", self.second, share),
        ]
        self.failover = Failover(lines, clock=lambda: self.now)

    def line(self, name: str, provider: FakeProvider, share: float) -> Line:
        def changed(*, is_open: bool) -> None:
            self.changes.append((name, is_open))

        return Line(name, provider, CircuitBreaker(changed=changed), ErrorRate(share))

    def send(self, notice_id: str = "n") -> SendResult:
        return self.failover.send(notice_id, MOBILE)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_sends_while_it_works(world: World) -> None:
    assert [world.send() for _ in range(20)] == [Accepted("s1")] * 20
    assert (len(world.first.sent), world.second.sent) == (20, [])


class TestOutage:
    def test_what_the_first_did_not_take_is_given_back_for_the_second(self, world: World) -> None:
        world.first.reply = ProviderDown("E_COULDNT_CONNECT")
        result = world.send("a")
        assert result == ProviderDown("first: E_COULDNT_CONNECT", timedelta(seconds=1))
        assert world.second.sent == []
        assert world.send("a") == Accepted("s1")
        assert (world.first.sent, world.second.sent) == (["a"], ["a"])

    def test_what_the_first_may_have_taken_goes_to_no_other(self, world: World) -> None:
        world.first.reply = Uncertain("E_OPERATION_TIMEDOUT")
        assert world.send("a") == Uncertain("first: E_OPERATION_TIMEDOUT")
        assert world.second.sent == []
        assert world.send("b") == Accepted("s1")
        assert (world.first.sent, world.second.sent) == (["a"], ["b"])

    def test_the_first_is_probed_by_one_notice_while_the_second_carries_the_rest(
        self, world: World
    ) -> None:
        world.first.reply = ProviderDown("E_COULDNT_CONNECT")
        world.send("a")
        world.pass_time(11)
        probe = world.failover._lines[0].breaker
        assert probe.enter(world.now)
        assert world.send("b") == Accepted("s1")
        assert world.second.sent == ["b"]
        probe.close()
        world.first.reply = Accepted("s1")
        world.send("c")
        assert world.first.sent == ["a", "c"]

    def test_a_failed_probe_passes_it_over_for_longer(self, world: World) -> None:
        world.first.reply = ProviderDown("E_COULDNT_CONNECT")
        world.send("a")
        world.pass_time(11)
        world.send("b")
        world.pass_time(11)
        world.send("c")
        assert (world.first.sent, world.second.sent) == (["a", "b"], ["c"])
        assert world.changes == [("first", True)]

    def test_a_probe_that_ends_by_a_fault_of_ours_blocks_nothing(self, world: World) -> None:
        world.first.reply = ProviderDown("E_COULDNT_CONNECT")
        world.send("a")
        world.pass_time(11)
        world.first.reply = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            world.send("b")
        world.first.reply = Accepted("s1")
        assert world.send("c") == Accepted("s1")
        assert world.first.sent == ["a", "b", "c"]

    def test_with_both_down_it_is_down_until_the_first_may_be_probed(self, world: World) -> None:
        world.first.reply = ProviderDown("HTTP 503", timedelta(seconds=90))
        world.second.reply = ProviderDown("E_COULDNT_CONNECT")
        world.send("a")
        assert world.send("a") == ProviderDown("second: E_COULDNT_CONNECT", timedelta(seconds=10))
        assert world.send("a") == ProviderDown("no provider works", timedelta(seconds=10))
        assert world.failover.open_until(world.now) == NOON + timedelta(seconds=10)
        assert not world.failover.closed

    def test_it_is_open_only_while_both_are(self, world: World) -> None:
        world.first.reply = ProviderDown("HTTP 503")
        world.send("a")
        assert world.failover.closed
        assert world.failover.open_until(world.now) is None


class TestErrorRate:
    def test_one_that_refuses_too_much_is_passed_over_for_five_minutes(self, world: World) -> None:
        for number in range(10):
            world.first.reply = Rejected("HTTP 400") if number % 2 else Accepted("s1")
            world.send(f"n{number}")
        assert world.changes == [("first", True)]
        world.first.reply = Accepted("s1")
        for seconds, sends in ((0, "second"), (299, "second"), (2, "first")):
            world.pass_time(seconds)
            before = len(world.first.sent)
            world.send(f"after {seconds}")
            assert ("first" if len(world.first.sent) > before else "second") == sends

    def test_a_few_refused_numbers_change_nothing(self, world: World) -> None:
        for number in range(100):
            world.first.reply = Accepted("s1") if number % 4 else Rejected("HTTP 400")
            world.send(f"n{number}")
        assert (world.changes, world.second.sent) == ([], [])

    def test_few_sendings_say_nothing(self, world: World) -> None:
        world.first.reply = Rejected("HTTP 400")
        for number in range(9):
            world.send(f"n{number}")
        assert world.changes == []
        world.send("n9")
        assert world.changes == [("first", True)]


KINDS = st.sampled_from(
    [
        Accepted("s"),
        Rejected("HTTP 400"),
        TryLater("busy"),
        ProviderDown("HTTP 503"),
        ProviderDown("HTTP 429", timedelta(seconds=3)),
        Uncertain("E_OPERATION_TIMEDOUT"),
        Killed(),
    ]
)


class Handled:
    """A notifier on both, which may be killed at any sending and starts again."""

    def __init__(self) -> None:
        self.world = World(share=0.3)
        self.notices = FakeNotices(lambda: self.world.now)

    def choices_of(self, patients: Collection[str]) -> dict[str, dict[Channel, Choice]]:
        return {patient: {Channel.SMS: Choice(MOBILE)} for patient in patients}

    def handle(self, message_id: str) -> Outcome | None:
        both = self.world.failover
        notifier = Notifier(
            self,
            self.notices,
            {Channel.SMS: OutgoingChannel(both, both)},
            lambda *_: None,
            in_inbox=set,
            collecting=timedelta(0),
            sending_limit=timedelta(seconds=100),
            clock=lambda: self.world.now,
        )
        try:
            return notifier(
                NoticeOrder(
                    notification_id="n",
                    received_at=NOON,
                    change_id="c",
                    message_id=message_id,
                    patient=f"1912121212{message_id}",
                )
            )
        except Killed:
            return None


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.tuples(KINDS, KINDS, st.integers(0, 120)), min_size=1, max_size=25))
def test_no_notice_is_ever_given_to_both(steps: list[tuple[SendResult, SendResult, int]]) -> None:
    """Whatever they answer, whenever the worker is killed, however often an order comes again."""
    handled = Handled()
    world = handled.world
    for number, (first, second, seconds) in enumerate(steps):
        world.first.reply, world.second.reply = first, second
        for message in (f"{number % 3:02d}", f"{(number + 1) % 3:02d}"):
            handled.handle(message)
        world.pass_time(seconds)
    taken = world.first.taken + world.second.taken
    assert len(taken) == len(set(taken))


def test_a_notice_that_was_not_taken_is_sent_by_the_second_a_moment_later() -> None:
    handled = Handled()
    handled.world.first.reply = ProviderDown("E_COULDNT_CONNECT")
    outcome = handled.handle("01")
    assert isinstance(outcome, Postpone)
    assert outcome.delay == timedelta(seconds=1)
    assert handled.handle("01") == Done(DoneReason.ACCEPTED)
    assert handled.notices.status(Channel.SMS, "01") is NoticeStatus.ACCEPTED


def test_an_uncertain_one_stays_uncertain_though_the_second_works() -> None:
    handled = Handled()
    handled.world.first.reply = Uncertain("E_OPERATION_TIMEDOUT")
    assert handled.handle("01") == Done(DoneReason.UNCERTAIN)
    handled.world.pass_time(3600)
    handled.handle("01")
    assert handled.notices.status(Channel.SMS, "01") is NoticeStatus.UNCERTAIN
    assert (len(handled.world.first.sent), handled.world.second.sent) == (1, [])
    assert handled.handle("02") == Done(DoneReason.UNCERTAIN)
