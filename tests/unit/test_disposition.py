"""What each outcome does to the queues, case by case."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from shared.booking.identity import BookingKey
from shared.booking.messages import BookingChange
from shared.relay.broker import Envelope, Failure
from shared.relay.disposition import StageDelivery
from shared.relay.outcomes import DeadLetter, Drop, Postpone, Publish, RetryLater
from shared.relay.topology import Topology, seconds

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
TOPOLOGY = Topology(delay_steps=seconds(5, 30, 120), retry_delays=seconds(5, 30))


class Why(StrEnum):
    SOURCE_DOWN = "source_down"
    NOT_OURS = "not_ours"


def change(**fields: object) -> BookingChange:
    values = {
        "notification_id": "n",
        "change_id": "n-a",
        "received_at": NOW,
        "booking": BookingKey(
            source_system="SE1", logical_address="SE2", booking_id="7", patient="191212121212"
        ),
        "deleted": False,
        "service_domain": "riv:crm:scheduling",
    }
    return BookingChange.model_validate(values | fields)


def delivered(envelope: Envelope | None = None) -> StageDelivery:
    return StageDelivery("fetcher", envelope or Envelope("m", b"body"), NOW, TOPOLOGY)


def test_publish_sends_each_message_to_the_queue_of_its_type() -> None:
    disposition = delivered().disposition(Publish((change(), change(change_id="n-b"))))
    assert [out.key for out in disposition.publish] == ["fetcher", "fetcher"]
    assert [out.envelope.message_id for out in disposition.publish] == ["n-a", "n-b"]
    assert all(out.delay is None for out in disposition.publish)
    assert disposition.outcome == "publish"


def test_a_message_whose_id_no_broker_takes_makes_a_dead_letter_of_its_delivery() -> None:
    """Published, it would come back with its delivery for ever, and stop all others."""
    assert delivered().disposition(Publish((change(change_id="n" * 255),))).outcome == "publish"
    disposition = delivered().disposition(Publish((change(), change(change_id="n" * 256))))
    assert (disposition.outcome, disposition.reason) == ("dead", "bug")
    (letter,) = disposition.publish
    assert (letter.key, letter.envelope.message_id) == ("fetcher.dead", "m")
    assert letter.envelope.history[-1].text == "an id of 256 characters"


def test_drop_publishes_nothing_and_says_why() -> None:
    disposition = delivered().disposition(Drop(Why.NOT_OURS))
    assert disposition.publish == ()
    assert (disposition.outcome, disposition.reason) == ("drop", "not_ours")


def test_retry_spends_an_attempt_and_remembers_the_failure() -> None:
    disposition = delivered().disposition(RetryLater(Why.SOURCE_DOWN, ValueError("no answer")))
    (out,) = disposition.publish
    assert out.key == "fetcher"
    assert out.delay == timedelta(seconds=5)
    assert out.envelope.attempt == 2
    assert out.envelope.message_id == "m"
    assert out.envelope.not_before == NOW + timedelta(seconds=5)
    (failure,) = out.envelope.history
    assert (failure.reason, failure.error, failure.text, failure.stage) == (
        "source_down",
        "ValueError",
        "no answer",
        "fetcher",
    )


def test_a_retry_beyond_the_budget_is_a_dead_letter_with_its_story() -> None:
    first = Failure(at=NOW - timedelta(hours=1), stage="fetcher", reason="source_down")
    worn = Envelope("m", b"body", attempt=3, history=(first,))
    disposition = delivered(worn).disposition(RetryLater(Why.SOURCE_DOWN))
    (out,) = disposition.publish
    assert disposition.outcome == "dead"
    assert out.key == "fetcher.dead"
    assert out.delay is None
    letter = out.envelope
    assert (letter.dead_reason, letter.dead_since, letter.origin) == ("source_down", NOW, "fetcher")
    assert letter.attempt == 3
    assert letter.history[0] == first
    assert len(letter.history) == 2


def test_postpone_spends_no_attempt() -> None:
    disposition = delivered().disposition(Postpone(timedelta(seconds=90), Why.SOURCE_DOWN))
    (out,) = disposition.publish
    assert out.envelope.attempt == 1
    assert out.envelope.history == ()
    assert out.delay == timedelta(seconds=30)  # the longest step that does not overshoot
    assert out.envelope.not_before == NOW + timedelta(seconds=90)


def test_postpone_may_send_another_body_back() -> None:
    turned = change(slot=NOW)
    disposition = delivered().disposition(Postpone(timedelta(seconds=5), Why.SOURCE_DOWN, turned))
    assert BookingChange.decode(disposition.publish[0].envelope.body) == turned


def test_dead_letter_goes_at_once_and_its_text_is_redacted() -> None:
    disposition = delivered().disposition(
        DeadLetter(Why.NOT_OURS, ValueError("about 191212121212 it was"))
    )
    (out,) = disposition.publish
    assert out.key == "fetcher.dead"
    assert out.envelope.history[-1].text == "about [person] it was"


def test_a_long_wait_is_walked_in_steps() -> None:
    until = NOW + timedelta(seconds=100)
    waiting = delivered(Envelope("m", b"body", not_before=until))
    assert waiting.is_waiting
    disposition = waiting.next_delay()
    assert disposition.publish[0].delay == timedelta(seconds=30)
    assert disposition.publish[0].envelope.not_before == until
    assert disposition.reason == "not_yet"


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1)])
def test_a_wait_that_is_over_is_over(late: timedelta) -> None:
    assert not delivered(Envelope("m", b"body", not_before=NOW - late)).is_waiting


def test_a_wait_that_a_clock_six_hours_ahead_began_ends_with_its_delay_step() -> None:
    ahead = delivered()._replace(now=NOW + timedelta(hours=6))
    disposition = ahead.disposition(Postpone(timedelta(seconds=5), Why.SOURCE_DOWN))
    (out,) = disposition.publish
    assert not delivered(out.envelope).is_waiting


def test_a_wait_that_began_by_a_clock_a_second_ahead_goes_on() -> None:
    ahead = delivered()._replace(now=NOW + timedelta(seconds=1))
    disposition = ahead.disposition(Postpone(timedelta(hours=10), Why.SOURCE_DOWN))
    (out,) = disposition.publish
    assert delivered(out.envelope).is_waiting


def test_history_keeps_the_first_failure_and_the_latest() -> None:
    envelope = Envelope("m", b"body")
    for number in range(30):
        at = NOW + timedelta(seconds=number)
        envelope = envelope.after_failure(Failure(at=at, stage="fetcher", reason=f"r{number}"))
    reasons = [failure.reason for failure in envelope.history]
    assert reasons == ["r0", *[f"r{number}" for number in range(21, 30)]]
