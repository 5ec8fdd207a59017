"""What is too large for one queue message goes in several, all of them or none."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.publisher import QueuePublisher, messages_of
from shared.base.errors import Unavailable
from shared.booking.messages import Engagement, Notification, RefusedEngagement
from shared.relay.broker import BrokerUnavailable, Outgoing, PublishRefused


def notification(taken: int, refused: int = 0, *, length: int = 20) -> Notification:
    return Notification(
        notification_id="abcdefghijklmnopqrst",
        received_at=datetime(2026, 11, 25, tzinfo=UTC),
        correlation_id="corr",
        engagements=tuple(
            Engagement(
                deleted=False,
                patient="191212121212",
                service_domain="riv:crm:scheduling",
                logical_address="SE-UNIT",
                booking_id=f"{number}".rjust(length, "0"),
                source_system="SE-SOURCE",
            )
            for number in range(taken)
        ),
        refused=tuple(
            RefusedEngagement(problem="engagement is missing", document=f"<a>{number}</a>")
            for number in range(refused)
        ),
    )


def read(messages: list[Outgoing]) -> list[Notification]:
    return [Notification.decode(one.envelope.body) for one in messages]


def test_what_fits_is_one_message_with_its_own_id() -> None:
    (only,) = messages_of(notification(1200, 3), 8_000_000)
    assert (only.key, only.envelope.message_id) == ("filter", "abcdefghijklmnopqrst")
    assert read([only]) == [notification(1200, 3)]


@given(
    st.integers(0, 60), st.integers(0, 60), st.integers(1, 120), st.sampled_from([600, 1500, 9000])
)
def test_parts_hold_everything_once_in_its_order_and_fit(
    taken: int, refused: int, length: int, max_bytes: int
) -> None:
    if not taken + refused:
        return
    whole = notification(taken, refused, length=length)
    messages = list(messages_of(whole, max_bytes))
    parts = read(messages)
    assert tuple(one for part in parts for one in part.engagements) == whole.engagements
    assert tuple(one for part in parts for one in part.refused) == whole.refused
    assert all(len(one.envelope.body) <= max_bytes for one in messages)
    ids = [one.envelope.message_id for one in messages]
    assert (ids[0], len(set(ids))) == ("abcdefghijklmnopqrst", len(ids))
    assert [part.notification_id for part in parts] == ids
    assert {part.correlation_id for part in parts} == {"corr"}


def test_the_same_request_stored_again_is_the_same_messages() -> None:
    once, again = (list(messages_of(notification(50, 50), 2000)) for _ in range(2))
    assert once == again
    assert once[1].envelope.message_id == "abcdefghijklmnopqrst.pb"


class Broker:
    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[Sequence[Outgoing]] = []
        self._error = error

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        self.calls.append(messages)
        if self._error:
            raise self._error


def test_all_parts_are_confirmed_together() -> None:
    broker = Broker()
    QueuePublisher(broker, timeout=5, max_message_bytes=100_000)(notification(1200))  # type: ignore[arg-type]
    (together,) = broker.calls
    assert len(together) > 1
    assert sum(len(part.engagements) for part in read(list(together))) == 1200


@pytest.mark.parametrize("error", [BrokerUnavailable("away"), PublishRefused("full")])
def test_the_brokers_trouble_is_one_that_passes(error: Exception) -> None:
    publish = QueuePublisher(Broker(error), timeout=5, max_message_bytes=100_000)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        publish(notification(1))
