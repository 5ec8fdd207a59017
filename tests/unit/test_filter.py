"""What the filter keeps of a request, what it pairs, and what it says of the rest."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from filter.handler import Filter
from filter.metrics import report_dropped
from filter.rules import EngagementDropReason
from shared.base.errors import Unavailable
from shared.base.ids import spell
from shared.booking.identity import hsa_key, service_domain
from shared.booking.inbox import PendingChange
from shared.booking.messages import BookingChange, EarlierRemoval, Engagement, Notification
from shared.relay.outcomes import Drop, Publish

TOLVAN = "191212121212"
ANDRA = "201212121212"
RECEIVED = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def engagement(booking_id: str = "b1", **changes: Any) -> Engagement:
    values: dict[str, Any] = {
        "deleted": False,
        "patient": TOLVAN,
        "service_domain": "riv:crm:scheduling",
        "categorization": "NA",
        "logical_address": "SE-UNIT",
        "booking_id": booking_id,
        "clinical_process_interest_id": "NA",
        "source_system": "SE-SOURCE",
        "data_controller": "5560000000",
        "most_recent_content": "20261203090000",
    }
    return Engagement(**{**values, **changes})


def removal(booking_id: str = "b1", **changes: Any) -> Engagement:
    return engagement(booking_id, deleted=True, most_recent_content="", **changes)


def notification(*engagements: Engagement) -> Notification:
    return Notification(
        notification_id="abcdefghijklmnopqrst",
        correlation_id="correlation",
        received_at=RECEIVED,
        engagements=engagements,
    )


class FakeRegister:
    def __init__(self, *active: str) -> None:
        self._active = {hsa_key(hsa_id) for hsa_id in active}
        self.questions = 0

    def find_all(self, hsa_ids: Iterable[str]) -> set[str]:
        self.questions += 1
        return self._active & set(map(hsa_key, hsa_ids))


def no_report(
    _notification: Notification, _reason: EngagementDropReason, _systems: Mapping[str, int]
) -> None:
    """For tests of something else."""


def no_refusals(_odd: object, *, activated: bool, kept: bool) -> None:
    """There is nothing odd."""


def store_nothing(_changes: Iterable[PendingChange]) -> None:
    """Where nobody looks at it."""


class Filtered:
    """The filter with two activated systems, and all that it did with one request."""

    def __init__(self, *engagements: Engagement) -> None:
        self.dropped: Counter[str] = Counter()
        self.systems: Counter[str] = Counter()
        self.pending: list[PendingChange] = []
        register = FakeRegister("SE-SOURCE", "SE-OTHER")
        handle = Filter(register, self._report, no_refusals, self.pending.extend)
        self.outcome = handle(notification(*engagements))

    @property
    def changes(self) -> list[BookingChange]:
        assert isinstance(self.outcome, Publish)
        return [change for change in self.outcome.messages if isinstance(change, BookingChange)]

    @property
    def bookings(self) -> list[tuple[str, bool]]:
        return [(change.booking.booking_id, change.deleted) for change in self.changes]

    def _report(
        self, reported: Notification, reason: EngagementDropReason, systems: Mapping[str, int]
    ) -> None:
        assert reported.notification_id == "abcdefghijklmnopqrst"
        self.dropped[reason] += sum(systems.values())
        self.systems.update(systems)


def test_one_engagement_of_ours_becomes_one_change() -> None:
    (change,) = Filtered(engagement()).changes
    assert change == BookingChange(
        notification_id="abcdefghijklmnopqrst",
        correlation_id="correlation",
        received_at=RECEIVED,
        change_id="abcdefghijklmnopqrst-a",
        booking=engagement().booking,
        deleted=False,
        service_domain="riv:crm:scheduling",
        most_recent_content="20261203090000",
    )


@pytest.mark.parametrize(
    "domain",
    [
        "riv:crm:scheduling",
        "urn:riv:crm:scheduling",
        "URN:riv:CRM:scheduling",
        " riv:crm:scheduling ",
    ],
)
def test_the_domain_is_ours_however_it_is_written(domain: str) -> None:
    (change,) = Filtered(engagement(service_domain=domain)).changes
    assert change.service_domain == "riv:crm:scheduling"


@pytest.mark.parametrize(
    "domain",
    [
        "riv:clinicalprocess:healthcond:description",
        "riv:crm:scheduling:extra",
        "riv:supportprocess:logistics:scheduling",
        "",
    ],
)
def test_other_domains_are_not_ours(domain: str) -> None:
    filtered = Filtered(engagement(service_domain=domain))
    assert filtered.outcome == Drop(EngagementDropReason.OTHER_DOMAIN)
    assert filtered.dropped == {EngagementDropReason.OTHER_DOMAIN: 1}


@pytest.mark.parametrize("categorization", ["NA", "Booking", "Invitation", "na", "Something new"])
def test_the_categorization_decides_nothing(categorization: str) -> None:
    assert Filtered(engagement(categorization=categorization)).bookings == [("b1", False)]


@pytest.mark.parametrize("source", ["SE-SOURCE", "se-source", " Se-Source"])
def test_an_activated_system_is_recognised_in_any_case(source: str) -> None:
    assert Filtered(engagement(source_system=source)).bookings == [("b1", False)]


def test_a_system_that_is_not_activated_is_ignored() -> None:
    filtered = Filtered(engagement(source_system="SE-STRANGER"))
    assert filtered.outcome == Drop(EngagementDropReason.NOT_ACTIVATED)
    assert filtered.dropped == {EngagementDropReason.NOT_ACTIVATED: 1}
    assert filtered.systems == {"SE-STRANGER": 1}


def test_a_batch_asks_the_register_once_and_answers_for_each() -> None:
    register = FakeRegister("SE-SOURCE")
    strangers = [notification(engagement(source_system=f"SE-{number}")) for number in range(19)]
    handler = Filter(register, no_report, no_refusals, store_nothing)
    *dropped, published = handler.handle_batch([*strangers, notification(engagement())])
    assert dropped == [Drop(EngagementDropReason.NOT_ACTIVATED)] * 19
    assert published == handler(notification(engagement()))
    assert register.questions == 2


def test_the_register_is_not_asked_about_other_domains() -> None:
    class Asked(FakeRegister):
        def find_all(self, hsa_ids: Iterable[str]) -> set[str]:
            assert set(hsa_ids) == {"SE-SOURCE"}
            return super().find_all(hsa_ids)

    foreign = engagement(service_domain="riv:other", source_system="SE-STRANGER")
    handle = Filter(Asked(), no_report, no_refusals, store_nothing)
    assert handle(notification(foreign, engagement())) == Drop(EngagementDropReason.NOTHING_OURS)


def test_of_a_mixed_request_the_rest_goes_on_and_every_drop_is_counted() -> None:
    filtered = Filtered(
        engagement("foreign", service_domain="riv:other"),
        engagement("ours"),
        engagement("silent", source_system="SE-STRANGER"),
        engagement("silent too", source_system="SE-STRANGER"),
    )
    assert filtered.bookings == [("ours", False)]
    assert filtered.dropped == {
        EngagementDropReason.OTHER_DOMAIN: 1,
        EngagementDropReason.NOT_ACTIVATED: 2,
    }


def test_a_request_dropped_for_several_reasons_says_so() -> None:
    filtered = Filtered(engagement(service_domain="riv:other"), engagement(source_system="SE-X"))
    assert filtered.outcome == Drop(EngagementDropReason.NOTHING_OURS)


def test_while_the_register_cannot_be_read_the_notification_waits() -> None:
    class Away:
        def find_all(self, hsa_ids: Iterable[str]) -> set[str]:
            raise Unavailable("register_unavailable")

    handle = Filter(Away(), no_report, no_refusals, store_nothing)
    with pytest.raises(Unavailable):
        handle(notification(engagement()))


def members(change: BookingChange) -> list[tuple[str, bool]]:
    return [(member.booking.booking_id, member.deleted) for member in change.same_request]


def test_a_rebooking_is_a_removal_and_a_creation_that_know_of_each_other() -> None:
    elsewhere = engagement("new", logical_address="SE-ELSEWHERE")
    removed, created = Filtered(elsewhere, removal("old")).changes
    assert (removed.booking.booking_id, members(removed)) == ("old", [("new", False)])
    assert (created.booking, members(created)) == (elsewhere.booking, [("old", True)])


def test_what_is_passed_on_is_stored_where_the_composer_finds_it() -> None:
    filtered = Filtered(engagement("new"), removal("old"))
    removed, created = filtered.changes
    assert [change.is_removal for change in filtered.pending] == [True, False]
    for pending, change in zip(filtered.pending, (removed, created), strict=True):
        assert pending.booking == change.booking.digest
        assert pending.patient_bookings == change.booking.patient_bookings
        assert pending.same_id == change.booking.same_id
        assert pending.received_at == change.received_at
        assert pending.notification_id == change.notification_id


def test_a_batch_is_stored_at_once() -> None:
    stored: list[list[PendingChange]] = []
    register = FakeRegister("SE-SOURCE")
    handler = Filter(register, no_report, no_refusals, lambda new: stored.append([*new]))
    handler.handle_batch([notification(engagement("a")), notification(engagement("b"))])
    assert [len(several) for several in stored] == [2]


def test_nothing_is_stored_of_a_correction() -> None:
    assert Filtered(engagement("same"), removal("same")).pending == []


def earlier(booking_id: str, **changes: Any) -> EarlierRemoval:
    return EarlierRemoval(
        booking=removal(booking_id, **changes).booking,
        received_at=RECEIVED - timedelta(seconds=30),
        notification_id="request-before",
    )


def test_what_an_earlier_request_removed_is_pending_though_the_broker_still_holds_it() -> None:
    """Or its patient is told of a booking, and later that another one was cancelled for it."""
    pending: list[PendingChange] = []
    handle = Filter(FakeRegister("SE-SOURCE"), no_report, no_refusals, pending.extend)
    both = (earlier("old"), earlier("foreign", source_system="SE-OTHER"))
    handle(notification(engagement("new")).model_copy(update={"removed_before": both}))
    assert [(each.booking, each.is_removal) for each in pending] == [
        (engagement("new").booking.digest, False),
        (removal("old").booking.digest, True),
    ]
    assert pending[1].received_at == RECEIVED - timedelta(seconds=30)
    assert pending[1].notification_id == "request-before"
    assert pending[1].unit == "SE-UNIT"


def test_nothing_is_stored_of_the_removal_of_a_booking_under_its_old_number() -> None:
    filtered = Filtered(engagement("same", patient=ANDRA), removal("same"))
    assert len(filtered.changes) == 2
    assert [change.is_removal for change in filtered.pending] == [False]


def test_what_is_dropped_stores_nothing() -> None:
    def refuse(_changes: object) -> None:
        raise AssertionError

    handle = Filter(FakeRegister(), no_report, no_refusals, refuse)
    assert isinstance(handle(notification(engagement())), Drop)


def test_while_nothing_can_be_stored_the_notification_waits() -> None:
    def away(_changes: object) -> None:
        raise Unavailable("database_unavailable")

    handle = Filter(FakeRegister("SE-SOURCE"), no_report, no_refusals, away)
    with pytest.raises(Unavailable):
        handle(notification(engagement()))


NOTHING_TOGETHER = {
    "two removals": [removal("a"), removal("b")],
    "two creations": [engagement("b"), engagement("c")],
    "two patients": [removal("a"), engagement("b", patient=ANDRA)],
    "two systems": [removal("a"), engagement("b", source_system="SE-OTHER")],
    "a creation that is not ours": [removal("a"), engagement("b", service_domain="riv:other")],
}


@pytest.mark.parametrize("engagements", NOTHING_TOGETHER.values(), ids=NOTHING_TOGETHER.keys())
def test_what_cannot_belong_together_does_not_know_of_each_other(
    engagements: list[Engagement],
) -> None:
    assert [members(change) for change in Filtered(*engagements).changes] in ([[], []], [[]])


def test_all_that_may_belong_together_does() -> None:
    removed, first, second = Filtered(engagement("b"), removal("a"), engagement("c")).changes
    assert members(removed) == [("b", False), ("c", False)]
    assert members(first) == [("a", True), ("c", False)]
    assert members(second) == [("b", False), ("a", True)]


def test_of_very_many_only_those_with_the_same_id_know_of_each_other() -> None:
    moved = [engagement(f"b{number}", logical_address="SE-NEW") for number in range(300)]
    changes = Filtered(*(removal(f"b{number}") for number in range(300)), *moved).changes
    assert {len(change.same_request) for change in changes} == {1}
    assert members(changes[7]) == [("b7", False)]
    assert members(changes[307]) == [("b7", True)]


def test_those_of_several_patients_are_each_their_own() -> None:
    changes = Filtered(
        removal("a1"),
        removal("b1", patient=ANDRA),
        engagement("b2", patient=ANDRA),
        engagement("a2"),
    ).changes
    assert [(change.booking.booking_id, members(change)) for change in changes] == [
        ("a1", [("a2", False)]),
        ("b1", [("b2", False)]),
        ("b2", [("b1", True)]),
        ("a2", [("a1", True)]),
    ]


def test_they_belong_together_whatever_the_case_of_the_hsa_id_and_of_a_reserve_number() -> None:
    old = removal("old", source_system="se-source", patient="19121212t212")
    removed, created = Filtered(old, engagement("new", patient="19121212T212")).changes
    assert members(removed) == [("new", False)]
    assert members(created) == [("old", True)]


def test_a_booking_under_a_new_person_number_says_which() -> None:
    removed, created = Filtered(engagement(patient=ANDRA), removal()).changes
    assert (removed.booking.patient, removed.renumbered) == (TOLVAN, ANDRA)
    assert (created.booking.patient, created.renumbered) == (ANDRA, TOLVAN)


@pytest.mark.parametrize(
    "other",
    [
        engagement("b2", patient=ANDRA),
        engagement(patient=ANDRA, logical_address="SE-ELSEWHERE"),
        engagement(patient=ANDRA, source_system="SE-OTHER"),
        removal(patient=ANDRA),
    ],
    ids=["another id", "another unit", "another system", "removed too"],
)
def test_anything_less_is_no_new_person_number(other: Engagement) -> None:
    assert {change.renumbered for change in Filtered(removal(), other).changes} == {None}


@pytest.mark.parametrize("attribute", ["categorization", "data_controller", "owner"])
@pytest.mark.parametrize("removed_first", [True, False])
def test_a_correction_of_attributes_is_no_removal(attribute: str, removed_first: bool) -> None:
    both = [removal(**{attribute: "Booking"}), engagement(logical_address="se-unit")]
    filtered = Filtered(*(both if removed_first else reversed(both)))
    assert filtered.bookings == [("b1", False)]
    assert filtered.changes[0].corrected
    assert filtered.dropped == {EngagementDropReason.CORRECTED: 1}


def test_a_corrected_booking_belongs_to_nothing_else_in_the_request() -> None:
    changes = Filtered(
        removal("same", categorization="Booking"),
        engagement("same"),
        removal("old"),
        engagement("new"),
    ).changes
    assert [(change.booking.booking_id, members(change)) for change in changes] == [
        ("old", [("new", False)]),
        ("same", []),
        ("new", [("old", True)]),
    ]


def test_a_booking_that_stands_twice_is_asked_for_once_with_the_latest_word() -> None:
    later = engagement(owner="another", most_recent_content="20261204090000")
    filtered = Filtered(engagement(), later)
    (change,) = filtered.changes
    assert change.most_recent_content == "20261204090000"
    assert filtered.dropped == {EngagementDropReason.REPEATED: 1}


def test_ids_do_not_depend_on_what_the_register_says_of_the_others() -> None:
    request = [engagement("x", source_system="SE-STRANGER"), engagement("y")]
    before = Filtered(*request).changes
    knows_all = Filter(
        FakeRegister("SE-STRANGER", "SE-SOURCE"), no_report, no_refusals, store_nothing
    )
    after = knows_all(notification(*request))
    assert isinstance(after, Publish)
    assert before[0] in after.messages


def test_the_most_a_request_may_hold() -> None:
    changes = Filtered(*(engagement(f"b{number}") for number in range(1000))).changes
    assert len({change.change_id for change in changes}) == 1000
    assert all(change.change_id.replace("-", "").isalpha() for change in changes)
    assert max(len(change.change_id) for change in changes) <= 50


@pytest.mark.parametrize(("number", "word"), [(0, "a"), (25, "z"), (26, "ba"), (999, "bml")])
def test_numbers_are_spelled_in_letters(number: int, word: str) -> None:
    assert spell(number) == word


def test_a_domain_is_compared_bare() -> None:
    assert service_domain(" URN:Riv:crm:Scheduling") == "riv:crm:scheduling"


NAMED = ("budkavle_filter_not_activated_total", {"source": "SE-NAMED"})
SOURCES = st.sampled_from(["SE-SOURCE", "se-source", "SE-OTHER", "SE-STRANGER"])
ENGAGEMENTS = st.builds(
    engagement,
    st.sampled_from(["b1", "b2", "b3"]),
    deleted=st.booleans(),
    patient=st.sampled_from([TOLVAN, ANDRA]),
    source_system=SOURCES,
    service_domain=st.sampled_from(["riv:crm:scheduling", "riv:other"]),
)


@given(st.lists(ENGAGEMENTS, min_size=1, max_size=12))
def test_nothing_of_ours_is_lost_and_nothing_foreign_goes_on(engagements: list[Engagement]) -> None:
    filtered = Filtered(*engagements)
    ours = {
        one.booking.digest
        for one in engagements
        if one.service_domain == "riv:crm:scheduling" and one.source_system != "SE-STRANGER"
    }
    changes = filtered.changes if isinstance(filtered.outcome, Publish) else []
    told = [change.booking.digest for change in changes]
    assert sorted(told) == sorted(ours)
    assert len(told) + filtered.dropped.total() == len(engagements)


@given(st.lists(ENGAGEMENTS, min_size=1, max_size=12))
def test_a_booking_that_was_created_at_all_is_never_told_as_removed(
    engagements: list[Engagement],
) -> None:
    created = {
        one.booking.digest
        for one in engagements
        if not one.deleted and one.service_domain == "riv:crm:scheduling"
    }
    filtered = Filtered(*engagements)
    changes = filtered.changes if isinstance(filtered.outcome, Publish) else []
    for change in changes:
        assert not (change.deleted and change.booking.digest in created)


def test_a_drop_names_its_systems_in_one_line_and_in_a_metric() -> None:
    before = REGISTRY.get_sample_value(*NAMED) or 0
    with capture_logs() as lines:
        report_dropped(
            notification(engagement()),
            EngagementDropReason.NOT_ACTIVATED,
            {"SE-NAMED": 2, **{f"SE-{number}": 1 for number in range(30)}},
        )
    [line] = lines
    assert line["event"] == "engagements_dropped"
    assert (line["reason"], line["number"]) == ("not_activated", 32)
    assert line["notification_id"] == "abcdefghijklmnopqrst"
    assert line["sources"].split() == ["SE-NAMED", *(f"SE-{number}" for number in range(19))]
    assert REGISTRY.get_sample_value(*NAMED) == before + 2
