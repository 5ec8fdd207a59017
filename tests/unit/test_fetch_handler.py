"""The fetcher's decision, with every outcome it has."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from fetcher.answers import Answer, CallFailed, FetchRetryReason, Timeslot
from fetcher.crm_scheduling import CrmScheduling
from fetcher.handler import FetchDeadReason, FetchDropReason, FetchHandler, MismatchWaitReason
from fetcher.limits import Source, SourceLimits, SourceWaitReason
from fetcher.verification import Mismatch
from shared.base.breaker import BreakerPolicy
from shared.base.errors import Unavailable
from shared.booking.identity import BookingKey, hsa_key
from shared.booking.messages import BookingChange, BookingDetails, FetchedBooking, RequestMember
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Postpone, Publish, RetryLater
from tests.booking_samples import (
    BOOKING,
    NOON,
    PATIENT,
    HandClock,
    LineInMemory,
    SampleSource,
    a_change,
)

ASKED = NOON + timedelta(seconds=1)
DETAILS = BookingDetails(starts="20261203090000", unit=BOOKING.logical_address)
TIMED_OUT = CallFailed(FetchRetryReason.TIMED_OUT, "ReadTimeout")


class Client:
    """Stands for `BookingsClient`: answers, or fails, as it was told."""

    def __init__(self, says: Timeslot | Exception | None) -> None:
        self.says = says
        self.asked: list[tuple[BookingKey, str]] = []

    def get_booking_details(self, booking: BookingKey, correlation_id: str) -> Answer:
        self.asked.append((booking, correlation_id))
        if isinstance(self.says, Exception):
            raise self.says
        return Answer(ASKED, self.says)


class Register:
    def __init__(self, source: Source | Exception | None) -> None:
        self.source = source

    def find(self, hsa_id: str) -> Source | None:
        if isinstance(self.source, Exception):
            raise self.source
        return self.source if hsa_id == BOOKING.source_system else None


class Watch:
    def __init__(self) -> None:
        self.mismatches: list[Mismatch] = []
        self.results: list[str] = []
        self.openings: list[bool] = []

    def mismatch(self, source: Source, what: Mismatch) -> None:
        self.mismatches.append(what)

    def call_ended(self, source: Source, result: str, seconds: float) -> None:
        self.results.append(result)

    def breaker_changed(self, source: Source, *, is_open: bool) -> None:
        self.openings.append(is_open)


class Known:
    """The Protocol `fetcher.handler.KnownBookings`, in memory."""

    def __init__(self) -> None:
        self.digests: set[str] = set()

    def has(self, booking: BookingKey) -> bool:
        return booking.digest in self.digests


class World:
    """A handler with everything around it faked."""

    def __init__(
        self,
        says: Timeslot | Exception | None = None,
        source: Source | Exception | None = SampleSource(),  # noqa: B008 - frozen
        explained_within: timedelta = timedelta(0),
    ) -> None:
        self.clock = HandClock()
        self.client = Client(says)
        self.watch = Watch()
        self.line = LineInMemory()
        self.known = Known()
        policy = BreakerPolicy(3, timedelta(seconds=5), timedelta(seconds=60), lambda: 1.0)
        limits = SourceLimits(
            self.line, policy, most_in_flight=8, clock=self.clock, watch=self.watch
        )
        contracts = {"riv:crm:scheduling": CrmScheduling(self.client)}  # type: ignore[arg-type]
        self.handle: Callable[[BookingChange], Outcome] = FetchHandler(
            contracts,
            Register(source),
            limits,
            self.watch,
            self.known,
            self.clock,
            explained_within=explained_within,
        )


def published(outcome: Outcome) -> FetchedBooking:
    assert isinstance(outcome, Publish)
    (message,) = outcome.messages
    assert isinstance(message, FetchedBooking)
    return message


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


OTHER_UNIT = BookingDetails(unit="SE2321000016-OTHER")


@pytest.mark.parametrize(
    ("timeslot", "what"),
    [
        (Timeslot(DETAILS, "201212121212", "B-1"), Mismatch.PATIENT),
        (Timeslot(OTHER_UNIT, PATIENT, "B-1"), Mismatch.UNIT),
        (Timeslot(DETAILS, PATIENT, "B-2"), Mismatch.BOOKING),
        (Timeslot(DETAILS, PATIENT, "b-1"), Mismatch.BOOKING),
        (Timeslot(DETAILS, "", "B-1"), Mismatch.PATIENT),
    ],
)
def test_a_reply_about_something_else_is_an_incident(timeslot: Timeslot, what: Mismatch) -> None:
    world = World(timeslot)
    outcome = world.handle(a_change())
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason == "reply_mismatch"
    assert str(outcome.error) == f"the reply is about another {what}"
    assert world.watch.mismatches == [what]


@pytest.mark.parametrize(
    "timeslot",
    [
        Timeslot(BookingDetails(unit=BOOKING.logical_address.upper()), PATIENT, "B-1"),
        Timeslot(BookingDetails(unit=BOOKING.logical_address.lower()), PATIENT, "B-1"),
        Timeslot(DETAILS, PATIENT, ""),
        Timeslot(BookingDetails(), PATIENT, "B-1"),
    ],
)
def test_another_case_or_an_identity_left_out_is_no_incident(timeslot: Timeslot) -> None:
    world = World(timeslot)
    assert isinstance(world.handle(a_change()), Publish)
    assert world.watch.mismatches == []


@pytest.mark.parametrize("number", ["19900101T123", "19900101t123"])
def test_letters_of_a_person_number_compare_in_any_case(number: str) -> None:
    booking = BOOKING.model_copy(update={"patient": "19900101T123"})
    world = World(Timeslot(DETAILS, number, "B-1"))
    assert isinstance(world.handle(a_change(booking=booking)), Publish)


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


def test_an_open_breaker_postpones_without_spending_attempts_and_closes_after_a_probe() -> None:
    world = World(TIMED_OUT)
    for _ in range(3):
        assert isinstance(world.handle(a_change()), RetryLater)
    waiting = world.handle(a_change())
    assert isinstance(waiting, Postpone)
    assert waiting.reason is SourceWaitReason.BREAKER_OPEN
    assert waiting.delay >= timedelta(seconds=5)
    assert len(world.client.asked) == 3

    world.clock.forward(waiting.delay.total_seconds())
    world.client.says = Timeslot(DETAILS, PATIENT)
    assert isinstance(waiting.instead, BookingChange)
    assert isinstance(world.handle(waiting.instead), Publish)
    assert isinstance(world.handle(a_change()), Publish)
    assert world.watch.openings == [True, False]


def test_a_fault_in_the_request_itself_does_not_open_the_breaker() -> None:
    world = World(CallFailed(FetchRetryReason.FAULT, "Fault Client", source_works=True))
    for _ in range(10):
        world.clock.forward(1)
        assert isinstance(world.handle(a_change()), RetryLater)
    assert world.watch.openings == []


def test_a_bug_in_the_call_is_no_verdict_on_the_source() -> None:
    world = World(ValueError("bug"))
    for _ in range(10):
        world.clock.forward(1)
        with pytest.raises(ValueError, match="bug"):
            world.handle(a_change())
    assert world.watch.openings == []
    assert set(world.watch.results) == {"bug"}


def test_a_change_beyond_the_rate_comes_back_at_its_turn_and_goes_then() -> None:
    world = World(None)
    outcomes = [world.handle(a_change()) for _ in range(20)]
    calls = [outcome for outcome in outcomes if isinstance(outcome, Publish)]
    waits = [outcome for outcome in outcomes if isinstance(outcome, Postpone)]
    assert len(calls) == 6  # one now, five in the second of tolerance
    assert {wait.reason for wait in waits} == {SourceWaitReason.RATE_LIMITED}
    delays = [wait.delay for wait in waits]
    assert delays == sorted(set(delays))
    last = waits[-1]
    assert isinstance(last.instead, BookingChange)
    assert last.instead.slot == NOON + last.delay
    reservations = len(world.line.reserved)
    world.clock.forward(last.delay.total_seconds())
    assert isinstance(world.handle(last.instead), Publish)
    assert len(world.line.reserved) == reservations


def test_a_slot_given_by_a_clock_six_hours_ahead_is_not_kept() -> None:
    ahead = NOON + timedelta(hours=6)
    world = World(None)
    assert isinstance(world.handle(a_change(slot=ahead, slot_given_at=ahead)), Publish)
    assert isinstance(world.handle(a_change(slot=ahead, slot_given_at=NOON)), Postpone)


def test_one_flooding_source_leaves_another_alone() -> None:
    world = World(None)
    clock: Callable[[], datetime] = world.clock
    limits = SourceLimits(
        world.line,
        BreakerPolicy(3, timedelta(seconds=5), timedelta(seconds=60), lambda: 1.0),
        most_in_flight=8,
        clock=clock,
        watch=world.watch,
    )

    class TwoSources:
        def find(self, hsa_id: str) -> Source:
            return SampleSource(hsa_id)

    handle = FetchHandler(
        {"riv:crm:scheduling": CrmScheduling(world.client)},  # type: ignore[arg-type]
        TwoSources(),
        limits,
        world.watch,
        world.known,
        clock,
    )
    for _ in range(100):
        handle(a_change())
    other = BOOKING.model_copy(update={"source_system": "SE2321000016-SYS2"})
    assert isinstance(handle(a_change(booking=other)), Publish)


def test_several_timeslots_of_which_one_is_another_persons_are_an_incident() -> None:
    about = (Timeslot(DETAILS, PATIENT, "B-1"), Timeslot(DETAILS, "201212121212", "B-1"))
    trouble = CallFailed(FetchRetryReason.UNREADABLE, "several", source_works=True, about=about)
    world = World(trouble)
    assert isinstance(world.handle(a_change()), DeadLetter)
    assert world.watch.mismatches == [Mismatch.PATIENT]
    same = CallFailed(
        FetchRetryReason.UNREADABLE, "several", source_works=True, about=about[:1] * 2
    )
    assert isinstance(World(same).handle(a_change()), RetryLater)


def test_one_patients_unreadable_reply_does_not_open_the_breaker() -> None:
    world = World(CallFailed(FetchRetryReason.UNREADABLE, "odd", source_works=True))
    for _ in range(20):
        assert isinstance(world.handle(a_change()), RetryLater)
        world.clock.forward(60)


NEW_NUMBER = "201212121212"


def test_a_removed_booking_at_another_unit_has_moved() -> None:
    world = World(Timeslot(OTHER_UNIT, PATIENT, "B-1"))
    message = published(world.handle(a_change(deleted=True)))
    assert (message.details, message.moved_to) == (None, OTHER_UNIT.unit)
    assert world.watch.mismatches == []


def test_a_removed_booking_of_another_person_is_the_composers_to_explain() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"))
    message = published(world.handle(a_change(deleted=True)))
    assert (message.details, message.of_another_patient) == (None, True)
    assert world.watch.mismatches == []


def test_a_booking_not_shown_under_its_new_number_yet_is_no_incident() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"))
    message = published(world.handle(a_change(renumbered=NEW_NUMBER)))
    assert (message.details, message.of_another_patient) == (None, True)


@pytest.mark.parametrize(
    ("timeslot", "elsewhere"),
    [
        (Timeslot(DETAILS, NEW_NUMBER, "B-1"), {"patient": NEW_NUMBER}),
        (Timeslot(OTHER_UNIT, PATIENT, "B-1"), {"logical_address": OTHER_UNIT.unit}),
    ],
)
def test_an_old_creation_of_what_the_index_has_elsewhere_is_no_incident(
    timeslot: Timeslot, elsewhere: dict[str, str]
) -> None:
    world = World(timeslot)
    world.known.digests = {BOOKING.replaced(**elsewhere).digest}
    assert published(world.handle(a_change())).details is None
    assert world.watch.mismatches == []


MINUTE = timedelta(minutes=1)


def looked_at_again(world: World, change: BookingChange) -> BookingChange:
    """What comes back after the wait, when the wait is over."""
    waiting = world.handle(change)
    assert isinstance(waiting, Postpone)
    assert waiting.reason is MismatchWaitReason.NOT_EXPLAINED_YET
    world.clock.forward(waiting.delay.total_seconds())
    assert isinstance(waiting.instead, BookingChange)
    return waiting.instead


def test_a_creation_of_another_number_waits_for_the_indexs_word() -> None:
    """The source changes its own store first and tells the index then."""
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = looked_at_again(world, a_change())
    world.known.digests = {BOOKING.replaced(patient=NEW_NUMBER).digest}
    assert published(world.handle(change)).of_another_patient
    assert world.watch.mismatches == []


def test_a_creation_whose_source_is_behind_is_announced_when_it_shows_it() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = looked_at_again(world, looked_at_again(world, a_change()))
    world.client.says = Timeslot(DETAILS, PATIENT, "B-1")
    assert published(world.handle(change)).details == DETAILS


def test_a_mix_up_that_nothing_explains_is_an_incident_in_the_end_and_never_passed_on() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change, looks = a_change(), 0
    while world.clock() - change.received_at < MINUTE:
        change, looks = looked_at_again(world, change), looks + 1
    assert world.clock() - change.received_at == MINUTE
    assert 4 <= looks <= 8
    assert isinstance(world.handle(change), DeadLetter)
    assert world.watch.mismatches == [Mismatch.PATIENT]


def test_the_explanation_is_waited_for_though_the_relay_was_away_since_the_creation() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = a_change()
    world.clock.forward(3600)
    change = looked_at_again(world, change)
    world.known.digests = {BOOKING.replaced(patient=NEW_NUMBER).digest}
    assert published(world.handle(change)).of_another_patient
    assert world.watch.mismatches == []


def test_a_mix_up_that_was_fetched_late_is_an_incident_in_the_end() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = a_change()
    world.clock.forward(3600)
    first = world.clock()
    while world.clock() - first < MINUTE:
        change = looked_at_again(world, change)
    assert isinstance(world.handle(change), DeadLetter)
    assert world.watch.mismatches == [Mismatch.PATIENT]


def test_after_an_outage_of_the_relay_the_explanation_is_waited_for_anew() -> None:
    """What the index said meanwhile is on its way to the composer."""
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = looked_at_again(world, looked_at_again(world, a_change()))
    world.clock.forward(180)
    change = looked_at_again(world, change)
    world.known.digests = {BOOKING.replaced(patient=NEW_NUMBER).digest}
    assert published(world.handle(change)).of_another_patient
    assert world.watch.mismatches == []


def test_looks_a_little_late_do_not_prolong_a_short_wait() -> None:
    """Delays come in steps, and the relay is busy at times: that is no outage."""
    within, late = timedelta(seconds=4), 2
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=within)
    change, began = a_change(), world.clock()
    while isinstance(outcome := world.handle(change), Postpone):
        assert isinstance(outcome.instead, BookingChange)
        change = outcome.instead
        world.clock.forward(outcome.delay.total_seconds() + late)
    assert isinstance(outcome, DeadLetter)
    assert world.clock() - began < 2 * within


@pytest.mark.parametrize("late", [0, 1, 10, 100])
def test_a_mix_up_is_an_incident_however_late_each_look_comes(late: int) -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change, began = a_change(), world.clock()
    while isinstance(outcome := world.handle(change), Postpone):
        assert isinstance(outcome.instead, BookingChange)
        change = outcome.instead
        world.clock.forward(outcome.delay.total_seconds() + late)
    assert isinstance(outcome, DeadLetter)
    assert world.watch.mismatches == [Mismatch.PATIENT]
    assert MINUTE <= world.clock() - began < 12 * MINUTE + timedelta(seconds=late)


def test_waiting_for_a_slot_of_the_source_is_no_outage() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = looked_at_again(world, a_change())
    now = world.clock()
    system = hsa_key(BOOKING.source_system)
    world.line.reserve(system, now=now, not_before=now, span=5 * MINUTE)
    waiting = world.handle(change)
    assert isinstance(waiting, Postpone)
    assert isinstance(waiting.instead, BookingChange)
    world.clock.forward(waiting.delay.total_seconds())
    assert isinstance(world.handle(waiting.instead), DeadLetter)


def test_a_reply_about_something_else_altogether_is_an_incident_at_once() -> None:
    for timeslot in (Timeslot(DETAILS, NEW_NUMBER, "B-2"), Timeslot(DETAILS, "", "B-1")):
        world = World(timeslot, explained_within=MINUTE)
        assert isinstance(world.handle(a_change()), DeadLetter)


def test_what_is_no_person_number_explains_nothing() -> None:
    assert isinstance(World(Timeslot(DETAILS, "x", "B-1")).handle(a_change()), DeadLetter)


@pytest.mark.parametrize(
    ("timeslot", "what"),
    [
        (Timeslot(OTHER_UNIT, PATIENT, ""), Mismatch.UNIT),
        (Timeslot(OTHER_UNIT, PATIENT, "B-2"), Mismatch.UNIT),
        (Timeslot(DETAILS, NEW_NUMBER, "B-2"), Mismatch.PATIENT),
        (Timeslot(DETAILS, "", "B-1"), Mismatch.PATIENT),
        (Timeslot(DETAILS, PATIENT, "B-2"), Mismatch.BOOKING),
    ],
)
def test_of_a_removal_too_anything_else_is_an_incident(timeslot: Timeslot, what: Mismatch) -> None:
    world = World(timeslot)
    assert isinstance(world.handle(a_change(deleted=True)), DeadLetter)
    assert world.watch.mismatches == [what]


class TestPausedSource:
    def test_it_is_not_asked_and_its_changes_wait_without_spending_attempts(self) -> None:
        world = World(Timeslot(DETAILS), source=SampleSource(paused=True))
        waiting = world.handle(a_change())
        assert isinstance(waiting, Postpone)
        assert waiting.reason is SourceWaitReason.SOURCE_PAUSED
        assert waiting.delay >= timedelta(minutes=1)
        assert world.client.asked == []

    def test_a_change_that_comes_back_waits_on(self) -> None:
        world = World(Timeslot(DETAILS), source=SampleSource(paused=True))
        for _ in range(3):
            waiting = world.handle(a_change())
            assert isinstance(waiting, Postpone)
            world.clock.forward(waiting.delay.total_seconds())
        assert world.client.asked == []

    def test_a_visit_that_has_begun_ends_its_waiting(self) -> None:
        world = World(Timeslot(DETAILS), source=SampleSource(paused=True))
        change = a_change(most_recent_content="20261201130005")
        world.clock.forward(6)
        assert world.handle(change) == Drop(FetchDropReason.TIME_PASSED)
