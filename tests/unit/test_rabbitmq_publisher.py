"""When a publisher says that the broker would take a message."""

from dataclasses import dataclass, field

import pytest

from shared.relay.rabbitmq.publisher import Publisher


@dataclass
class FakeSession:
    blocked: bool = False
    unconfirmed_seconds: float = 0.0
    unanswered: int = 0


@dataclass
class FakeLink:
    """A link as its publisher sees it."""

    session: FakeSession | None = field(default_factory=FakeSession)
    stalled: bool = False

    def wait_first_try(self, _timeout: float) -> bool:
        return self.session is not None


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
