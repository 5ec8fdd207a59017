"""ProcessNotification is read as it was meant; each engagement is taken or refused by itself."""

import pytest
from lxml import etree

from ingest.calls import NotificationRequest, read_call
from ingest.engagements import Judged, NoEngagements
from shared.booking.messages import Engagement
from shared.riv.engagements import Unacceptable, read_document
from tests.notifications import (
    HAND_WRITTEN,
    NEVER_USED,
    SAMPLE,
    USED,
    engagement,
    envelope,
    request,
    transaction,
)


def judged(document: bytes) -> Judged:
    call = read_call(document, encoding=None, max_bytes=5_000_000)
    assert isinstance(call, NotificationRequest)
    return call.engagements()


def read(document: bytes) -> tuple[Engagement, ...]:
    """All of a request without anything odd in it."""
    taken, refused, ignored = judged(document)
    assert (refused, ignored) == ((), 0)
    return taken


def refusal_of(document: bytes) -> str:
    """Why the last engagement of `document` is refused, and no other."""
    (refusal,) = judged(document).refused
    return refusal.comment


def test_every_element_that_is_used_lands_in_its_field() -> None:
    values = {name: name[:12] for name in SAMPLE}
    values |= {"registeredResidentIdentification": "201212121212"}
    values |= {"mostRecentContent": "20271203090000"}
    (only,) = read(envelope(transaction(values)))
    assert only == Engagement(
        deleted=False,
        patient="201212121212",
        service_domain="serviceDomai",
        logical_address="logicalAddre",
        booking_id="businessObje",
        source_system="sourceSystem",
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


def test_any_number_is_taken_in_its_order() -> None:
    taken = read(request(1200))
    assert [one.booking_id for one in taken] == [f"booking-{n}" for n in range(1, 1201)]


def test_a_request_without_any_is_refused() -> None:
    with pytest.raises(NoEngagements, match="engagementTransaction is missing"):
        judged(request(0))


@pytest.mark.parametrize("name", USED)
def test_a_mandatory_element_that_is_missing_is_named_with_its_place(name: str) -> None:
    right, wrong = (
        transaction(engagement(businessObjectInstanceIdentifier="b")),
        transaction(engagement(**{name: None})),
    )
    assert (
        refusal_of(envelope(right + wrong))
        == f"engagementTransaction[2]/engagement/{name} is missing"
    )


@pytest.mark.parametrize("name", USED)
@pytest.mark.parametrize("value", ["", "   ", "\n\t"])
def test_a_mandatory_element_must_hold_something(name: str, value: str) -> None:
    document = envelope(transaction(engagement(**{name: value})))
    assert refusal_of(document) == f"engagementTransaction[1]/engagement/{name} is empty"


@pytest.mark.parametrize("name", USED)
def test_an_element_stands_once(name: str) -> None:
    twice = transaction(SAMPLE).replace(
        "</e:engagement>", f"<e:{name}>{SAMPLE[name]}</e:{name}></e:engagement>"
    )
    assert refusal_of(envelope(twice)) == f"engagementTransaction[1]/engagement/{name} stands twice"


@pytest.mark.parametrize("name", USED)
def test_an_element_holds_text_only(name: str) -> None:
    nested = engagement(**{name: f"{SAMPLE[name]}<x xmlns='urn:x'/>"})
    assert refusal_of(envelope(transaction(nested))).endswith(f"/{name} holds elements, not text")


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("logicalAddress", 64),
        ("businessObjectInstanceIdentifier", 128),
        ("sourceSystem", 64),
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


@pytest.mark.parametrize("value", [None, "", "  ", "x" * 5000, "<x xmlns='urn:x'/>", "20270229090"])
@pytest.mark.parametrize("name", NEVER_USED)
def test_what_is_never_used_is_no_reason_to_leave_anything_out(
    name: str, value: str | None
) -> None:
    (odd,) = read(envelope(transaction(engagement(**{name: value}))))
    (usual,) = read(envelope(transaction(SAMPLE)))
    assert odd.model_copy(update={"most_recent_content": ""}) == usual.model_copy(
        update={"most_recent_content": ""}
    )


@pytest.mark.parametrize("text", ["20270229090000", "2027120309000", "20271203", "2027-12-03"])
def test_a_time_that_is_none_is_not_kept(text: str) -> None:
    (only,) = read(envelope(transaction(engagement(mostRecentContent=text))))
    assert only.most_recent_content == ""


@pytest.mark.parametrize("flag", ["true", "false"])
@pytest.mark.parametrize("content", ["20271203090000", "", None])
def test_most_recent_content_may_be_absent_or_present(flag: str, content: str | None) -> None:
    (only,) = read(envelope(transaction(engagement(mostRecentContent=content), flag)))
    assert only.most_recent_content == (content or "")


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


def test_the_same_key_twice_is_left_to_the_filter() -> None:
    same = transaction(SAMPLE) + transaction(engagement(mostRecentContent="20280101000000"), "true")
    assert [one.deleted for one in read(envelope(same))] == [False, True]


def test_one_that_is_odd_costs_the_others_nothing() -> None:
    odd = transaction(engagement(registeredResidentIdentification="1212121212"))
    document = request(20).replace(
        b"</n:ProcessNotification>", odd.encode() + b"</n:ProcessNotification>"
    )
    taken, (refusal,), ignored = judged(document)
    assert (taken, ignored) == (read(request(20)), 0)
    assert refusal.place == "engagementTransaction[21]"
    assert (refusal.element, refusal.flaw) == ("registeredResidentIdentification", "wrong_form")
    assert refusal.kept.source_system == SAMPLE["sourceSystem"]
    assert "1212121212" not in refusal.comment + refusal.kept.problem


@pytest.mark.parametrize(
    "changed",
    [
        {"registeredResidentIdentification": "1414141414"},
        {"sourceSystem": ""},
        {"businessObjectInstanceIdentifier": "x" * 200},
    ],
)
def test_an_odd_one_of_another_service_domain_is_none_of_ours(changed: dict[str, str]) -> None:
    odd = envelope(transaction(engagement(serviceDomain="riv:other", **changed)))
    assert judged(odd) == ((), (), 1)


@pytest.mark.parametrize("domain", [None, "", "<x xmlns='urn:x'/>", "riv:crm:scheduling"])
def test_an_odd_one_that_may_be_of_our_domain_is_refused(domain: str | None) -> None:
    odd = engagement(serviceDomain=domain, registeredResidentIdentification="1414141414")
    assert len(judged(envelope(transaction(odd))).refused) == 1


@pytest.mark.parametrize(
    ("written", "readable"),
    [
        ("SE2321000016-1HZ3", "SE2321000016-1HZ3"),
        ("se-tidbok", "se-tidbok"),
        ("TEST-SOURCE-SYSTEM", "TEST-SOURCE-SYSTEM"),
        ("HSA-ID-987654321", "HSA-ID-987654321"),
        *((text, "") for text in (None, "", "x" * 65, "a b", "Åsa", "<x xmlns='urn:x'/>")),
        *((text, "") for text in ("191212121212", "1212121212", "P19121212-1212", "x121212-1212")),
        ("patient-19121212T212", ""),
    ],
)
def test_a_system_is_named_when_it_can_be_read_and_is_no_person(
    written: str | None, readable: str
) -> None:
    odd = engagement(sourceSystem=written, registeredResidentIdentification="1414141414")
    (refusal,) = judged(envelope(transaction(odd))).refused
    assert refusal.kept.source_system == readable


def test_what_was_refused_can_be_read_again() -> None:
    odd = engagement(registeredResidentIdentification="1414141414")
    (refusal,) = judged(envelope(transaction(odd))).refused
    with pytest.raises(Unacceptable) as why:
        read_document(refusal.kept.document)
    assert str(why.value) == refusal.kept.problem
    mended = refusal.kept.document.replace("1414141414", "191212121212")
    assert (read_document(mended),) == read(request())


def test_of_a_refused_giant_only_the_reason_is_kept() -> None:
    giant = engagement(registeredResidentIdentification="1" * 100_000)
    (refusal,) = judged(envelope(transaction(giant))).refused
    assert refusal.kept.document == ""
    assert refusal.kept.problem.endswith("is longer than 32 characters")


def test_the_sample_is_what_the_tests_say_it_is() -> None:
    root = etree.fromstring(request())
    assert root[1][0].tag.endswith("}ProcessNotification")


def test_of_thousands_of_odd_ones_some_are_kept_and_the_rest_is_said() -> None:
    _, refused, _ = judged(envelope("<n:engagementTransaction/>" * 1500))
    assert len(refused) == 1001
    assert refused[-1].kept.problem == "500 more could not be taken and are not kept"
    assert (refused[-1].flaw, refused[-1].kept.source_system) == ("too_many", "")


def test_writing_the_odd_ones_anew_takes_no_more_room_than_is_set() -> None:
    names = "".join(f' xmlns:x{number}="urn:{number}"' for number in range(5000))
    document = envelope("<n:engagementTransaction/>" * 900).replace(
        b"<n:ProcessNotification", f"<n:ProcessNotification{names}".encode()
    )
    _, refused, _ = judged(document)
    assert sum(len(one.kept.document) for one in refused) < 3_000_000
    assert all(one.kept.problem == "deleteFlag is missing" for one in refused)


@pytest.mark.parametrize("name", ["sourceSystem", "logicalAddress"])
@pytest.mark.parametrize("text", ["\u200b", "SE2321000016-\u200b1HZ5", "\ufeffSE2321000016-1HZ5"])
def test_an_hsa_id_holds_no_invisible_character(name: str, text: str) -> None:
    refusal = refusal_of(envelope(transaction(engagement(**{name: text}))))
    assert refusal.endswith(f"engagement/{name} is not an HSA-id")
