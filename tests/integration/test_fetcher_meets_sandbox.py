"""The fetcher's client against the sandbox's booking systems: each quirk, as both sides know it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from fetcher.answers import CallFailed, FetchRetryReason, Timeslot
from fetcher.bookings_client import BookingsClient
from fetcher.platform import Platform, TimeOuts
from fetcher.settings import UNKNOWN_BOOKING_FAULT
from fetcher.verification import Mismatch, mismatch
from shared.base.clock import utcnow
from tests.booking_samples import BOOKING, PATIENT
from tests.sandbox_world import RunningWorld, running_world

UNIT = BOOKING.logical_address
FIELDS = {
    "startTimeInclusive": "20261203090000",
    "subject_of_care": PATIENT,
    "healthcare_facility_name": "Vårdcentralen Åsen",
    "cancel_booking_allowed": True,
    "isInvitation": True,
}


@pytest.fixture(scope="module")
def world() -> Iterator[RunningWorld]:
    with running_world() as running:
        running.control("PUT", f"/bookings/{UNIT}/{BOOKING.booking_id}", FIELDS)
        yield running


@pytest.fixture(scope="module")
def client(world: RunningWorld) -> BookingsClient:
    platform = Platform(
        world.addresses.platform, time_outs=TimeOuts(2, 1), connections=2, max_bytes=100_000
    )
    return BookingsClient(
        platform,
        consumer="SE-OURS",
        unknown_booking=re.compile(UNKNOWN_BOOKING_FAULT),
        max_reply_bytes=100_000,
        clock=utcnow,
    )


@pytest.fixture
def fetched(world: RunningWorld, client: BookingsClient) -> Iterator[Any]:
    """Asks for the booking while the faults of these kinds stand."""

    def fetch(*kinds: str, **terms: Any) -> Timeslot | None:
        for kind in kinds:
            world.control("POST", f"/faults/{UNIT}", {"kind": kind, **terms})
        return client.get_booking_details(BOOKING, "corr").timeslot

    yield fetch
    world.control("DELETE", f"/faults/{UNIT}")


def test_a_well_answer(fetched: Any) -> None:
    found = fetched()
    assert found.details.starts == "20261203090000"
    assert found.details.is_call_letter
    assert mismatch(BOOKING, found) is None


def test_empty_elements_say_nothing(fetched: Any) -> None:
    assert fetched() == fetched("empty-elements")


def test_a_unit_in_another_case_is_the_unit(fetched: Any) -> None:
    found = fetched("hsa-case")
    assert found.details.unit != UNIT
    assert mismatch(BOOKING, found) is None


def test_a_producer_of_version_1_0(fetched: Any) -> None:
    assert not fetched("v1.0").details.is_call_letter


def test_flags_left_out(fetched: Any) -> None:
    assert fetched("no-allowed-flags").details.cancel_allowed is None


@pytest.mark.parametrize("kind", ["no-timeslot", "unknown-fault"])
def test_an_unknown_booking(fetched: Any, kind: str) -> None:
    assert fetched(kind) is None


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("wrong-patient", Mismatch.PATIENT),
        ("wrong-unit", Mismatch.UNIT),
        ("wrong-booking", Mismatch.BOOKING),
    ],
)
def test_a_reply_about_something_else(fetched: Any, kind: str, what: Mismatch) -> None:
    assert mismatch(BOOKING, fetched(kind)) is what


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("fault", FetchRetryReason.FAULT),
        ("hang", FetchRetryReason.TIMED_OUT),
        ("hang-up", FetchRetryReason.UNREACHABLE),
        ("refuse", FetchRetryReason.UNREACHABLE),
        ("garbage", FetchRetryReason.UNREADABLE),
        ("slow-drip", FetchRetryReason.TIMED_OUT),
    ],
)
def test_troubles(fetched: Any, kind: str, reason: FetchRetryReason) -> None:
    with pytest.raises(CallFailed) as caught:
        fetched(kind)
    assert caught.value.reason is reason
