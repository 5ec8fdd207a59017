"""What the filter makes of engagements that ingest could not take."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from filter.handler import Filter, FilterDeadReason
from filter.metrics import SystemLabels, report_refused
from filter.refused import OddEngagement
from filter.rules import EngagementDropReason
from ingest.calls import NotificationRequest, read_call
from shared.base.errors import Unavailable
from shared.booking.identity import hsa_key
from shared.booking.messages import (
    BookingChange,
    FetchedBooking,
    Notification,
    RefusedEngagement,
)
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Publish
from shared.riv.engagements import Flaw
from tests.notifications import SAMPLE, engagement, envelope, transaction, transactions

TEN_DIGITS = "1212121212"
OURS = SAMPLE["sourceSystem"]
STRANGER = "SE-STRANGER"


def odd(source: str = OURS) -> str:
    return transaction(engagement(registeredResidentIdentification=TEN_DIGITS, sourceSystem=source))


def received(inner: str) -> Notification:
    """As ingest stores it."""
    call = read_call(envelope(inner), encoding=None, max_bytes=1_000_000)
    assert isinstance(call, NotificationRequest)
    judged = call.engagements()
    return Notification(
        notification_id="request",
        received_at=datetime(2026, 11, 25, tzinfo=UTC),
        engagements=judged.taken,
        refused=tuple(one.kept for one in judged.refused),
    )


class World:
    """The filter with one activated system, and what it counted."""

    def __init__(self, *, register_away: bool = False) -> None:
        self.dropped: list[tuple[str, int]] = []
        self.reported: list[tuple[str, str, Flaw, bool]] = []
        self._register_away = register_away
        self.handle = Filter(self, self._drop, self._report, lambda _changes: None)

    def find_all(self, hsa_ids: Iterable[str]) -> set[str]:
        if self._register_away:
            raise Unavailable("register_unavailable")
        return {hsa_key(OURS)} & set(map(hsa_key, hsa_ids))

    def _drop(
        self, _: Notification, reason: EngagementDropReason, systems: Mapping[str, int]
    ) -> None:
        self.dropped.append((reason, sum(systems.values())))

    def _report(self, verdicts: tuple[OddEngagement, ...], *, activated: bool, kept: bool) -> None:
        assert activated == kept or not verdicts[0].source_system
        self.reported += [(one.source_system, one.element, one.flaw, kept) for one in verdicts]

    def to_the_end(self, notification: Notification) -> tuple[list[str], list[Outcome]]:
        """The bookings that go on, and how everything else ended."""
        going_on: list[str] = []
        ended: list[Outcome] = []
        waiting = [notification]
        while waiting:
            outcome = self.handle(waiting.pop(0))
            if not isinstance(outcome, Publish):
                ended.append(outcome)
                continue
            for message in outcome.messages:
                if isinstance(message, Notification):
                    waiting.append(message)
                elif isinstance(message, BookingChange):
                    going_on.append(message.booking.booking_id)
                else:  # what the composer is told at once of each change
                    assert isinstance(message, FetchedBooking)
                    assert not message.asked
        return going_on, ended


def test_the_sound_go_on_at_once_and_the_odd_by_themselves() -> None:
    outcome = World().handle(received(transactions(3) + odd()))
    assert isinstance(outcome, Publish)
    *others, apart = outcome.messages
    changes = [one.identity for one in others if isinstance(one, BookingChange)]
    assert changes == ["request-a", "request-b", "request-c"]
    assert isinstance(apart, Notification)
    assert (apart.identity, apart.engagements, len(apart.refused)) == ("request.ra", (), 1)


def test_an_odd_one_of_an_activated_system_is_kept_with_its_reason() -> None:
    world = World()
    outcome = world.handle(received(odd()))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason == FilterDeadReason.ENGAGEMENT_REFUSED
    assert str(outcome.error) == (
        "engagement/registeredResidentIdentification is not a person number of 12 characters"
    )
    assert world.reported == [(OURS, "registeredResidentIdentification", Flaw.WRONG_FORM, True)]


def test_odd_ones_of_a_system_that_is_not_activated_are_counted_and_dropped() -> None:
    world = World()
    assert world.handle(received(odd(STRANGER) * 2)) == Drop(EngagementDropReason.NOT_ACTIVATED)
    assert world.dropped == [(EngagementDropReason.NOT_ACTIVATED, 2)]
    assert [(source, kept) for source, _, _, kept in world.reported] == [(STRANGER, False)] * 2


@pytest.mark.parametrize("source", ["", "191212121212", "a b"])
def test_one_whose_system_cannot_be_read_is_kept(source: str) -> None:
    world = World(register_away=True)  # it is not even asked
    assert isinstance(world.handle(received(odd(source))), DeadLetter)


def test_while_the_register_is_away_the_odd_wait_and_the_sound_ones_message_is_not_theirs() -> None:
    world = World(register_away=True)
    with pytest.raises(Unavailable):
        world.handle(received(odd()))
    split = world.handle(received(odd() + odd(STRANGER)))
    assert isinstance(split, Publish)  # separated without asking


def test_each_system_has_a_dead_letter_of_its_own_whatever_its_case() -> None:
    inner = odd() + odd(STRANGER) + odd("") + odd(OURS.lower()) + odd()
    going_on, ended = World().to_the_end(received(transactions(2) + inner))
    assert going_on == ["booking-1", "booking-2"]
    dead = [one for one in ended if isinstance(one, DeadLetter)]
    assert str(dead[0].error).endswith("; 3 engagements")
    assert (len(dead), len(ended)) == (2, 3)


def test_a_replayed_one_that_the_rules_take_now_goes_on() -> None:
    refused = received(odd()).refused[0]
    mended = refused.document.replace(TEN_DIGITS, "191212121212")
    replayed = received(odd()).model_copy(
        update={"refused": (refused.model_copy(update={"document": mended}), refused)}
    )
    going_on, ended = World().to_the_end(replayed)
    assert going_on == ["booking-1"]
    assert [type(one) for one in ended] == [DeadLetter]


def test_a_replayed_one_that_is_odd_still_is_dead_again_for_the_same_reason() -> None:
    world = World()
    first, second = world.handle(received(odd())), world.handle(received(odd()))
    assert str(first) == str(second)


@pytest.mark.parametrize("document", ["", "<a>", "<a/>", "x" * 100])
def test_what_was_not_kept_or_is_spoilt_is_kept_by_the_system_ingest_read(document: str) -> None:
    refused = RefusedEngagement(
        source_system=OURS, problem="engagement/x is odd", document=document
    )
    outcome = World().handle(received(odd()).model_copy(update={"refused": (refused,)}))
    assert isinstance(outcome, DeadLetter)
    assert str(outcome.error) == "engagement/x is odd"


@given(st.lists(st.sampled_from(["sound", OURS, STRANGER, ""]), min_size=1, max_size=12))
def test_every_engagement_ends_in_exactly_one_way(kinds: list[str]) -> None:
    inner = "".join(
        transaction(engagement(businessObjectInstanceIdentifier=f"b{number}"))
        if kind == "sound"
        else odd(kind)
        for number, kind in enumerate(kinds)
    )
    world = World()
    going_on, ended = world.to_the_end(received(inner))
    assert len(going_on) == kinds.count("sound")
    assert len(world.reported) == len(kinds) - kinds.count("sound")
    assert len(ended) == len(set(kinds) - {"sound"})
    kept = [source for source, _, _, kept in world.reported if kept]
    assert len(kept) == kinds.count(OURS) + kinds.count("")


def test_nothing_of_a_person_stands_in_what_people_read() -> None:
    outcome = World().handle(received(odd()))
    assert TEN_DIGITS not in repr(outcome)
    assert TEN_DIGITS not in repr(received(odd()))


def test_labels_are_so_few_that_no_sender_fills_the_memory() -> None:
    labels = SystemLabels(most_strangers=2)
    named = [labels.label(f"se-{number}", activated=False) for number in (1, 2, 3, 1)]
    assert named == ["SE-1", "SE-2", "other", "SE-1"]
    assert labels.label("se-9", activated=True) == "SE-9"
    assert labels.label("", activated=False) == "unreadable"
    assert labels.label("191212121212", activated=True) == "[person]"


def test_the_counter_names_the_system_and_what_is_wrong() -> None:
    labels = {"source": "SE-COUNTED", "element": "sourceSystem", "flaw": "empty", "kept": "yes"}
    name = "budkavle_filter_engagements_refused_total"
    verdict = OddEngagement(
        "se-counted", "sourceSystem", Flaw.EMPTY, RefusedEngagement(problem="x")
    )
    report_refused((verdict, verdict), activated=True, kept=True)
    assert REGISTRY.get_sample_value(name, labels) == 2
