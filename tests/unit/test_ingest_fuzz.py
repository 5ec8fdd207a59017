"""Whatever arrives is taken as it stands, or refused in one of the declared ways."""

from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ingest.calls import NotificationRequest, OtherContract, Ping, read_call
from ingest.engagements import NoEngagements
from shared.base.clock import utcnow
from shared.base.ids import is_person_number
from shared.booking.messages import Engagement, Notification
from shared.booking.times import is_wall_time
from shared.riv.soap import NotSoap
from shared.riv.xml import MalformedXml
from tests.contract.schemas import assert_conforms
from tests.mutations import bend, spoil, tags
from tests.notifications import (
    HAND_WRITTEN,
    SAMPLE,
    USED,
    engagement,
    envelope,
    request,
    transaction,
)

pytestmark = pytest.mark.slow

CORPUS = [
    request(),
    request(3),
    request(0),
    HAND_WRITTEN,
    envelope(transaction(engagement(mostRecentContent=None), "true")),
    b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
]
#: What makes or breaks this very document.
PIECES = [
    *tags(HAND_WRITTEN, request()),
    *(value.encode() for value in SAMPLE.values()),
]
DECLARED = (MalformedXml, NotSoap, OtherContract, NoEngagements)


def judged(document: bytes) -> tuple[Engagement, ...] | None:
    """What is taken of `document`; None when all of it is refused, in a declared way."""
    try:
        call = read_call(document, encoding=None, max_bytes=100_000)
        return None if isinstance(call, Ping) else call.engagements().taken or None
    except DECLARED:
        return None


def assert_allowed(engagements: tuple[Engagement, ...]) -> None:
    for one in engagements:
        assert is_person_number(one.patient)
        assert not one.most_recent_content or is_wall_time(one.most_recent_content)
        for text, longest in (
            (one.service_domain, 255),
            (one.logical_address, 64),
            (one.booking_id, 128),
            (one.source_system, 64),
        ):
            assert 1 <= len(text) <= longest
            assert text == text.strip()


@settings(max_examples=400, deadline=1000)
@given(st.sampled_from(CORPUS), st.integers(0, 2**32), st.integers(1, 4))
def test_spoilt_requests_never_crash_and_nothing_forbidden_is_taken(
    document: bytes, seed: int, times: int
) -> None:
    assert_sound(judged(spoil(document, PIECES, seed, times)))


@settings(max_examples=500, deadline=1000)
@given(st.sampled_from(CORPUS[:5]), st.integers(0, 2**32), st.integers(0, 6))
def test_bent_requests_never_crash_and_nothing_forbidden_is_taken(
    document: bytes, seed: int, times: int
) -> None:
    assert_sound(judged(bend(document, seed, times)))


def assert_sound(engagements: tuple[Engagement, ...] | None) -> None:
    if engagements:
        assert_allowed(engagements)
        survives_the_queue(engagements)
        conforms(engagements)


def conforms(engagements: tuple[Engagement, ...]) -> None:
    """What was taken, written as the schemas want it, is what they allow: each key once."""
    distinct = {(one.booking.digest, one.service_domain): one for one in engagements}
    assert_conforms(envelope("".join(map(written, distinct.values()))), official=False)


def written(one: Engagement) -> str:
    values = {
        "registeredResidentIdentification": one.patient,
        "serviceDomain": SAMPLE["serviceDomain"],  # what a URI is, each validator sees in its way
        "categorization": SAMPLE["categorization"],
        "logicalAddress": one.logical_address,
        "businessObjectInstanceIdentifier": one.booking_id,
        "clinicalProcessInterestId": SAMPLE["clinicalProcessInterestId"],
        "mostRecentContent": one.most_recent_content,
        "sourceSystem": one.source_system,
        "dataController": SAMPLE["dataController"],
    }
    elements = {name: escape(text) for name, text in values.items() if text}
    return transaction(elements, "true" if one.deleted else "false")


def survives_the_queue(engagements: tuple[Engagement, ...]) -> None:
    sent = Notification(notification_id="n", received_at=utcnow(), engagements=engagements)
    assert Notification.decode(sent.encode()) == sent


@settings(max_examples=200, deadline=1000)
@given(st.binary(max_size=500))
def test_any_bytes_are_refused_in_a_declared_way(document: bytes) -> None:
    assert judged(document) is None


XML_TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"
    ),
    max_size=300,
)


@settings(max_examples=300, deadline=1000)
@given(st.dictionaries(st.sampled_from(list(SAMPLE)), XML_TEXT, max_size=4))
def test_any_values_are_kept_or_refused(values: dict[str, str]) -> None:
    escaped = {
        name: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for name, text in values.items()
    }
    taken = judged(envelope(transaction(engagement(**escaped))))
    blank = {name for name in values if name in USED and not values[name].strip()}
    if taken is None:
        return
    assert not blank
    assert_allowed(taken)
    if booking_id := values.get("businessObjectInstanceIdentifier"):
        assert taken[0].booking_id == booking_id.strip()


def neighbours(count: int) -> str:
    return "".join(
        transaction(engagement(businessObjectInstanceIdentifier=f"sound-{number}"))
        for number in range(count)
    )


def one_of(document: bytes) -> str:
    """The only `engagementTransaction` of a bent request, as it would stand among others."""
    found = etree.fromstring(document).find(".//{*}ProcessNotification/{*}engagementTransaction")
    return "" if found is None else etree.tostring(found, encoding="unicode", with_tail=False)


@settings(max_examples=400, deadline=1000)
@given(st.sampled_from([request(), HAND_WRITTEN]), st.integers(0, 2**32), st.integers(1, 6))
def test_however_one_engagement_is_bent_the_others_arrive(
    document: bytes, seed: int, times: int
) -> None:
    try:
        bent = one_of(bend(document, seed, times))
    except etree.XMLSyntaxError:  # bent into an encoding that this test does not read
        return
    call = read_call(
        envelope(neighbours(3) + bent + neighbours(6)), encoding=None, max_bytes=100_000
    )
    assert isinstance(call, NotificationRequest)
    judged = call.engagements()
    arrived = [one.booking_id for one in judged.taken if one.booking_id.startswith("sound-")]
    assert arrived == [f"sound-{number}" for number in (*range(3), *range(6))]
    assert_allowed(judged.taken)
    sent = Notification(
        notification_id="n",
        received_at=utcnow(),
        engagements=judged.taken,
        refused=tuple(one.kept for one in judged.refused),
    )
    assert Notification.decode(sent.encode()) == sent
