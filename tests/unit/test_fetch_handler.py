"""What becomes of a change when its booking system is asked."""

import pytest

from fetcher.answers import CallFailed, FetchRetryReason, Timeslot
from fetcher.handler import FetchDeadReason, FetchDropReason
from shared.base.errors import Unavailable
from shared.booking.messages import FetchedBooking, RequestMember
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Postpone, Publish, RetryLater
from tests.booking_samples import (
    BOOKING,
    NOON,
    PATIENT,
    a_change,
)
from tests.unit.fetcher_world import ASKED, DETAILS, TIMED_OUT, World, published


def test_what_the_source_says_goes_on_with_the_change_it_belongs_to() -> None:
    other = BOOKING.model_copy(update={"booking_id": "B-0"})
    members = (RequestMember(booking=other, deleted=True),)
    world = World(Timeslot(DETAILS, PATIENT, "B-1"))
    message = published(world.handle(a_change(same_request=members)))
    assert message == FetchedBooking(
        notification_id="n",
        correlation_id="corr-1",
        received_at=NOON,
        change_id="n-1",
        booking=BOOKING,
        deleted=False,
        service_domain="riv:crm:scheduling",
        most_recent_content="20261203090000",
        same_request=members,
        fetched_at=ASKED,
        details=DETAILS,
    )
    assert world.client.asked == [(BOOKING, "corr-1")]


def test_a_booking_the_source_does_not_have_goes_on_without_details() -> None:
    assert published(World(None).handle(a_change())).details is None


def test_of_a_removed_booking_the_source_is_asked_too() -> None:
    world = World(Timeslot(DETAILS, PATIENT))
    message = published(world.handle(a_change(deleted=True, most_recent_content="")))
    assert message.deleted
    assert message.details == DETAILS


@pytest.mark.parametrize(
    "domain", ["riv:crm:scheduling", "urn:riv:crm:scheduling", " URN:riv:CRM:scheduling"]
)
def test_the_service_domain_chooses_the_contract_however_it_is_spelled(domain: str) -> None:
    assert isinstance(World(None).handle(a_change(service_domain=domain)), Publish)


def test_a_domain_without_a_contract_is_for_people() -> None:
    outcome = World().handle(a_change(service_domain="riv:supportprocess:logistics:scheduling"))
    assert outcome == DeadLetter(FetchDeadReason.UNKNOWN_SERVICE_DOMAIN)


def test_a_source_deactivated_on_the_way_is_not_asked() -> None:
    world = World(None, source=None)
    assert world.handle(a_change()) == Drop(FetchDropReason.SOURCE_NOT_ACTIVATED)
    assert world.client.asked == []


def test_an_outage_of_the_register_passes_through() -> None:
    with pytest.raises(Unavailable):
        World(None, source=Unavailable("register_unavailable")).handle(a_change())


@pytest.mark.parametrize("reason", FetchRetryReason)
def test_a_failed_call_is_retried(reason: FetchRetryReason) -> None:
    trouble = CallFailed(reason, "detail")
    world = World(trouble)
    assert world.handle(a_change()) == RetryLater(reason, trouble)
    assert world.watch.results == [reason]


class TestRetriesEndWhenTheVisitHasBegun:
    """Notified at 13:00 Swedish time on 1 December 2026."""

    def failing(self, content: str, seconds_later: float, **values: object) -> Outcome:
        world = World(TIMED_OUT)
        world.clock.forward(seconds_later)
        return world.handle(a_change(most_recent_content=content, **values))

    def test_its_time_ahead(self) -> None:
        assert isinstance(self.failing("20261201140000", 3599), RetryLater)

    def test_its_time_passed(self) -> None:
        assert self.failing("20261201140000", 3600) == Drop(FetchDropReason.TIME_PASSED)

    def test_a_time_passed_already_when_notified_may_be_that_of_an_open_call_letter(self) -> None:
        assert isinstance(self.failing("20261201125959", 90_000), RetryLater)

    def test_a_removal_has_no_time_of_its_own(self) -> None:
        assert isinstance(self.failing("20261201140000", 90_000, deleted=True), RetryLater)

    @pytest.mark.parametrize("content", ["", "20261301140000", "2026-12-01"])
    def test_no_time_to_be_read(self, content: str) -> None:
        assert isinstance(self.failing(content, 90_000), RetryLater)

    def test_an_answer_goes_on_whatever_the_time(self) -> None:
        world = World(Timeslot(DETAILS, PATIENT))
        world.clock.forward(90_000)
        outcome = world.handle(a_change(most_recent_content="20261201140000"))
        assert isinstance(outcome, Publish)

    def test_an_open_breaker_does_not_keep_it_for_ever(self) -> None:
        world = World(TIMED_OUT)
        for _ in range(3):
            world.handle(a_change())
        waiting = world.handle(a_change(most_recent_content="20261201130005"))
        assert isinstance(waiting, Postpone)
        world.clock.forward(6)
        assert isinstance(world.handle(a_change()), RetryLater)  # the probe
        outcome = world.handle(a_change(most_recent_content="20261201130005"))
        assert outcome == Drop(FetchDropReason.TIME_PASSED)
