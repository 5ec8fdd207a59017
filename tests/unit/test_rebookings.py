"""Rebookings in one request: one message that names the old and the new time."""

from datetime import timedelta

import pytest

from shared.booking.messages import BookingDetails
from tests.unit.composer_world import (
    CALL,
    LATER,
    OPEN_CALL,
    OTHER_UNIT,
    PASSED,
    PATIENCE,
    SOON,
    VISIT,
    WINDOW,
    World,
    but,
    key,
)
from tests.unit.told_visits import (
    CANCELLED_AND_NEW,
    ELSEWHERE,
    LATER_STILL,
    OTHER_KIND,
    A,
    B,
    C,
    announced_as_rebooked,
    told_of_a,
)


@pytest.fixture
def world() -> World:
    return told_of_a()


def test_in_one_request(world: World) -> None:
    world.rebook(A, B, LATER)
    assert world.kinds[1:] == ["changed_time"]
    assert announced_as_rebooked(world)
    assert world.newest.booking == B.digest


def test_in_one_request_with_the_creation_fetched_first(world: World) -> None:
    world.source = {B.digest: LATER}
    removal, creation = world.take((A, True), (B, False))
    for message in (creation, removal):
        world.hand(world.fetch(message))
    assert world.kinds[1:] == []
    world.pass_time(timedelta(seconds=10))
    assert announced_as_rebooked(world)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_another_unit_alone_is_no_evidence(world: World) -> None:
    world.rebook(A, B, ELSEWHERE)
    moved = key("B", OTHER_UNIT)
    world = World()
    world.create(A, VISIT)
    world.rebook(A, moved, ELSEWHERE)
    world.pass_time()
    assert sorted(world.kinds[1:]) == CANCELLED_AND_NEW


def test_another_kind_of_visit_is_another_visit(world: World) -> None:
    world.rebook(A, B, OTHER_KIND)
    assert world.kinds[1:] == ["booking_confirmation"]
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation", "cancellation"]


@pytest.mark.parametrize(
    ("old", "new", "is_one_visit"),
    [
        pytest.param({}, {}, True, id="all equal"),
        pytest.param({"performer_name": "Bo"}, {}, True, id="another performer, same care"),
        pytest.param(
            {"care_type_name": "", "time_type_name": ""},
            {"care_type_name": "", "time_type_name": ""},
            True,
            id="the performer alone",
        ),
        pytest.param(
            {"care_type_name": "", "performer_name": "Bo"},
            {"care_type_name": ""},
            False,
            id="another performer and nothing else",
        ),
        pytest.param(
            {"care_type_name": "", "performer_name": ""},
            {"care_type_name": "", "performer_name": ""},
            False,
            id="nothing is known",
        ),
        pytest.param(
            {"care_type_name": "", "performer": "Läkare"},
            {"care_type_name": "", "performer": "Läkare", "performer_name": "Bo"},
            False,
            id="a profession in place of the performer's id",
        ),
        pytest.param(
            {"care_type_name": "", "performer": "SE2321000016-P1"},
            {"care_type_name": "", "performer": "SE2321000016-P1", "performer_name": "Bo"},
            True,
            id="the performer's id",
        ),
        pytest.param(
            {"time_type_name": "Nybesök"}, {"time_type_name": "Operation"}, False, id="time type"
        ),
        pytest.param(
            {"time_type_id": "1", "time_type_name": "Nybesök"},
            {"time_type_id": "1", "time_type_name": "Första besök"},
            True,
            id="time type's id",
        ),
        pytest.param(
            {"time_type_id": "1", "time_type_name": "Besök"},
            {"time_type_id": "2", "time_type_name": "besök "},
            True,
            id="time type's name",
        ),
        pytest.param({"time_type_id": "1"}, {"time_type_id": "2"}, False, id="time types' ids"),
        pytest.param({"care_type_id": "1"}, {"care_type_id": "2"}, True, id="care type's name"),
        pytest.param({"care_type_name": "Öra"}, {"care_type_name": "Öga"}, False, id="care type"),
        pytest.param({"time_type_id": "1"}, {}, True, id="one does not say its time type"),
    ],
)
@pytest.mark.parametrize("apart", [False, True], ids=["one request", "two requests"])
def test_evidence_is_the_unit_and_the_kind_of_visit(
    old: dict[str, str], new: dict[str, str], *, is_one_visit: bool, apart: bool
) -> None:
    world = World()
    world.create(A, but(VISIT, **old))
    world.pass_time(timedelta(days=1))
    if apart:
        world.remove(A)
        world.create(B, but(LATER, **new))
    else:
        world.rebook(A, B, but(LATER, **new))
    world.pass_time()
    assert sorted(world.kinds[1:]) == (["changed_time"] if is_one_visit else CANCELLED_AND_NEW)


def test_the_source_must_say_that_the_removed_one_is_gone(world: World) -> None:
    world.source[B.digest] = LATER
    world.notify((A, True), (B, False))
    world.pass_time(PATIENCE - timedelta(seconds=1))
    assert world.kinds[1:] == []
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation"]
    assert world.believed(A) == VISIT
    assert world.believed(B) == LATER


def test_it_may_say_so_late(world: World) -> None:
    world.source[B.digest] = LATER
    world.notify((A, True), (B, False))
    world.pass_time(timedelta(seconds=40))
    world.source.pop(A.digest)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_the_new_one_may_be_shown_late(world: World) -> None:
    world.source.pop(A.digest)
    world.notify((A, True), (B, False))
    world.pass_time(WINDOW + timedelta(seconds=10))
    assert world.kinds[1:] == []
    world.source[B.digest] = LATER
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_the_new_one_may_never_be_shown(world: World) -> None:
    world.source.pop(A.digest)
    world.notify((A, True), (B, False))
    world.pass_time(timedelta(minutes=10))
    assert world.kinds[1:] == ["cancellation"]


def test_what_replaces_a_booking_never_announced_is_new() -> None:
    world = World()
    world.rebook(A, B, LATER)
    assert world.kinds == ["booking_confirmation"]


def test_the_late_creation_of_what_was_replaced_says_nothing() -> None:
    world = World()
    world.source[A.digest] = VISIT
    creation = world.ask_about(A)
    world.rebook(A, B, LATER)
    world.hand(creation)
    world.pass_time()  # ingest may have taken the removal too early, so the source is asked again
    assert world.kinds == ["booking_confirmation"]
    assert world.outcomes[-1] == "gone_at_source"


def test_what_replaces_a_passed_time_is_new() -> None:
    world = World()
    world.create(A, SOON)
    world.pass_time(timedelta(minutes=2))
    world.rebook(A, B, LATER)
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_what_replaces_a_cancelled_booking_is_new(world: World) -> None:
    world.remove(A)
    world.pass_time()
    world.rebook(A, B, LATER)
    assert world.kinds[1:] == ["cancellation", "booking_confirmation"]


def test_an_open_call_replaced_by_a_booking_is_announced_as_such() -> None:
    world = World()
    world.create(A, OPEN_CALL)
    world.rebook(A, B, VISIT)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation"]
    assert "Din kallelse är nu en bokad tid" in world.newest.body_text


def test_a_timed_call_replaced_by_a_booking_names_both_times() -> None:
    world = World()
    world.create(A, CALL)
    world.rebook(A, B, LATER)
    assert announced_as_rebooked(world)
    assert "Kallelsen är nu en bokad tid" in world.newest.body_text


def test_a_new_id_alone_says_nothing_and_is_known_from_then_on(world: World) -> None:
    world.rebook(A, B, VISIT)
    assert world.outcomes[-1] == "carried_over"
    world.create(B, LATER)
    assert announced_as_rebooked(world)
    world.remove(A)
    world.remove(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time", "cancellation"]


@pytest.mark.parametrize(
    "told", [{"purpose": "Fasta."}, {"reason": "Ont"}, {"time_type_name": "Besök"}]
)
def test_a_new_id_with_fewer_texts_takes_nothing_back(told: dict[str, str]) -> None:
    world = World()
    world.create(A, but(VISIT, **told))
    world.pass_time()
    world.rebook(A, B, VISIT)
    world.hear(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]
    assert world.believed(B) == VISIT


def test_a_chain_of_rebookings_keeps_one_calendar_entry(world: World) -> None:
    world.rebook(A, B, LATER)
    world.rebook(B, C, LATER_STILL)
    world.remove(C)
    world.pass_time()
    messages = world.inbox.messages
    assert [message.revision for message in messages] == [1, 2, 3, 4]
    assert len({message.calendar_uid for message in messages}) == 1
    assert world.kinds[1:] == ["changed_time", "changed_time", "cancellation"]


def test_rebooked_and_back_again(world: World) -> None:
    world.rebook(A, B, LATER)
    world.rebook(B, A, VISIT)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time", "changed_time"]
    assert world.believed(A) == VISIT
    assert world.believed(B) is None


def test_the_removal_of_what_was_replaced_is_paired(world: World) -> None:
    world.rebook(A, B, LATER)
    world.remove(A)
    assert world.outcomes[-1] == "paired"


def test_what_was_replaced_and_is_there_again_is_new(world: World) -> None:
    world.rebook(A, B, LATER)
    world.create(A, VISIT)
    assert world.kinds[-1] == "booking_confirmation"
    world.remove(A)
    world.pass_time()
    assert world.kinds[-1] == "cancellation"


@pytest.mark.parametrize("replacement", [None, PASSED], ids=["gone", "in the past"])
def test_when_the_replacement_cannot_be_announced_the_booking_is_cancelled(
    world: World, replacement: BookingDetails | None
) -> None:
    world.source = {B.digest: PASSED} if replacement else {}
    world.notify((A, True), (B, False))
    world.pass_time(timedelta(minutes=10))
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_a_question_to_the_source_lost_in_a_crash_is_asked_again(world: World) -> None:
    world.source[B.digest] = LATER
    removal = world.ask_about(A, deleted=True)
    world.pass_time(timedelta(seconds=5))
    world.hand(removal)
    world.asked.clear()
    world.hand(removal)
    assert [change.booking for change in world.asked] == [A]


def test_the_pair_of_a_booking_that_was_created_again_since_is_void(world: World) -> None:
    world.source = {B.digest: LATER}
    messages = world.take((A, True), (B, False))
    world.source[A.digest] = VISIT
    again = world.ask_about(A)
    for each in (again, *map(world.fetch, messages)):
        world.hand(each)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation"]
    assert world.believed(A) == VISIT
