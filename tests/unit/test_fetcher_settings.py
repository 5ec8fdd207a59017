"""Settings of the fetcher, above all how a Fault is taken for "no such booking"."""

import re

import pytest

from fetcher.settings import UNKNOWN_BOOKING_FAULT, FetcherSettings
from shared.base.errors import WrongSettings

URL = "https://platform.example/vp/GetBookingDetails"


@pytest.mark.parametrize(
    "text",
    [
        "Booking not found",
        "The booking could not be found.",
        "Booking with id 'B-1' was not found",
        "bookingId 123 does not exist",
        "unknown bookingId",
        "Unknown booking: 17",
        "No such booking",
        "Okänd bokning",
        "Bokningen finns inte",
        "Bokning 77 hittades ej",
        "Bokning saknas",
    ],
)
def test_faults_that_say_no_such_booking(text: str) -> None:
    assert re.search(UNKNOWN_BOOKING_FAULT, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Not found",
        "Booking system not found",
        "Unknown booking system",
        "The unit was not found",
        "Error when booking",
        "Booking is unavailable",
        "Booking service: unknown error",
        "booking failed: unknown error",
        "Okänd bokningstyp",
        "Bokningssystemet finns inte",
        "Patient not found",
        "No logical address found for GetBookingDetails",
    ],
)
def test_faults_that_do_not(text: str) -> None:
    assert not re.search(UNKNOWN_BOOKING_FAULT, text)


def test_only_the_platforms_address_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUDKAVLE_PLATFORM_URL", raising=False)
    settings = FetcherSettings(platform_url=URL)
    assert settings.platform_url == URL
    assert settings.fetcher_concurrency == 32
    assert settings.most_in_flight == 8
    with pytest.raises(WrongSettings, match=r"^BUDKAVLE_PLATFORM_URL: Field required$"):
        FetcherSettings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"platform_url": "platform.example/vp"},
        {"platform_url": ""},
        {"platform_url": "https://me:hunter2@platform.example/vp"},
        {"fetcher_unknown_booking_fault": "(unclosed"},
        {"fetcher_concurrency": 0},
    ],
)
def test_wrong_settings_stop_the_start(wrong: dict[str, object]) -> None:
    with pytest.raises(WrongSettings, match=f"^BUDKAVLE_{next(iter(wrong)).upper()}: "):
        FetcherSettings(**{"platform_url": URL, **wrong})
