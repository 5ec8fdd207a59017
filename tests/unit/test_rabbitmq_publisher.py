"""When a publisher says that the broker would take a message, and whom it tells what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from shared.relay.broker import (
    BrokerError,
    BrokerUnavailable,
    Envelope,
    Outgoing,
    PublishRefused,
)
from shared.relay.rabbitmq.publisher import Publisher

Answered = Callable[[BrokerError | None], None]
Work = Callable[["FakeSession | None"], None]
MESSAGES = [Outgoing("filter", Envelope("m", b"{}"))]


@dataclass
class FakeSession:
    blocked: bool = False
    unconfirmed_seconds: float = 0.0
    unanswered: int = 0
    sent: list[str] = field(default_factory=list)
    error: BrokerError | None = None
    channel: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(is_open=True))

    def unless_blocked(self, work: Work) -> None:
        work(self)

    def publish(self, messages: Sequence[Outgoing], done: Answered) -> None:
        self.sent += [one.envelope.message_id for one in messages]
        done(self.error)


@dataclass
class FakeLink:
    """A link as its publisher sees it."""

    session: FakeSession | None = field(default_factory=FakeSession)
    stalled: bool = False

    calls: list[Work] = field(default_factory=list)

    def wait_first_try(self, _timeout: float) -> bool:
        return self.session is not None

    def call(self, work: Work) -> bool:
        self.calls.append(work)
        return True

    def cross(self) -> None:
        """What the I/O thread does."""
        for work in self.calls:
            work(self.session)


def test_a_broker_that_confirms_is_ready() -> None:
    assert Publisher(FakeLink(FakeSession(unconfirmed_seconds=3))).ready(1)


@pytest.mark.parametrize(
    "link",
    [
        FakeLink(None),
        FakeLink(stalled=True),
        FakeLink(FakeSession(blocked=True)),
        FakeLink(FakeSession(unconfirmed_seconds=5)),
        FakeLink(FakeSession(unanswered=30_000)),
    ],
    ids=["no connection", "node left moments ago", "blocked", "confirms nothing", "full"],
)
def test_one_that_takes_nothing_is_not(link: FakeLink) -> None:
    assert not Publisher(link).ready(1)


@pytest.mark.parametrize("error", [None, PublishRefused("nacked")])
def test_who_does_not_wait_is_called(error: BrokerError | None) -> None:
    link, heard = FakeLink(FakeSession(error=error)), list[BrokerError | None]()
    Publisher(link).begin(MESSAGES, heard.append)
    assert heard == []
    link.cross()
    assert heard == [error]


def test_what_is_abandoned_is_not_sent_and_nobody_is_called() -> None:
    session, heard = FakeSession(), list[BrokerError | None]()
    link = FakeLink(session)
    Publisher(link).begin(MESSAGES, heard.append)()
    link.cross()
    assert (session.sent, heard) == ([], [])


def test_a_connection_that_goes_first_is_said() -> None:
    link, heard = FakeLink(), list[BrokerError | None]()
    Publisher(link).begin(MESSAGES, heard.append)
    link.session = None
    link.cross()
    assert isinstance(heard[0], BrokerUnavailable)


@pytest.mark.parametrize("link", [FakeLink(None), FakeLink(FakeSession(unanswered=30_000))])
def test_who_does_not_wait_is_not_kept_waiting(link: FakeLink) -> None:
    with pytest.raises(BrokerUnavailable):
        Publisher(link).begin(MESSAGES, lambda _error: None)
