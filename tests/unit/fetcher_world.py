"""A fetch handler with everything around it faked."""

from collections.abc import Callable
from datetime import timedelta

from fetcher.answers import Answer, CallFailed, FetchRetryReason, Timeslot
from fetcher.crm_scheduling import CrmScheduling
from fetcher.handler import FetchHandler
from fetcher.limits import Source, SourceLimits
from fetcher.verification import Mismatch
from shared.base.breaker import BreakerPolicy
from shared.booking.identity import BookingKey
from shared.booking.messages import BookingChange, BookingDetails, FetchedBooking
from shared.relay.outcomes import Outcome, Publish
from tests.booking_samples import (
    BOOKING,
    NOON,
    HandClock,
    LineInMemory,
    SampleSource,
)

ASKED = NOON + timedelta(seconds=1)
DETAILS = BookingDetails(starts="20261203090000", unit=BOOKING.logical_address)
OTHER_UNIT = BookingDetails(unit="SE2321000016-OTHER")
TIMED_OUT = CallFailed(FetchRetryReason.TIMED_OUT, "ReadTimeout")


class Client:
    """Stands for `BookingsClient`: answers, or fails, as it was told."""

    def __init__(self, says: Timeslot | Exception | None) -> None:
        self.says = says
        self.asked: list[tuple[BookingKey, str]] = []

    def get_booking_details(self, booking: BookingKey, correlation_id: str) -> Answer:
        self.asked.append((booking, correlation_id))
        if isinstance(self.says, Exception):
            raise self.says
        return Answer(ASKED, self.says)


class Register:
    def __init__(self, source: Source | Exception | None) -> None:
        self.source = source

    def find(self, hsa_id: str) -> Source | None:
        if isinstance(self.source, Exception):
            raise self.source
        return self.source if hsa_id == BOOKING.source_system else None


class Watch:
    def __init__(self) -> None:
        self.mismatches: list[Mismatch] = []
        self.results: list[str] = []
        self.openings: list[bool] = []

    def mismatch(self, source: Source, what: Mismatch) -> None:
        self.mismatches.append(what)

    def call_ended(self, source: Source, result: str, seconds: float) -> None:
        self.results.append(result)

    def breaker_changed(self, source: Source, *, is_open: bool) -> None:
        self.openings.append(is_open)


class Known:
    """The Protocol `fetcher.handler.KnownBookings`, in memory."""

    def __init__(self) -> None:
        self.digests: set[str] = set()

    def has(self, booking: BookingKey) -> bool:
        return booking.digest in self.digests


class World:
    """A handler with everything around it faked."""

    def __init__(
        self,
        says: Timeslot | Exception | None = None,
        source: Source | Exception | None = SampleSource(),  # noqa: B008 - frozen
        explained_within: timedelta = timedelta(0),
    ) -> None:
        self.clock = HandClock()
        self.client = Client(says)
        self.watch = Watch()
        self.line = LineInMemory()
        self.known = Known()
        policy = BreakerPolicy(3, timedelta(seconds=5), timedelta(seconds=60), lambda: 1.0)
        limits = SourceLimits(
            self.line, policy, most_in_flight=8, clock=self.clock, watch=self.watch
        )
        contracts = {"riv:crm:scheduling": CrmScheduling(self.client)}  # type: ignore[arg-type]
        self.handle: Callable[[BookingChange], Outcome] = FetchHandler(
            contracts,
            Register(source),
            limits,
            self.watch,
            self.known,
            self.clock,
            explained_within=explained_within,
        )


def published(outcome: Outcome) -> FetchedBooking:
    assert isinstance(outcome, Publish)
    (message,) = outcome.messages
    assert isinstance(message, FetchedBooking)
    return message
