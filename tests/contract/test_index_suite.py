"""Requests of the kinds that the engagement index's own tests send: all must be answered OK.

The kinds were taken from the suite that is published with the index: the eleven requests which it
expects OK for, and the bodies of its load tests. They are of test domains, their person numbers
have ten digits, `mostRecentContent` stands last or is absent, and nothing of them is ours.
"""

from collections.abc import Iterator

import pytest

from tests.gateway import Gateway, running_gateway
from tests.notifications import SUBSCRIBER, envelope, transaction

OK = b"ResultCode>OK<"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway(logical_address=SUBSCRIBER) as running:
        yield running


def index_engagement(
    *,
    person: str = "1212121212",
    domain: str = "SOME-DOMAIN",
    owner: str | None = "other-index",
    most_recent: str = "",
    booking: str = "SOME-OBJECT",
) -> dict[str, str]:
    """As the index's own tests write one: elements in their order, not the schema's."""
    elements = {
        "registeredResidentIdentification": person,
        "serviceDomain": domain,
        "categorization": "SOME-CATEGORY",
        "logicalAddress": "SOME-ADDRESS-7",
        "businessObjectInstanceIdentifier": booking,
        "clinicalProcessInterestId": "SOME_PROCESS",
        "sourceSystem": "SOME-SOURCE",
        "dataController": "SOME-CONTROLLER",
        "owner": owner or "",
        "mostRecentContent": most_recent,
    }
    return {name: value for name, value in elements.items() if value}


def created(**changed: str) -> str:
    return transaction(index_engagement(**changed))  # type: ignore[arg-type]


def removed(**changed: str) -> str:
    return transaction(index_engagement(**changed), "true")  # type: ignore[arg-type]


#: Five stories of the suite, request by request.
STORIES = {
    "valid: removal of two persons': 1": removed() + removed(person="1313131313", owner=SUBSCRIBER),
    "valid: creation: 2": created(),
    "circular: removal: 3": removed(),
    "circular: creation by the index itself: 4": created(owner=SUBSCRIBER),
    "owner: removal: 5": removed(),
    "owner: another owner: 6": created(),
    "times: removal: 7": removed(),
    "times: creation: 8": created(),
    "times: change, the time last: 9": created(most_recent="20260528150601"),
    "flag: creation: 10": created(),
    "flag: removal: 11": removed(),
}


@pytest.mark.parametrize("inner", STORIES.values(), ids=STORIES.keys())
def test_requests_of_the_index_functional_suite_are_ok(gateway: Gateway, inner: str) -> None:
    assert OK in gateway.post(envelope(inner)).content


@pytest.mark.parametrize(
    ("person", "domain"),
    [
        ("191212121212", "riv:crm:scheduling"),
        ("191212121212", "urn:riv:test:domain-1"),
        ("1212121212", "urn:riv:test:domain-1"),
    ],
)
@pytest.mark.parametrize("count", [1, 50, 500, 1000])
def test_bodies_of_the_index_load_tests_are_ok(
    gateway: Gateway, count: int, domain: str, person: str
) -> None:
    inner = "".join(
        created(
            person=person,
            domain=domain,
            owner="",
            booking=f"{number}",
            most_recent="20260310104108",
        )
        for number in range(count)
    )
    assert OK in gateway.post(envelope(inner)).content
