"""A notifier among fakes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from notifier.channels import OutgoingChannel
from notifier.handler import (
    Notifier,
)
from notifier.pacing import CircuitBreaker
from notifier.results import Accepted, SendResult
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, Choice, NoticeStatus
from shared.relay.outcomes import Outcome
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
