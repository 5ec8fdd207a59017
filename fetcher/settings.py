"""Settings of the fetcher."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.base.settings import url_of
from shared.stage.settings import WaitSettings

#: Matches "no such booking" in English or Swedish and nothing else: a Fault that is mistaken for it
#: could lead to a false cancellation.
UNKNOWN_BOOKING_FAULT = (
    r"(?ix)"
    r"\b (?:booking|bokning|bokningen) (?:[ -]?id)? :? (?:\s with \s id)?"
    r" (?:\s [\"']? [\w.:-]* \d [\w.:-]* [\"']?)?"
    r" \s (?:(?:was|is|could|does) \s)?"
    r" (?: not \s (?:be \s)? (?:found|exist) | unknown"
    r"   | saknas | (?:finns|hittades) \s (?:inte|ej) ) \b"
    r"| \b (?:unknown|no \s such|okänd|okänt) \s (?:booking|bokning) (?:[ -]?id)? \b"
    r" (?! [ -]? (?:system|source|type|typ|service))"
)


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


class FetcherSettings(WaitSettings):
    """`BUDKAVLE_FETCHER_…`, and the address of the national platform."""

    platform_url: Annotated[str, url_of("http", "https")] = Field(
        min_length=1, description="Where GetBookingDetails is posted, exactly as given."
    )
    fetcher_concurrency: int = Field(
        32, ge=1, description="How many booking systems are asked at once, by one process."
    )
    fetcher_prefetch: int = Field(
        128, ge=1, description="How many changes are taken ahead from the queue."
    )
    fetcher_connect_seconds: float = Field(5, gt=0, description="Time-out of connecting.")
    fetcher_read_seconds: float = Field(
        30, gt=0, description="Time-out of the reply; the national platform cuts at about 30 s."
    )
    fetcher_max_reply_bytes: int = Field(
        8_388_608,
        ge=1024,
        description="Of a longer reply the middle is left out, which is the middle of a long text.",
    )
    fetcher_ca: Path | None = Field(
        None,
        description="PEM file of the authorities the platform's certificate is checked by."
        " Empty: the public ones.",
    )
    fetcher_certificate: Path | None = Field(
        None, description="PEM file of our client certificate. Renewed files are taken up."
    )
    fetcher_certificate_key: Path | None = Field(
        None, description="PEM file of its key, unless it stands in the same file."
    )
    fetcher_breaker_failures: int = Field(
        5, ge=1, description="After so many failures in a row a source's circuit breaker opens."
    )
    fetcher_breaker_first_seconds: float = Field(
        5,
        gt=0,
        description="How long the breaker is open at first; doubles with each failed probe.",
    )
    fetcher_breaker_longest_seconds: float = Field(
        120, gt=0, description="How long the breaker is open at most before the next probe."
    )
    fetcher_unknown_booking_fault: Annotated[str, AfterValidator(_is_pattern)] = Field(
        UNKNOWN_BOOKING_FAULT,
        description="Regular expression: a Fault whose text it matches says that the booking is"
        " not known. All other Faults are retried.",
    )

    @property
    def most_in_flight(self) -> int:
        """At most a quarter of the threads for one source, so that others find some free."""
        return max(1, self.fetcher_concurrency // 4)

    @property
    def breaker_waits(self) -> tuple[timedelta, timedelta]:
        """The first and the longest wait of an open breaker."""
        return (
            timedelta(seconds=self.fetcher_breaker_first_seconds),
            timedelta(seconds=self.fetcher_breaker_longest_seconds),
        )
