"""The sandbox's engagement index: what it keeps, merges and passes on, and how it re-sends.

What is asserted here was seen of the running index, 3.7 (docs/domain.md, "ProcessNotification").
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
import requests
from lxml import etree

from sandbox.engagements import Transaction, UpdateRefused, read_json
from sandbox.index_entries import IndexEntries
from sandbox.merging import supersedes
from tests.fake_subscriber import (
    FakeSubscriber,
    Received,
    Response,
    fake_subscriber,
    result,
    soap_fault,
)
from tests.polling import eventually
from tests.sandbox_world import SOAP, RunningWorld, running_world

pytestmark = pytest.mark.slow

ENTRY = {
    "registeredResidentIdentification": "191212121212",
    "logicalAddress": "SE2321000016-1HZ5",
    "businessObjectInstanceIdentifier": "b-1",
    "mostRecentContent": "20261203090000",
    "sourceSystem": "SE2321000016-SYS1",
}


def entry(**changes: Any) -> dict[str, Any]:
    return {**ENTRY, **changes}


def transaction(**changes: Any) -> Transaction:
    return read_json([entry(**changes)])[0]


# What is kept, and what is silence


def test_the_first_of_a_key_is_news_and_the_same_again_is_silence() -> None:
    entries = IndexEntries("SE-INDEX")
    told = entries.apply([transaction()])
    assert [one.owner for one in told] == ["SE-INDEX"]
    assert entries.apply([transaction()]) == []


def test_only_most_recent_content_changes_in_place() -> None:
    entries = IndexEntries("SE-INDEX")
    entries.apply([transaction()])
    assert len(entries.apply([transaction(mostRecentContent="20261204090000")])) == 1
    assert len(entries) == 1
    assert len(entries.apply([transaction(categorization="Booking")])) == 1
    assert len(entries) == 2


def test_updates_of_other_times_are_silence() -> None:
    entries = IndexEntries("SE-INDEX")
    entries.apply([transaction(updateTime="20261101000000")])
    assert entries.apply([transaction(updateTime="20261102000000")]) == []


def test_a_removal_is_always_passed_on_as_its_sender_put_it() -> None:
    entries = IndexEntries("SE-INDEX")
    entries.apply([transaction()])
    told = entries.apply([transaction(deleteFlag=True, mostRecentContent=None)])
    assert [(one.delete_flag, one.most_recent_content) for one in told] == [(True, None)]
    assert len(entries) == 0
    assert len(entries.apply([transaction(deleteFlag=True)])) == 1


def test_the_index_sets_when_an_entry_was_created_and_updated() -> None:
    moments = iter([datetime(2026, 11, 2, 8, tzinfo=UTC), datetime(2026, 11, 2, 9, tzinfo=UTC)])
    entries = IndexEntries("SE-INDEX", lambda: next(moments))
    (first,) = entries.apply([transaction(creationTime="20250101000000", updateTime="")])
    assert (first.creation_time, first.update_time) == ("20261102090000", None)
    (second,) = entries.apply([transaction(mostRecentContent="20261204090000")])
    assert (second.creation_time, second.update_time) == ("20261102090000", "20261102100000")


def test_of_an_update_only_what_changed_is_told() -> None:
    entries = IndexEntries("SE-INDEX")
    entries.apply([transaction()])
    both = [transaction(), transaction(businessObjectInstanceIdentifier="b-2")]
    told = entries.apply(both)
    assert [one.business_object_instance_identifier for one in told] == ["b-2"]


# What is refused


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"registeredResidentIdentification": "1" * 33}, "registeredResidentIdentification"),
        ({"registeredResidentIdentification": ""}, "registeredResidentIdentification"),
        ({"clinicalProcessInterestId": " x"}, "clinicalProcessInterestId"),
        ({"sourceSystem": ""}, "sourceSystem"),
        ({"sourceSystem": "S" * 65}, "sourceSystem"),
        ({"businessObjectInstanceIdentifier": "b" * 129}, "businessObjectInstanceIdentifier"),
        ({"mostRecentContent": "2026-12-03"}, "mostRecentContent"),
        ({"mostRecentContent": "20261303090000"}, "mostRecentContent"),
        ({"mostRecentContent": "202612030900"}, "mostRecentContent"),
        ({"surprise": "1"}, "surprise"),
    ],
)
def test_a_bad_transaction_is_refused_by_the_name_of_its_element(
    changes: dict[str, str], named: str
) -> None:
    with pytest.raises(UpdateRefused, match=named) as refused:
        read_json([entry(), entry(**changes)])
    assert "191212121212" not in str(refused.value)


@pytest.mark.parametrize("number", ["19121212p212", "20121212TF12"])
def test_letters_are_admitted_in_person_numbers(number: str) -> None:
    assert transaction(registeredResidentIdentification=number)


@pytest.mark.parametrize(
    "odd",
    [
        {"registeredResidentIdentification": "1212121212"},
        {"businessObjectInstanceIdentifier": " "},
        {"clinicalProcessInterestId": "  "},
        {"mostRecentContent": "2026120309000"},
    ],
)
def test_what_the_contract_forbids_and_the_index_lets_through(odd: dict[str, str]) -> None:
    (passed_on,) = IndexEntries("SE-INDEX").apply([transaction(**odd)])
    assert passed_on.model_dump(by_alias=True).items() >= odd.items()


def test_none_too_many_and_the_same_key_twice_are_refused() -> None:
    many = [entry(businessObjectInstanceIdentifier=f"b-{n}") for n in range(1001)]
    assert len(read_json(many[:1000])) == 1000
    for wrong in ([], many, [entry(), entry(deleteFlag=True)], {"no": "list"}):
        with pytest.raises(UpdateRefused):
            read_json(wrong)


# Over the wire

LOGICAL_ADDRESS = (
    '<a:LogicalAddress xmlns:a="urn:riv:itintegration:registry:1">SE-INDEX</a:LogicalAddress>'
)


def soap_update(*transactions: str, header: str = LOGICAL_ADDRESS) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header>{header}</s:Header><s:Body>'
        '<u:Update xmlns:u="urn:riv:itintegration:engagementindex:UpdateResponder:1"'
        f' xmlns:e="urn:riv:itintegration:engagementindex:1">{"".join(transactions)}'
        "</u:Update></s:Body></s:Envelope>"
    ).encode()


def soap_transaction(booking: str = "b-1", source: str = "SE2321000016-SYS1") -> str:
    """mostRecentContent last, as the index's own load tests have it; and a foreign element."""
    source_element = f"<e:sourceSystem>{source}</e:sourceSystem>" if source else ""
    return (
        "<u:engagementTransaction><e:deleteFlag>false</e:deleteFlag><e:engagement>"
        "<e:registeredResidentIdentification>191212121212</e:registeredResidentIdentification>"
        "<e:serviceDomain>riv:crm:scheduling</e:serviceDomain>"
        "<e:categorization>NA</e:categorization>"
        "<e:logicalAddress>SE2321000016-1HZ5</e:logicalAddress>"
        f"<e:businessObjectInstanceIdentifier>{booking}</e:businessObjectInstanceIdentifier>"
        "<e:clinicalProcessInterestId>NA</e:clinicalProcessInterestId>"
        f"{source_element}<e:dataController>SE2321000016</e:dataController>"
        "<e:mostRecentContent>20261203090000</e:mostRecentContent>"
        '<f:more xmlns:f="urn:foreign">x</f:more>'
        "</e:engagement></u:engagementTransaction>"
    )


def post_update(world: RunningWorld, body: bytes, **headers: str) -> requests.Response:
    return requests.post(world.addresses.index, data=body, headers=headers, timeout=10)


@pytest.fixture
def subscriber() -> Iterator[FakeSubscriber]:
    with fake_subscriber() as fake:
        yield fake


@pytest.fixture
def world(subscriber: FakeSubscriber) -> Iterator[RunningWorld]:
    """An index that re-sends twice, soon, and waits little."""
    with running_world(
        sandbox_subscriber_url=f"{subscriber.url}/ProcessNotification",
        logical_address="SE0000000000-RELAY",
        sandbox_index_resends=2,
        sandbox_index_resend_seconds=0.05,
        sandbox_index_patience_seconds=0.5,
    ) as running:
        yield running


def update(world: RunningWorld, *entries: dict[str, Any]) -> Any:
    return world.control("POST", "/updates", list(entries))


def idle(world: RunningWorld) -> Any:
    """The index's summary, once nothing is on its way any more."""
    return eventually(
        lambda: (summary := world.control("GET", "/index"))["pending"] == 0 and summary
    )


def test_an_update_over_soap_becomes_a_notification(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    answer = post_update(
        world,
        soap_update(soap_transaction("b-1"), soap_transaction("b-2")),
        **{"x-skltp-correlation-id": "corr-1", "x-rivta-original-serviceconsumer-hsaid": "SE-SRC"},
    )
    assert answer.status_code == 200
    assert etree.fromstring(answer.content).findtext(".//{*}ResultCode") == "OK"
    idle(world)
    (request,) = subscriber.received
    assert request.path == "/ProcessNotification"
    assert request.bookings == ["b-1", "b-2"]
    assert request.text("owner") == "SE0000000000-INDEX"
    assert b"SE0000000000-RELAY</" in request.body
    assert request.headers["x-skltp-correlation-id"] == "corr-1"
    assert request.headers["x-rivta-original-serviceconsumer-hsaid"] == "SE-SRC"
    assert request.headers["soapaction"].startswith('"urn:')
    assert request.headers["soapaction"].endswith(':ProcessNotification"')
    assert request.headers["jmsdestination"] == "queue://EI.NOTIFICATION.SE0000000000-RELAY"
    assert request.headers["jmsmessageid"].startswith("ID:")
    engagement = etree.fromstring(request.body).find(".//{*}engagement")
    assert engagement is not None
    assert engagement.prefix is None
    names = [etree.QName(child).localname for child in engagement]
    assert names.index("mostRecentContent") < names.index("sourceSystem")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (soap_update(soap_transaction(), header=""), "LogicalAddress"),
        (soap_update(), "engagementTransaction"),
        (soap_update(soap_transaction(source="")), "sourceSystem"),
        (soap_update(soap_transaction(), soap_transaction()), "same key"),
        (soap_update(*[soap_transaction(f"b-{n}") for n in range(1001)]), "more than 1000"),
        (b"<x/>", "Envelope"),
    ],
)
def test_a_bad_update_is_a_fault_that_names_the_element_and_keeps_nothing(
    world: RunningWorld, subscriber: FakeSubscriber, body: bytes, named: str
) -> None:
    answer = post_update(world, body)
    assert answer.status_code == 500
    assert named in answer.text
    assert world.control("GET", "/index/entries") == []
    assert subscriber.received == []


def test_a_bad_update_over_json_is_refused_by_name(world: RunningWorld) -> None:
    answer = world.try_control("POST", "/updates", [entry(sourceSystem="")])
    assert answer.status_code == 400
    assert "sourceSystem" in answer.json()["error"]


def test_an_identical_update_is_silent(world: RunningWorld, subscriber: FakeSubscriber) -> None:
    assert update(world, entry())["changed"] == 1
    assert update(world, entry())["changed"] == 0
    assert idle(world)["counts"]["sent"] == 1
    assert update(world, entry())["changed"] == 0
    assert idle(world)["counts"]["sent"] == 1
    assert len(subscriber.received) == 1
    assert world.control("GET", "/index/entries")[0]["owner"] == "SE0000000000-INDEX"


def test_a_thousand_engagements_are_one_notification(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    many = [entry(businessObjectInstanceIdentifier=f"b-{n}") for n in range(1000)]
    update(world, *many)
    idle(world)
    (request,) = subscriber.received
    assert len(request.bookings) == 1000
    assert request.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in request.headers


def test_a_small_body_has_its_length(world: RunningWorld, subscriber: FakeSubscriber) -> None:
    update(world, entry())
    idle(world)
    (request,) = subscriber.received
    assert int(request.headers["content-length"]) == len(request.body)
    assert "transfer-encoding" not in request.headers


def test_a_result_code_is_final_whatever_it_says(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    subscriber.respond = lambda _: result("ERROR", "sourceSystem is missing")
    update(world, entry())
    summary = idle(world)
    assert (summary["dead"], summary["gone"]) == (0, 1)
    assert summary["counts"] == {"sent": 1, "ERROR": 1}
    (answer,) = world.control("GET", "/index/answers")
    assert (answer["resultCode"], answer["comment"]) == ("ERROR", "sourceSystem is missing")


def test_a_fault_is_sent_again_until_it_is_taken(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    answers = iter([soap_fault(), (503, b"busy"), result("OK")])
    subscriber.respond = lambda _: next(answers)
    update(world, entry())
    assert idle(world)["counts"] == {"sent": 3, "unanswered": 2, "OK": 1}
    assert len({request.body for request in subscriber.received}) == 1
    pauses = [
        later.at - earlier.at
        for earlier, later in zip(subscriber.received, subscriber.received[1:], strict=False)
    ]
    assert min(pauses) >= 0.05


def test_the_journal_says_between_when_a_request_was_taken(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    answers = iter([soap_fault(), result("OK")])
    subscriber.respond = lambda _: next(answers)
    before = time.time()
    update(world, entry(deleteFlag=True))
    idle(world)
    [request] = world.control("GET", "/index/journal")
    assert before <= request["sentAt"] <= request["answeredAt"] - 0.05
    assert request["answeredAt"] <= time.time()
    assert request["engagements"] == [
        {
            "deleted": True,
            "patient": ENTRY["registeredResidentIdentification"],
            "sourceSystem": ENTRY["sourceSystem"],
            "logicalAddress": ENTRY["logicalAddress"],
            "bookingId": "b-1",
        }
    ]


def test_the_attempts_that_failed_of_what_is_pending_are_shown(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    seen = Event()

    def fail(_: Received) -> Response:
        """At once, and then not before the first failure was seen."""
        if len(subscriber.received) > 1:
            seen.wait(5)
        return soap_fault()

    subscriber.respond = fail
    update(world, entry())
    eventually(lambda: world.control("GET", "/index")["failedAttempts"] == 1, timeout=5)
    seen.set()
    assert idle(world)["failedAttempts"] == 0


def test_what_is_never_taken_dies_and_can_be_replayed(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    subscriber.respond = lambda _: soap_fault()
    update(world, entry())
    assert idle(world)["dead"] == 1
    assert len(subscriber.received) == 3
    (dead,) = world.control("GET", "/index/dead")
    assert "Fault Server" in dead["error"]

    subscriber.respond = lambda _: result("OK")
    assert world.control("POST", "/index/dead/replay") == {"replayed": 1}
    summary = idle(world)
    assert (summary["dead"], summary["counts"]["OK"]) == (0, 1)


def test_a_late_answer_is_none(world: RunningWorld, subscriber: FakeSubscriber) -> None:
    def late_once(_: Received) -> tuple[int, bytes]:
        if len(subscriber.received) == 1:
            time.sleep(1)
        return result("OK")

    subscriber.respond = late_once
    update(world, entry())
    assert idle(world)["counts"] == {"sent": 2, "unanswered": 1, "OK": 1}


def test_a_refused_connection_is_sent_again_to_the_subscriber_of_then(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    world.control("PUT", "/subscriber", {"url": "http://127.0.0.1:9/nobody"})
    update(world, entry())
    assert idle(world)["dead"] == 1
    world.control("PUT", "/subscriber", {"url": f"{subscriber.url}/now"})
    world.control("POST", "/index/dead/replay")
    idle(world)
    assert [request.path for request in subscriber.received] == ["/now"]
    assert world.try_control("PUT", "/subscriber", {"url": "nowhere"}).status_code == 400


def slowly(_: Received) -> tuple[int, bytes]:
    time.sleep(0.1)
    return result("OK")


def pairs(count: int) -> list[list[dict[str, Any]]]:
    """Updates of two engagements each, which are not merged with others."""
    return [
        [entry(businessObjectInstanceIdentifier=f"{side}-{number}") for side in ("a", "b")]
        for number in range(count)
    ]


def test_one_notification_is_sent_at_a_time(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    subscriber.respond = slowly
    for pair in pairs(4):
        update(world, *pair)
    idle(world)
    assert [request.bookings for request in subscriber.received] == [
        [f"a-{number}", f"b-{number}"] for number in range(4)
    ]
    assert subscriber.most_at_once == 1


def test_the_others_wait_while_one_is_sent_again(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    answers = iter([soap_fault(), soap_fault(), result("OK"), result("OK")])
    subscriber.respond = lambda _: next(answers)
    for pair in pairs(2):
        update(world, *pair)
    idle(world)
    firsts = [request.bookings[0] for request in subscriber.received]
    assert firsts == ["a-0", "a-0", "a-0", "a-1"]


def test_side_by_side_one_key_still_goes_one_at_a_time(subscriber: FakeSubscriber) -> None:
    subscriber.respond = slowly
    with running_world(
        sandbox_subscriber_url=subscriber.url,
        sandbox_index_merge_seconds=0,
        sandbox_index_parallel=5,
    ) as world:
        days = [f"202612{day:02}090000" for day in range(1, 4)]
        for day in days:
            update(world, entry(mostRecentContent=day))
        idle(world)
        assert [request.text("mostRecentContent") for request in subscriber.received] == days
        assert subscriber.most_at_once == 1
        for number in range(5):
            update(world, entry(businessObjectInstanceIdentifier=f"o-{number}"))
        idle(world)
        assert subscriber.most_at_once > 1


def test_a_key_waits_for_the_re_sends_before_it(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    answers = iter([soap_fault(), result("OK"), result("OK")])
    subscriber.respond = lambda _: next(answers)
    update(world, entry())
    eventually(lambda: subscriber.received)
    update(world, entry(deleteFlag=True), entry(businessObjectInstanceIdentifier="b-2"))
    idle(world)
    assert [request.bookings for request in subscriber.received] == [
        ["b-1"],
        ["b-1"],
        ["b-1", "b-2"],
    ]


def test_an_answer_that_is_lost_is_sent_again_though_it_was_taken(
    world: RunningWorld, subscriber: FakeSubscriber
) -> None:
    world.control("POST", "/faults/index", {"kind": "answer-lost", "count": 1})
    update(world, entry())
    assert idle(world)["counts"] == {"sent": 2, "unanswered": 1, "OK": 1}
    assert len({request.body for request in subscriber.received}) == 1


# Merging


@contextmanager
def merging_world(subscriber: FakeSubscriber, **settings: Any) -> Iterator[RunningWorld]:
    """An index whose window closes only when its calls are used up."""
    with running_world(
        sandbox_subscriber_url=subscriber.url, sandbox_index_merge_seconds=3600, **settings
    ) as running:
        yield running


def test_single_updates_of_different_systems_become_one_notification(
    subscriber: FakeSubscriber,
) -> None:
    with merging_world(subscriber, sandbox_index_merge_calls=3) as world:
        for number in range(3):
            one = soap_transaction(f"b-{number}", f"SE2321000016-SYS{number}")
            headers = {"x-skltp-correlation-id": f"corr-{number}"}
            assert post_update(world, soap_update(one), **headers).ok
        idle(world)
        assert world.control("GET", "/index")["updates"] == 3
    (request,) = subscriber.received
    assert sorted(request.bookings) == ["b-0", "b-1", "b-2"]
    assert request.headers["x-skltp-correlation-id"] == "corr-0"
    systems = [one.text for one in etree.fromstring(request.body).iter("{*}sourceSystem")]
    assert len(set(systems)) == 3


def test_the_window_closes_when_it_has_been_quiet(subscriber: FakeSubscriber) -> None:
    with running_world(
        sandbox_subscriber_url=subscriber.url, sandbox_index_merge_seconds=2
    ) as world:
        update(world, entry())
        assert world.control("GET", "/index/entries") == []
        eventually(lambda: subscriber.received)
        assert len(world.control("GET", "/index/entries")) == 1


def test_updates_of_several_engagements_overtake_the_window(subscriber: FakeSubscriber) -> None:
    with merging_world(subscriber, sandbox_index_merge_calls=2) as world:
        update(world, entry(businessObjectInstanceIdentifier="single"))
        update(world, *pairs(1)[0])
        eventually(lambda: subscriber.received)
        # The one that was received is pending, too, until its answer is read.
        eventually(lambda: world.control("GET", "/index")["pending"] == 1)
        update(world, entry(businessObjectInstanceIdentifier="another"))
        idle(world)
    assert [sorted(request.bookings) for request in subscriber.received] == [
        ["a-0", "b-0"],
        ["another", "single"],
    ]


def test_merged_updates_may_hold_more_than_a_thousand(subscriber: FakeSubscriber) -> None:
    with merging_world(
        subscriber, sandbox_index_merge_calls=3, sandbox_index_merge_engagements=1000
    ) as world:
        for part in range(3):
            ids = [f"b-{part}-{number}" for number in range(400)]
            update(world, *[entry(businessObjectInstanceIdentifier=one) for one in ids])
        idle(world)
    (request,) = subscriber.received
    assert len(set(request.bookings)) == 1200


def test_created_removed_and_created_again_in_one_window_is_a_removal(
    subscriber: FakeSubscriber,
) -> None:
    with merging_world(subscriber, sandbox_index_merge_calls=3) as world:
        assert update(world, entry())["changed"] == 1
        assert update(world, entry(deleteFlag=True))["changed"] == 1
        assert update(world, entry(mostRecentContent="20270101090000"))["changed"] == 0
        idle(world)
    (request,) = subscriber.received
    assert (request.bookings, request.text("deleteFlag")) == (["b-1"], "true")


def test_of_two_contents_in_one_window_the_more_recent_is_kept() -> None:
    early, late = transaction(), transaction(mostRecentContent="20261204090000")
    without = transaction(mostRecentContent=None)
    assert supersedes(late, early)
    assert not supersedes(early, late)
    assert supersedes(early, without)
    assert not supersedes(without, early)
    assert not supersedes(early, early)
