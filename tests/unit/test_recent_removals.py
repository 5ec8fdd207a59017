"""A creation takes along which removals ingest took before it: a broker may hold one back."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from ingest.calls import Call
from ingest.handler import NotificationHandler, Taken, Unstored
from ingest.recent_removals import RecentRemovals
from shared.booking.messages import EarlierRemoval, Engagement, Notification
from tests.notifications import engagement as elements
from tests.notifications import envelope, transaction

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOLVAN = "191212121212"
ANDRA = "201212121212"


def engagement(booking_id: str, **changes: Any) -> Engagement:
    values: dict[str, Any] = {
        "deleted": False,
        "patient": TOLVAN,
        "service_domain": "riv:crm:scheduling",
        "logical_address": "SE-UNIT",
        "booking_id": booking_id,
        "source_system": "SE-SOURCE",
    }
    return Engagement(**{**values, **changes})


def removal(booking_id: str, **changes: Any) -> Engagement:
    return engagement(booking_id, deleted=True, **changes)


def remembering(*engagements: Engagement, at: datetime = NOW) -> RecentRemovals:
    recent = RecentRemovals()
    recent.remember(engagements, "request-1", at)
    return recent


def ids(found: tuple[EarlierRemoval, ...]) -> list[str]:
    return [removal.booking.booking_id for removal in found]


def test_a_removal_goes_along_with_what_the_same_patient_is_booked_next() -> None:
    recent = remembering(removal("old"))
    (found,) = recent.related_to([engagement("new", source_system=" se-source")])
    assert found == EarlierRemoval(
        booking=removal("old").booking, received_at=NOW, notification_id="request-1"
    )
    assert recent.related_to([engagement("new", patient=ANDRA)]) == ()
    assert recent.related_to([engagement("new", source_system="SE-OTHER")]) == ()


def test_a_removal_under_another_person_number_goes_along_with_the_same_id() -> None:
    recent = remembering(removal("same", patient=ANDRA))
    assert ids(recent.related_to([engagement("same")])) == ["same"]


def test_a_removal_takes_none_along_and_nor_does_what_names_it_itself() -> None:
    recent = remembering(removal("old"))
    assert recent.related_to([removal("other")]) == ()
    assert recent.related_to([engagement("new"), removal("old")]) == ()
    assert recent.related_to([engagement("old")]) == ()


def test_what_its_own_request_creates_was_not_removed() -> None:
    corrected = remembering(removal("same"), engagement("same"))
    assert corrected.related_to([engagement("new")]) == ()
    renumbered = remembering(removal("same"), engagement("same", patient=ANDRA))
    assert renumbered.related_to([engagement("new")]) == ()


def test_other_service_domains_are_left_alone() -> None:
    other = {"service_domain": "riv:clinicalprocess:logistics"}
    assert remembering(removal("old", **other)).related_to([engagement("new")]) == ()
    assert remembering(removal("old")).related_to([engagement("new", **other)]) == ()


def test_it_forgets_after_two_minutes() -> None:
    recent = remembering(removal("old"))
    recent.remember([removal("late")], "request-2", NOW + timedelta(seconds=119))
    assert ids(recent.related_to([engagement("new")])) == ["old", "late"]
    recent.remember([removal("later")], "request-3", NOW + timedelta(seconds=121))
    assert ids(recent.related_to([engagement("new")])) == ["late", "later"]


def test_of_a_clean_up_the_last_twenty_go_along_and_nothing_is_left_in_memory() -> None:
    recent = remembering(*(removal(f"b{number}") for number in range(500)))
    assert ids(recent.related_to([engagement("new")])) == [f"b{n}" for n in range(480, 500)]
    recent.remember([], "request-2", NOW + timedelta(minutes=3))
    assert recent.related_to([engagement("new")]) == ()
    assert not recent._in_order
    assert not recent._related


def test_of_very_many_the_latest_are_remembered() -> None:
    recent = RecentRemovals()
    for number in range(20_010):
        recent.remember([removal(f"b{number}", patient=_numbered(number))], "request-1", NOW)
    assert len(recent._in_order) <= 20_001
    assert recent.related_to([engagement("new", patient=_numbered(0))]) == ()
    assert ids(recent.related_to([engagement("new", patient=_numbered(20_000))])) == ["b20000"]


def _numbered(number: int) -> str:
    return f"1912121{number:05}"


def test_the_gateway_sends_it_along() -> None:
    stored: list[Notification] = []
    names = map("request-{}".format, count(1))
    handle = NotificationHandler(
        stored.append,
        logical_address="",
        max_body_bytes=1_000_000,
        clock=lambda: NOW,
        name=lambda: next(names),
    )
    for booking_id, delete_flag in (("old", "true"), ("new", "false")):
        one = transaction(elements(businessObjectInstanceIdentifier=booking_id), delete_flag)
        assert isinstance(handle(Call(envelope(one))), Taken)
    first, second = stored
    assert first.removed_before == ()
    [removed] = second.removed_before
    assert (removed.booking, removed.notification_id) == (first.engagements[0].booking, "request-1")
    assert Notification.decode(second.encode()) == second


def test_it_goes_along_where_the_removal_could_not_be_stored_at_once() -> None:
    """It is held, or spooled: then it comes after what is created now."""
    handle = NotificationHandler(
        lambda _notification: None,
        logical_address="",
        max_body_bytes=1_000_000,
        clock=lambda: NOW,
        name=lambda: "request",
    )
    old = transaction(elements(businessObjectInstanceIdentifier="old"), "true")
    new = transaction(elements(businessObjectInstanceIdentifier="new"))
    assert isinstance(handle.read(Call(envelope(old))), Unstored)
    created = handle.read(Call(envelope(new)))
    assert isinstance(created, Unstored)
    assert ids(created.notification.removed_before) == ["old"]
