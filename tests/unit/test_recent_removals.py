"""A creation takes along which removals ingest took before it: a broker may hold one back."""

from datetime import UTC, datetime, timedelta
from itertools import count

from ingest.calls import Call
from ingest.handler import NotificationHandler, Taken, Unstored
from ingest.recent_removals import RecentRemovals
from shared.booking.messages import EarlierRemoval, Engagement, Notification
from tests.notifications import engagement as elements
from tests.notifications import envelope, transaction
from tests.unit.test_filter import ANDRA, engagement, removal

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def remembering(*engagements: Engagement, at: datetime = NOW) -> RecentRemovals:
    recent = RecentRemovals()
    recent.remember(engagements, "request-1", at)
    return recent


def related(
    recent: RecentRemovals, *engagements: Engagement, at: datetime = NOW
) -> tuple[EarlierRemoval, ...]:
    return recent.related_to(engagements, at)


def ids(found: tuple[EarlierRemoval, ...]) -> list[str]:
    return [removal.booking.booking_id for removal in found]


def test_a_removal_goes_along_with_what_the_same_patient_is_booked_next() -> None:
    recent = remembering(removal("old"))
    (found,) = related(recent, engagement("new", source_system=" se-source"))
    assert found == EarlierRemoval(
        booking=removal("old").booking, received_at=NOW, notification_id="request-1"
    )
    assert related(recent, engagement("new", patient=ANDRA)) == ()
    assert related(recent, engagement("new", source_system="SE-OTHER")) == ()


def test_a_removal_under_another_person_number_goes_along_with_the_same_id() -> None:
    recent = remembering(removal("same", patient=ANDRA))
    assert ids(related(recent, engagement("same"))) == ["same"]


def test_a_removal_takes_none_along_and_nor_does_what_names_it_itself() -> None:
    recent = remembering(removal("old"))
    assert related(recent, removal("other")) == ()
    assert related(recent, engagement("new"), removal("old")) == ()
    assert related(recent, engagement("old")) == ()


def test_what_its_own_request_creates_was_not_removed() -> None:
    corrected = remembering(removal("same"), engagement("same"))
    assert related(corrected, engagement("new")) == ()
    renumbered = remembering(removal("same"), engagement("same", patient=ANDRA))
    assert related(renumbered, engagement("new")) == ()


def test_other_service_domains_are_left_alone() -> None:
    other = {"service_domain": "riv:clinicalprocess:logistics"}
    assert related(remembering(removal("old", **other)), engagement("new")) == ()
    assert related(remembering(removal("old")), engagement("new", **other)) == ()


def test_it_forgets_after_two_minutes() -> None:
    recent = remembering(removal("old"))
    recent.remember([removal("late")], "request-2", NOW + timedelta(seconds=119))
    assert ids(related(recent, engagement("new"))) == ["old", "late"]
    recent.remember([removal("later")], "request-3", NOW + timedelta(seconds=121))
    later = related(recent, engagement("new"), at=NOW + timedelta(seconds=121))
    assert ids(later) == ["late", "later"]


def test_it_forgets_though_nothing_came_meanwhile() -> None:
    recent = remembering(removal("old"))
    assert ids(related(recent, engagement("new"), at=NOW + timedelta(seconds=120))) == ["old"]
    assert related(recent, engagement("new"), at=NOW + timedelta(seconds=121)) == ()


def test_of_a_clean_up_the_last_twenty_go_along_and_nothing_is_left_in_memory() -> None:
    recent = remembering(*(removal(f"b{number}") for number in range(500)))
    assert ids(related(recent, engagement("new"))) == [f"b{n}" for n in range(480, 500)]
    assert related(recent, engagement("new"), at=NOW + timedelta(minutes=3)) == ()
    assert not recent._in_order
    assert not recent._related


def test_of_very_many_the_latest_are_remembered() -> None:
    recent = RecentRemovals()
    for number in range(20_010):
        recent.remember([removal(f"b{number}", patient=_numbered(number))], "request-1", NOW)
    assert len(recent._in_order) <= 20_000
    assert related(recent, engagement("new", patient=_numbered(0))) == ()
    assert ids(related(recent, engagement("new", patient=_numbered(20_000)))) == ["b20000"]


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
