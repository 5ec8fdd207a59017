"""Rebookings: one message that names the old and the new time, and no guess when it is unclear."""

from datetime import timedelta

import pytest

from tests.unit.composer_world import (
    CALL,
    LATER,
    NOW,
    OPEN_CALL,
    OTHER_UNIT,
    PASSED,
    SOON,
    VISIT,
    WINDOW,
    World,
    but,
    key,
)

A, B, C, D = (key(name) for name in "ABCD")
ELSEWHERE = but(LATER, unit=OTHER_UNIT, unit_name="Ögonmottagningen Bergby")
LATER_STILL = but(VISIT, starts="20261215100000", ends="")
OLD_TIME, NEW_TIME = "torsdag 3 december 2026 kl. 09.00", "torsdag 10 december 2026 kl. 13.30"


@pytest.fixture
def world() -> World:
    """The patient has been told of booking A, a day ago."""
    world = World()
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    return world


def told_as_rebooked(world: World) -> bool:
    text = world.newest.body_text
    return world.newest.kind == "changed_time" and OLD_TIME in text and NEW_TIME in text


# --- paired by the filter, in one request ---


def test_paired_in_one_request(world: World) -> None:
    world.create(B, LATER, replaces=A)
    assert told_as_rebooked(world)
    assert world.newest.booking == B.digest


def test_paired_with_another_unit(world: World) -> None:
    world.create(key("A", OTHER_UNIT), ELSEWHERE, replaces=A)
    assert told_as_rebooked(world)
    assert "Tidigare: Ögonmottagningen Sjöstad" in world.newest.body_text


def test_what_replaces_a_booking_never_told_is_new() -> None:
    world = World()
    world.create(B, LATER, replaces=A)
    assert world.kinds == ["booking_confirmation"]


def test_the_late_creation_of_what_was_replaced_says_nothing() -> None:
    world = World()
    world.source[A.digest] = VISIT
    creation = world.fetch(A)
    world.create(B, LATER, replaces=A)
    world.hand(creation)
    assert world.outcomes == ["booking_confirmation", "stale"]


def test_what_replaces_a_passed_time_is_new() -> None:
    world = World()
    world.create(A, SOON)
    world.pass_time(timedelta(minutes=2))
    world.create(B, LATER, replaces=A)
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_what_replaces_a_cancelled_booking_is_new(world: World) -> None:
    world.remove(A)
    world.pass_time()
    world.create(B, LATER, replaces=A)
    assert world.kinds[1:] == ["cancellation", "booking_confirmation"]


def test_an_open_call_replaced_by_a_booking_is_said_as_such() -> None:
    world = World()
    world.create(A, OPEN_CALL)
    world.create(B, VISIT, replaces=A)
    assert world.kinds[1:] == ["booking_confirmation"]
    assert "Din kallelse är nu en bokad tid" in world.newest.body_text


def test_a_timed_call_replaced_by_a_booking_names_both_times() -> None:
    world = World()
    world.create(A, CALL)
    world.create(B, LATER, replaces=A)
    assert told_as_rebooked(world)
    assert "Kallelsen är nu en bokad tid" in world.newest.body_text


def test_a_new_id_alone_says_nothing_and_is_known_from_then_on(world: World) -> None:
    world.create(B, VISIT, replaces=A)
    assert world.outcomes[-1] == "carried_over"
    world.create(B, LATER)
    assert told_as_rebooked(world)
    world.remove(A)
    world.remove(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time", "cancellation"]


def test_a_chain_of_rebookings_keeps_one_calendar_entry(world: World) -> None:
    world.create(B, LATER, replaces=A)
    world.create(C, LATER_STILL, replaces=B)
    world.remove(C)
    world.pass_time()
    messages = world.inbox.messages
    assert [message.revision for message in messages] == [1, 2, 3, 4]
    assert len({message.calendar_uid for message in messages}) == 1
    assert world.kinds[1:] == ["changed_time", "changed_time", "cancellation"]


def test_the_removal_of_what_was_replaced_is_paired(world: World) -> None:
    world.create(B, LATER, replaces=A)
    world.remove(A)
    assert world.outcomes[-1] == "paired"


def test_what_was_replaced_and_is_there_again_is_new(world: World) -> None:
    world.create(B, LATER, replaces=A)
    world.create(A, VISIT)
    assert world.kinds[-1] == "booking_confirmation"
    world.remove(A)
    world.pass_time()
    assert world.kinds[-1] == "cancellation"


@pytest.mark.parametrize("replacement", [None, PASSED], ids=["gone", "in the past"])
def test_when_the_replacement_cannot_be_told_the_source_is_asked_about_the_booking(
    world: World, replacement: object
) -> None:
    world.source.pop(A.digest)
    if replacement:
        world.source[B.digest] = PASSED
    world.hear(B, replaces=A)
    assert world.kinds == ["booking_confirmation"]
    world.ask()
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_a_replacement_told_before_it_was_paired(world: World) -> None:
    world.create(B, LATER)
    world.source.pop(A.digest)
    world.hear(B, replaces=A)
    assert world.outcomes[-1] == "asked_about_removed"
    world.ask()
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation", "changed_time"]
    assert told_as_rebooked(world)


def test_a_question_lost_in_a_crash_is_asked_again(world: World) -> None:
    world.create(B, LATER)
    world.source.pop(A.digest)
    world.source[B.digest] = LATER_STILL
    change = world.hear(B, replaces=A)
    first = world.asked.pop()
    world.hand(change)
    assert world.outcomes[-2:] == ["changed_time", "announced_before"]
    assert world.asked == [first]


def test_replaced_once_more_while_it_was_on_hold(world: World) -> None:
    world.create(B, LATER, replaces=C)
    world.remove(A)
    world.create(C, LATER_STILL)
    assert world.outcomes[-1] == "waiting_for_pair"
    world.create(B, LATER, replaces=C)
    assert world.outcomes[-1] == "asked_about_removed"
    world.ask()
    world.pass_time()
    assert world.believed(C) is None


def test_the_pairing_of_a_booking_that_was_seen_again_since_is_void() -> None:
    world = World()
    world.source[B.digest] = LATER
    replacement = world.fetch(B, replaces=A)
    world.create(A, VISIT)
    world.hand(replacement)
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]
    assert world.asked == []
    assert world.believed(A) == VISIT


def test_what_was_replaced_twice_is_gone_since_the_second_time() -> None:
    world = World()
    world.create(A, VISIT, replaces=B)
    world.source[B.digest] = LATER
    late = world.fetch(B)
    world.create(A, VISIT, replaces=B)
    world.hand(late)
    assert world.outcomes[-1] == "stale"


def test_what_was_replaced_and_created_anew_before_the_replacement_was_fetched() -> None:
    world = World()
    received_at = world.now
    world.source[A.digest] = LATER
    again = world.fetch(A)
    world.source[B.digest] = VISIT
    world.hand(world.fetch(B, replaces=A, received_at=received_at))
    world.hand(again)
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


# --- in requests of their own ---


def test_removed_and_then_created(world: World) -> None:
    world.remove(A)
    world.pass_time(timedelta(seconds=5))
    world.create(B, LATER)
    assert world.outcomes[-1] == "waiting_for_pair"
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]
    assert told_as_rebooked(world)
    assert world.outcomes[-1] == "paired"


def test_removed_and_then_created_at_another_unit(world: World) -> None:
    world.remove(A)
    world.create(B, ELSEWHERE)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]
    assert "Tidigare: Ögonmottagningen Sjöstad" in world.newest.body_text


def test_created_and_then_removed(world: World) -> None:
    world.create(B, LATER)
    world.pass_time(timedelta(seconds=5))
    world.remove(A)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation", "changed_time"]
    assert told_as_rebooked(world)
    assert world.newest.booking == B.digest


def test_created_and_removed_with_nothing_else_new(world: World) -> None:
    world.remove(A)
    world.create(B, VISIT)
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]
    world.remove(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_the_calendar_entry_of_the_old_time_goes_when_both_were_told(world: World) -> None:
    world.create(B, LATER)
    world.remove(A)
    world.pass_time()
    uids = [message.calendar_uid for message in world.inbox.messages]
    calendar = world.newest.calendar or ""
    assert calendar.count("BEGIN:VEVENT") == 2
    kept, gone = calendar.split("END:VEVENT")[:2]
    assert f"UID:{uids[1]}" in kept
    assert "STATUS:CONFIRMED" in kept
    assert f"UID:{uids[0]}" in gone
    assert "STATUS:CANCELLED" in gone


def test_too_far_apart_is_no_pair(world: World) -> None:
    world.create(B, LATER)
    world.pass_time(WINDOW + timedelta(seconds=5))
    world.remove(A)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation", "cancellation"]


def test_the_distance_is_that_of_the_notifications_and_not_of_our_own_delays(world: World) -> None:
    world.source.pop(A.digest)
    removal = world.fetch(A, deleted=True, received_at=NOW)
    world.source[B.digest] = LATER
    creation = world.fetch(B, received_at=NOW + timedelta(minutes=40))
    world.hand(removal)
    world.hand(creation)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation", "cancellation"]


def test_two_removals_and_one_creation_are_no_pair(world: World) -> None:
    world.create(B, LATER)
    world.pass_time(timedelta(days=1))
    world.remove(A)
    world.remove(B)
    world.create(C, LATER_STILL)
    world.pass_time()
    assert sorted(world.kinds[2:]) == ["booking_confirmation", "cancellation", "cancellation"]


def test_a_second_removal_while_the_pair_waits_makes_it_unclear(world: World) -> None:
    world.create(B, LATER)
    world.pass_time(timedelta(days=1))
    world.remove(A)
    world.create(C, LATER_STILL)
    world.pass_time(timedelta(seconds=60))
    world.remove(B)
    world.pass_time()
    assert sorted(world.kinds[2:]) == ["booking_confirmation", "cancellation", "cancellation"]


def test_one_removal_and_two_creations_are_no_pair(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.create(C, LATER_STILL)
    world.pass_time()
    assert sorted(world.kinds[1:]) == [
        "booking_confirmation",
        "booking_confirmation",
        "cancellation",
    ]


def test_two_creations_and_then_a_removal_are_no_pair(world: World) -> None:
    world.create(B, LATER)
    world.create(C, LATER_STILL)
    world.remove(A)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation", "booking_confirmation", "cancellation"]


def test_the_removal_of_a_booking_never_told_may_be_the_other_half(world: World) -> None:
    world.remove(D)
    world.remove(A)
    world.create(B, LATER)
    world.pass_time()
    assert sorted(world.kinds[1:]) == ["booking_confirmation", "cancellation"]


def test_other_care_at_another_unit_is_another_errand(world: World) -> None:
    world.remove(A)
    world.create(B, but(ELSEWHERE, care_type_name="Fysioterapi"))
    world.pass_time()
    assert sorted(world.kinds[1:]) == ["booking_confirmation", "cancellation"]


def test_an_open_call_is_no_replacement(world: World) -> None:
    world.remove(A)
    world.create(B, OPEN_CALL)
    world.pass_time()
    assert world.kinds[1:] == ["open_call", "cancellation"]


def test_a_passed_visit_is_not_rebooked() -> None:
    world = World()
    world.create(A, SOON)
    world.pass_time(timedelta(minutes=2))
    world.remove(A)
    world.create(B, LATER)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_the_creation_on_hold_is_removed_again(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.remove(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]
    assert OLD_TIME in world.newest.body_text


def test_the_creation_on_hold_changes_meanwhile(world: World) -> None:
    world.remove(A)
    world.create(B, LATER_STILL)
    world.create(B, LATER)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]
    assert told_as_rebooked(world)


def test_the_removed_booking_is_back_while_the_creation_is_on_hold(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.create(A, VISIT)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_both_handed_out_twice_are_told_once(world: World) -> None:
    removal = world.remove(A)
    creation = world.create(B, LATER)
    world.hand(removal)
    world.hand(creation)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]


def test_a_creation_sent_again_after_the_removal_does_not_part_the_pair(world: World) -> None:
    removed_at = world.remove(A).received_at
    world.pass_time(WINDOW / 2)
    world.hear(A)
    assert world.outcomes[-1] == "gone_at_source"
    world.create(B, LATER)
    world.pass_time(removed_at + WINDOW + timedelta(seconds=5) - world.now)
    assert world.kinds == ["booking_confirmation", "changed_time"]


def test_the_removal_does_not_wait_for_ever_for_a_creation_that_was_lost(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.waiting = [entry for entry in world.waiting if entry[1].deleted]
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_two_rebookings_one_after_the_other(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.pass_time()
    world.remove(B)
    world.create(C, LATER_STILL)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time", "changed_time"]
