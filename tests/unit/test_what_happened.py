"""What a patient is told of one booking, and when nothing is said: the table of cases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.booking.messages import BookingDetails
from shared.relay.outcomes import DeadLetter, Postpone
from tests.unit.composer_world import (
    CALL,
    LATER,
    MEMORY,
    OPEN_CALL,
    PASSED,
    SOON,
    VISIT,
    WINDOW,
    World,
    but,
    key,
)

A, B = key("A"), key("B")


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        (VISIT, "booking_confirmation"),
        (CALL, "timed_call"),
        (but(CALL, purpose=""), "timed_call"),
        (OPEN_CALL, "open_call"),
    ],
)
def test_new(world: World, details: BookingDetails, kind: str) -> None:
    world.create(A, details)
    assert world.kinds == world.outcomes == [kind]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        pytest.param(VISIT, LATER, "changed_time", id="another day"),
        pytest.param(VISIT, but(VISIT, ends="20261203100000"), "changed_time", id="longer"),
        pytest.param(CALL, but(CALL, starts=LATER.starts), "changed_time", id="call moved"),
        pytest.param(CALL, LATER, "changed_time", id="call moved and became booking"),
        pytest.param(CALL, VISIT, "booking_confirmation", id="call became booking"),
        pytest.param(OPEN_CALL, VISIT, "booking_confirmation", id="open call became booking"),
        pytest.param(OPEN_CALL, CALL, "timed_call", id="open call got a time"),
        pytest.param(CALL, OPEN_CALL, "open_call", id="call lost its time"),
        pytest.param(VISIT, CALL, "timed_call", id="booking became call"),
        pytest.param(VISIT, but(VISIT, unit_name="Öron"), "changed", id="unit"),
        pytest.param(VISIT, but(VISIT, performer_name="Bo Ek"), "changed", id="performer"),
        pytest.param(VISIT, but(VISIT, performer_name=""), "changed", id="care type in its place"),
        pytest.param(VISIT, but(VISIT, purpose="Fasta."), "changed", id="purpose"),
        pytest.param(VISIT, but(VISIT, time_type_name="Nybesök"), "changed", id="kind of visit"),
        pytest.param(VISIT, but(VISIT, reason="Ont"), "changed", id="reason"),
        pytest.param(VISIT, but(VISIT, rebook_allowed=False), "changed", id="rebooking"),
        pytest.param(VISIT, but(VISIT, cancel_allowed=None), "changed", id="cancelling"),
        pytest.param(OPEN_CALL, but(OPEN_CALL, purpose="Ring."), "changed", id="open call text"),
    ],
)
def test_changed(world: World, before: BookingDetails, after: BookingDetails, kind: str) -> None:
    world.create(A, before)
    world.create(A, after)
    assert world.kinds[1:] == [kind]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(VISIT, id="nothing"),
        pytest.param(but(VISIT, unit="se2321000016-1hz5"), id="case of an HSA-id"),
        pytest.param(but(VISIT, performer="SE1"), id="performer's id"),
        pytest.param(but(VISIT, time_type_id="7"), id="time type's id"),
        pytest.param(but(VISIT, reason=" "), id="an empty reason"),
        pytest.param(but(VISIT, message_allowed=True), id="messages"),
        pytest.param(but(VISIT, unit_name=" Ögonmottagningen  Sjöstad "), id="white space"),
        pytest.param(but(VISIT, care_type_name="Ögon"), id="care type behind a performer"),
    ],
)
def test_nothing_noticeable_changed(world: World, after: BookingDetails) -> None:
    world.create(A, VISIT)
    world.create(A, after)
    world.pass_time()
    assert world.outcomes[1:] == ["unchanged"]
    assert len(world.kinds) == 1


def test_other_markup_around_the_same_purpose_is_no_change(world: World) -> None:
    world.create(A, but(CALL, purpose="<article><para>Fasta.</para></article>"))
    world.create(A, but(CALL, purpose="<Article><Para>Fasta.\n</Para></Article>"))
    world.pass_time()
    world.create(A, but(CALL, purpose="Fasta."))
    world.pass_time()
    assert world.outcomes[1:] == ["unchanged", "unchanged"]


@pytest.mark.parametrize("field", ["purpose", "reason"])
def test_lines_that_break_elsewhere_are_no_change(world: World, field: str) -> None:
    world.create(A, but(VISIT, **{field: "Ta med legitimation\noch glasögon."}))
    world.create(A, but(VISIT, **{field: "Ta med\nlegitimation och\n\nglasögon."}))
    world.pass_time()
    assert world.outcomes[1:] == ["unchanged"]


def test_a_false_flag_and_a_missing_one_are_the_same_to_a_patient(world: World) -> None:
    world.create(A, but(VISIT, cancel_allowed=False))
    world.create(A, but(VISIT, cancel_allowed=None))
    world.pass_time()
    assert world.outcomes[1:] == ["unchanged"]


def test_cancelled_when_known_ahead_and_gone(world: World) -> None:
    world.create(A, VISIT)
    world.remove(A)
    assert world.kinds == ["booking_confirmation"]
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


def silent_removals() -> dict[str, tuple[Callable[[World], object], str]]:
    def passed(world: World) -> None:
        world.create(A, SOON)
        world.pass_time(timedelta(minutes=2))
        world.remove(A)

    def passes_while_it_waits(world: World) -> None:
        world.create(A, SOON)
        world.remove(A)

    def corrected_key(world: World) -> None:
        world.create(A, VISIT)
        world.hear(A, deleted=True)

    def cancelled_before(world: World) -> None:
        world.create(A, VISIT)
        world.remove(A)
        world.pass_time()
        world.remove(A)

    return {
        "time passed": (passed, "time_passed"),
        "time passes while the removal waits": (passes_while_it_waits, "time_passed"),
        "key corrected": (corrected_key, "still_booked"),
        "never told": (lambda world: world.remove(A), "unknown_booking"),
        "cancelled before": (cancelled_before, "already_cancelled"),
    }


@pytest.mark.parametrize("case", silent_removals().values(), ids=silent_removals())
def test_a_removal_that_is_no_cancellation(
    world: World, case: tuple[Callable[[World], object], str]
) -> None:
    happen, reason = case
    happen(world)
    before = world.kinds
    world.pass_time()
    assert world.outcomes[-1] == reason
    assert world.kinds == before


def test_a_passed_time_is_never_announced(world: World) -> None:
    world.create(A, PASSED)
    assert world.outcomes == ["time_passed"]


def test_a_booking_moved_into_the_past_says_nothing(world: World) -> None:
    world.create(A, VISIT)
    world.create(A, PASSED)
    assert world.outcomes == ["booking_confirmation", "time_passed"]


def test_a_visit_that_passed_and_gets_a_new_time_is_a_confirmation(world: World) -> None:
    world.create(A, SOON)
    world.pass_time(timedelta(minutes=2))
    world.create(A, LATER)
    assert world.kinds[1:] == ["booking_confirmation"]
    assert "2 november" not in world.newest.body_text


def test_a_message_that_waited_a_day_is_judged_as_of_now(world: World) -> None:
    world.source[A.digest] = SOON
    late = world.ask_about(A)
    world.pass_time(timedelta(days=1))
    world.hand(late)
    assert world.outcomes == ["time_passed"]


def test_a_cancelled_booking_that_comes_back_is_new(world: World) -> None:
    world.create(A, VISIT)
    world.remove(A)
    world.pass_time()
    world.create(A, VISIT)
    assert world.kinds == ["booking_confirmation", "cancellation", "booking_confirmation"]
    assert [message.revision for message in world.inbox.messages] == [1, 2, 3]
    assert len({message.calendar_uid for message in world.inbox.messages}) == 1


def test_a_booking_back_before_its_removal_was_due_says_nothing(world: World) -> None:
    world.create(A, VISIT)
    world.remove(A)
    world.create(A, VISIT)
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]
    assert sorted(world.outcomes[2:]) == ["still_booked", "unchanged"]


def test_seen_again_by_a_late_removal_it_is_not_cancelled(world: World) -> None:
    world.create(A, VISIT)
    world.remove(A)
    world.source[A.digest] = VISIT
    world.hear(A, deleted=True)
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]


def test_gone_without_a_removal_is_not_a_cancellation(world: World) -> None:
    world.create(A, VISIT)
    del world.source[A.digest]
    world.hear(A)
    world.pass_time()
    assert world.outcomes == ["booking_confirmation", "gone_at_source"]


def test_the_removal_after_that_cancels_though_fetched_before(world: World) -> None:
    world.create(A, VISIT)
    del world.source[A.digest]
    removal = world.ask_about(A, deleted=True)
    world.hear(A)
    world.hand(removal)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_a_booking_without_a_time_says_nothing(world: World) -> None:
    world.create(A, but(VISIT, starts="", ends=""))
    assert world.outcomes == ["no_time"]


@pytest.mark.parametrize("starts", ["2026-12-03", "20261303090000", "20260230090000"])
def test_what_is_no_time_is_for_people_to_look_at(world: World, starts: str) -> None:
    world.source[A.digest] = but(VISIT, starts=starts)
    outcome = world.hand(world.ask_about(A))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason == "not_a_time"


def test_an_older_fetch_loses(world: World) -> None:
    world.source[A.digest] = VISIT
    old = world.ask_about(A)
    world.create(A, LATER)
    world.hand(old)
    world.pass_time()  # the newer one may have been answered too early: nobody knew of two
    assert world.outcomes == ["booking_confirmation", "unchanged"]
    assert world.newest.starts == LATER.starts


def test_a_create_after_its_removal_does_not_raise_the_dead(world: World) -> None:
    world.source[A.digest] = VISIT
    creation = world.ask_about(A)
    world.remove(A)
    world.hand(creation)
    world.pass_time()  # ingest may have taken the removal too early, so the source is asked again
    assert world.outcomes == ["unknown_booking", "gone_at_source"]
    assert world.kinds == []


@pytest.mark.parametrize(
    ("details", "kind"),
    [(VISIT, "booking_confirmation"), (CALL, "timed_call"), (OPEN_CALL, "open_call")],
)
def test_removed_but_there_and_never_announced_it_is_new(
    world: World, details: BookingDetails, kind: str
) -> None:
    """Created, removed and created again within the index's window: it sends the removal alone."""
    world.source[A.digest] = details
    world.hear(A, deleted=True)
    world.pass_time()
    assert world.kinds == world.outcomes == [kind]
    assert len(world.orders) == 1


def test_removed_but_there_after_its_cancellation_it_is_new(world: World) -> None:
    world.create(A, VISIT)
    world.remove(A)
    world.pass_time()
    world.source[A.digest] = LATER
    world.hear(A, deleted=True)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation", "booking_confirmation"]


def test_removed_but_there_in_the_past_says_nothing(world: World) -> None:
    world.source[A.digest] = PASSED
    world.hear(A, deleted=True)
    assert world.outcomes == ["time_passed"]


def test_a_removal_that_announced_the_booking_makes_the_creation_before_it_stale(
    world: World,
) -> None:
    world.source[A.digest] = VISIT
    creation = world.ask_about(A)
    world.hear(A, deleted=True)
    world.hand(creation)
    world.pass_time()
    assert world.outcomes == ["stale", "booking_confirmation"]


def test_handed_out_again_the_same_order_is_published_again(world: World) -> None:
    change = world.create(A, VISIT)
    world.create(A, LATER)
    world.hand(change)
    assert world.outcomes[-1] == "announced_before"
    assert world.orders[0] == world.orders[2]
    assert len(world.kinds) == 2


def test_a_removal_is_looked_at_again_only_when_it_is_due(world: World) -> None:
    world.create(A, VISIT)
    removal = world.remove(A)
    world.pass_time(timedelta(seconds=30))
    outcome = world.hand(removal)
    assert isinstance(outcome, Postpone)
    assert outcome.reason == "waiting_for_pair"
    assert timedelta(seconds=59) < outcome.delay <= WINDOW - timedelta(seconds=30)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


@pytest.mark.parametrize(
    ("starts", "instant"),
    [
        ("20261203090000", "2026-12-03T08:00:00+00:00"),
        ("20270701090000", "2027-07-01T07:00:00+00:00"),
        ("20270328023000", "2027-03-28T01:30:00+00:00"),  # the hour that is missing
        ("20271031023000", "2027-10-31T00:30:00+00:00"),  # the first of the doubled hour
        ("20270101000000", "2026-12-31T23:00:00+00:00"),
    ],
)
def test_the_notice_has_no_use_after_the_time(world: World, starts: str, instant: str) -> None:
    world.create(A, but(VISIT, starts=starts, ends=""))
    expires_at = world.orders[0].expires_at
    assert expires_at
    assert expires_at.isoformat() == instant


def test_the_notice_of_an_open_call_does_not_expire(world: World) -> None:
    world.create(A, OPEN_CALL)
    assert world.orders[0].expires_at is None


def test_no_message_for_another_patient_with_the_same_booking_id(world: World) -> None:
    world.create(A, VISIT)
    other = key("A", patient="201212121212")
    world.remove(other)
    world.pass_time()
    assert world.outcomes == ["booking_confirmation", "unknown_booking"]


def test_what_was_fetched_before_anything_is_remembered_is_not_judged(world: World) -> None:
    """Its booking may be gone since, and the mark that says so purged."""
    world.source[A.digest] = VISIT
    fetched = world.ask_about(A)
    world.now += MEMORY
    assert isinstance(world.hand(fetched), DeadLetter)
    assert world.outcomes == ["fetched_too_long_ago"]
    assert world.kinds == []
