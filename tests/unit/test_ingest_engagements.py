"""ProcessNotification is read as it was meant, or refused with the element at fault named."""

import pytest
from lxml import etree

from ingest.calls import NotificationRequest, read_call
from ingest.engagements import TooMany, Unacceptable
from shared.booking.messages import Engagement
from tests.notifications import (
    HAND_WRITTEN,
    MANDATORY,
    SAMPLE,
    engagement,
    envelope,
    request,
    transaction,
)


def read(document: bytes) -> tuple[Engagement, ...]:
    call = read_call(document, encoding=None, max_bytes=5_000_000)
    assert isinstance(call, NotificationRequest)
    return call.engagements()


def refusal_of(document: bytes) -> str:
    with pytest.raises(Unacceptable) as caught:
        read(document)
    return str(caught.value)


def test_every_element_lands_in_its_field() -> None:
    values = {name: name[:12] for name in SAMPLE}
    values |= {"registeredResidentIdentification": "201212121212"}
    values |= {"mostRecentContent": "20271203090000"}
    (only,) = read(envelope(transaction(values)))
    assert only == Engagement(
        deleted=False,
        patient="201212121212",
        service_domain="serviceDomai",
        categorization="categorizati",
        logical_address="logicalAddre",
        booking_id="businessObje",
        clinical_process_interest_id="clinicalProc",
        source_system="sourceSystem",
        data_controller="dataControll",
        owner="owner",
        most_recent_content="20271203090000",
    )


def test_form_does_not_matter() -> None:
    (only,) = read(HAND_WRITTEN)
    (plain,) = read(
        envelope(
            transaction(
                engagement(mostRecentContent=None, sourceSystem="se2321000016-1hz3"), "true"
            )
        )
    )
    assert only == plain


def test_a_thousand_are_taken_in_their_order() -> None:
    taken = read(request(1000))
    assert [one.booking_id for one in taken] == [f"booking-{n}" for n in range(1, 1001)]


def test_a_thousand_and_one_are_refused() -> None:
    with pytest.raises(TooMany, match="engagementTransaction stands 1001 times, at most 1000"):
        read(request(1001))


def test_none_are_refused() -> None:
    assert refusal_of(request(0)) == "engagementTransaction is missing"


@pytest.mark.parametrize("name", MANDATORY)
def test_a_mandatory_element_that_is_missing_is_named_with_its_place(name: str) -> None:
    right, wrong = (
        transaction(engagement(businessObjectInstanceIdentifier="b")),
        transaction(engagement(**{name: None})),
    )
    assert (
        refusal_of(envelope(right + wrong))
        == f"engagementTransaction[2]/engagement/{name} is missing"
    )


@pytest.mark.parametrize("name", MANDATORY)
@pytest.mark.parametrize("value", ["", "   ", "\n\t"])
def test_a_mandatory_element_must_hold_something(name: str, value: str) -> None:
    document = envelope(transaction(engagement(**{name: value})))
    assert refusal_of(document) == f"engagementTransaction[1]/engagement/{name} is empty"


@pytest.mark.parametrize("name", SAMPLE)
def test_an_element_stands_once(name: str) -> None:
    twice = transaction(SAMPLE).replace(
        "</e:engagement>", f"<e:{name}>{SAMPLE[name]}</e:{name}></e:engagement>"
    )
    assert refusal_of(envelope(twice)) == f"engagementTransaction[1]/engagement/{name} stands twice"


@pytest.mark.parametrize("name", SAMPLE)
def test_an_element_holds_text_only(name: str) -> None:
    nested = engagement(**{name: f"{SAMPLE[name]}<x xmlns='urn:x'/>"})
    assert refusal_of(envelope(transaction(nested))).endswith(f"/{name} holds elements, not text")


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("serviceDomain", 255),
        ("categorization", 255),
        ("logicalAddress", 64),
        ("businessObjectInstanceIdentifier", 128),
        ("clinicalProcessInterestId", 128),
        ("sourceSystem", 64),
        ("dataController", 64),
        ("owner", 64),
    ],
)
def test_values_are_as_long_as_the_index_lets_through(name: str, longest: int) -> None:
    assert read(envelope(transaction(engagement(**{name: "å" * longest}))))
    document = envelope(transaction(engagement(**{name: "å" * (longest + 1)})))
    assert refusal_of(document).endswith(f"/{name} is longer than {longest} characters")


@pytest.mark.parametrize(
    "number", ["191212121212", "19121212P212", "19121212t212", "20121212TF12", "2012121299ZZ"]
)
def test_all_kinds_of_person_numbers_are_taken(number: str) -> None:
    (only,) = read(envelope(transaction(engagement(registeredResidentIdentification=number))))
    assert only.patient == number


@pytest.mark.parametrize(
    "number",
    [
        "1212121212",
        "19121212-1212",
        "19121212121",
        "1912121212123",
        "19121212abcd",
        "^191212121212$",
    ],
)
def test_what_is_no_person_number_is_refused_without_being_quoted(number: str) -> None:
    document = envelope(transaction(engagement(registeredResidentIdentification=number)))
    comment = refusal_of(document)
    assert "/registeredResidentIdentification is not a person number" in comment
    assert number not in comment


@pytest.mark.parametrize("text", ["20270229090000", "2027120309000", "20271203", "2027-12-03"])
def test_a_time_is_a_moment_of_the_calendar(text: str) -> None:
    document = envelope(transaction(engagement(mostRecentContent=text)))
    assert refusal_of(document).endswith(
        "/mostRecentContent is not a time of the form YYYYMMDDhhmmss"
    )


@pytest.mark.parametrize("flag", ["true", "false"])
@pytest.mark.parametrize("content", ["20271203090000", "", None])
def test_most_recent_content_may_be_absent_or_present(flag: str, content: str | None) -> None:
    (only,) = read(envelope(transaction(engagement(mostRecentContent=content), flag)))
    assert only.most_recent_content == (content or "")


def test_owner_may_be_absent() -> None:
    (only,) = read(envelope(transaction(engagement(owner=None))))
    assert only.owner == ""


@pytest.mark.parametrize(
    ("flag", "deleted"),
    [("true", True), ("1", True), ("false", False), ("0", False), (" true ", True)],
)
def test_delete_flag_is_an_xml_boolean(flag: str, deleted: bool) -> None:
    (only,) = read(envelope(transaction(SAMPLE, flag)))
    assert only.deleted is deleted


@pytest.mark.parametrize("flag", ["True", "yes", "2"])
def test_what_is_no_boolean_is_refused(flag: str) -> None:
    assert (
        refusal_of(envelope(transaction(SAMPLE, flag)))
        == "engagementTransaction[1]/deleteFlag is not a boolean"
    )


def test_a_transaction_needs_its_two_parts() -> None:
    start, end = "<n:engagementTransaction>", "</n:engagementTransaction>"
    without_flag = f"{start}<e:engagement/>{end}"
    without_engagement = f"{start}<e:deleteFlag>1</e:deleteFlag>{end}"
    assert refusal_of(envelope(without_flag)) == "engagementTransaction[1]/deleteFlag is missing"
    assert (
        refusal_of(envelope(without_engagement)) == "engagementTransaction[1]/engagement is missing"
    )


def test_elements_of_another_namespace_do_not_stand_in() -> None:
    foreign = transaction(engagement(sourceSystem=None)).replace(
        "</e:engagement>", "<x:sourceSystem xmlns:x='urn:x'>SE1</x:sourceSystem></e:engagement>"
    )
    assert refusal_of(envelope(foreign)).endswith("/sourceSystem is missing")


def test_keys_are_distinct() -> None:
    same = transaction(SAMPLE) + transaction(engagement(mostRecentContent="20280101000000"), "true")
    assert refusal_of(envelope(same)) == (
        "engagementTransaction[2]/engagement has the key of engagementTransaction[1]"
    )


@pytest.mark.parametrize("name", [name for name in SAMPLE if name != "mostRecentContent"])
def test_any_part_of_the_key_tells_two_apart(name: str) -> None:
    other = engagement(**{name: "201212121212"})
    assert len(read(envelope(transaction(SAMPLE) + transaction(other)))) == 2


def test_the_sample_is_what_the_tests_say_it_is() -> None:
    root = etree.fromstring(request())
    assert root[1][0].tag.endswith("}ProcessNotification")
