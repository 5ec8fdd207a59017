"""When a publisher counts as ready."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from shared.relay.rabbitmq.publisher import Publisher


@dataclass
class FakeLink:
    """A link that is up."""

    stalled: bool = False
    session: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(blocked=False, unanswered=0, unconfirmed_seconds=0)
    )

    def wait_first_try(self, _timeout: float) -> bool:
        return True


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def publisher(link: FakeLink) -> Publisher:
    return Publisher(link)  # type: ignore[arg-type]


def test_a_link_that_is_up_is_ready(publisher: Publisher) -> None:
    assert publisher.ready(1)


@pytest.mark.parametrize(
    "trouble", [{"blocked": True}, {"unanswered": 20_001}, {"unconfirmed_seconds": 11}]
)
def test_a_broker_that_stores_nothing_is_not_ready(
    publisher: Publisher, link: FakeLink, trouble: dict[str, int]
) -> None:
    vars(link.session).update(trouble)
    assert not publisher.ready(1)


def test_moments_after_a_node_was_left_it_is_not_ready(
    publisher: Publisher, link: FakeLink
) -> None:
    link.stalled = True
    assert not publisher.ready(1)
