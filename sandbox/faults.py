"""Faults that scripts inject, and how long each lasts.

A fault lasts for a time (`seconds`), for a number of calls (`count`), for the shorter of both, or,
with neither, until it is deleted.
"""

import asyncio
import time
from collections.abc import Callable, Container
from contextlib import suppress
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.booking.identity import hsa_key

Clock = Callable[[], float]


class BookingFault(StrEnum):
    """What can be wrong with a booking system (docs/domain.md, "Producers' quirks")."""

    LATENCY = "latency"  # answers after latency_seconds
    FAULT = "fault"  # SOAP Fault, HTTP 500
    HANG = "hang"  # accepts the call and answers only when the fault is over
    HANG_UP = "hang-up"  # cuts the connection in the middle of the reply
    REFUSE = "refuse"  # cuts the connection without a byte
    WRONG_PATIENT = "wrong-patient"
    WRONG_UNIT = "wrong-unit"
    WRONG_BOOKING = "wrong-booking"
    NO_TIMESLOT = "no-timeslot"  # an empty reply, as some give for an unknown booking
    UNKNOWN_FAULT = "unknown-fault"  # a Fault "unknown booking", as others give
    EMPTY_ELEMENTS = "empty-elements"  # <resourceID/> for all that is not known
    NO_ALLOWED_FLAGS = "no-allowed-flags"
    VERSION_1_0 = "v1.0"  # without isInvitation
    PERFORMER_TYPE = "performer-type"  # the performer's title in place of the HSA-id
    HSA_CASE = "hsa-case"  # HSA-ids in another case than asked for
    GARBAGE = "garbage"  # an error page in HTML
    SLOW_DRIP = "slow-drip"  # the reply in small pieces over drip_seconds


class SmsFault(StrEnum):
    """What can be wrong with the SMS provider."""

    LATENCY = "latency"
    FAULT = "fault"  # HTTP 500
    REFUSE = "refuse"  # HTTP 400, or `status`
    TOO_MANY = "429"
    HANG = "hang"  # not taken; answers 503 when the fault is over
    HANG_UP = "hang-up"  # not taken; the connection is cut
    TIMEOUT_AFTER_ACCEPT = "timeout-after-accept"  # taken and sent, and no answer
    HANG_UP_AFTER_ACCEPT = "hang-up-after-accept"  # taken and sent; the connection is cut
    UNDELIVERED = "undelivered"  # taken; the delivery report says "failed"
    # How the reply is sent, whatever it holds:
    SLOW_DRIP = "slow-drip"  # in small pieces over drip_seconds
    TOO_LARGE = "too-large"  # 64 MiB of blanks before the reply
    GZIP_BOMB = "gzip-bomb"  # 64 MiB of blanks, compressed
    GARBAGE = "garbage"  # a page in HTML in place of the reply
    DEEP_JSON = "deep-json"  # JSON nested 5,000 deep in place of the reply


class SmtpFault(StrEnum):
    """What can be wrong with the mail server."""

    LATENCY = "latency"
    FAULT = "fault"  # 451, or `status`: try again later
    REFUSE = "refuse"  # 550, or `status`: for good
    HANG = "hang"  # not taken; 421 when the fault is over
    HANG_UP = "hang-up"  # not taken; the connection is cut
    TIMEOUT_AFTER_ACCEPT = "timeout-after-accept"  # taken, and no answer
    REPLY = "reply"  # taken; `text` is the whole reply, such as "25" or "200 fine"
    ENDLESS = "endless"  # a greeting without end
    SLOW_DRIP = "slow-drip"  # the same a byte at a time, twenty over drip_seconds


class IndexFault(StrEnum):
    """What can be wrong between the index and its subscriber."""

    ANSWER_LOST = "answer-lost"  # an answer, no Fault, does not arrive: sent again though taken


class BadFault(ValueError):
    """There is no such fault, or no such field of one. The text names it."""


class FaultTerms(BaseModel):
    """The terms of a fault. `status` and `text` are for faults that answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    seconds: float | None = Field(None, gt=0)
    count: int | None = Field(None, gt=0)
    latency_seconds: float = Field(1.0, ge=0)
    drip_seconds: float = Field(5.0, ge=0)
    status: int | None = Field(None, ge=200, le=599)
    text: str = "a fault injected into the sandbox"
    retry_after: str | None = Field(None, alias="retryAfter")  # header of 429 and 503, as it is
    booking_id: str | None = Field(None, alias="bookingId")  # only when this booking is asked for


class Fault:
    """One injected trouble, from its injection until it is over."""

    def __init__(self, terms: FaultTerms, clock: Clock) -> None:
        self.terms = terms
        self._clock = clock
        self._until = clock() + terms.seconds if terms.seconds else None
        self._left = terms.count
        self._ended = asyncio.Event()
        self._waiting = 0

    @property
    def over(self) -> bool:
        return self._ended.is_set() or (self._until is not None and self._clock() >= self._until)

    @property
    def forgettable(self) -> bool:
        """Whether it is over, or used up and holds no caller any longer."""
        return self.over or (self._left == 0 and not self._waiting)

    @property
    def stands(self) -> bool:
        return not self.over and self._left != 0

    def strikes(self, booking_id: str) -> bool:
        return self.stands and self.terms.booking_id in (None, booking_id)

    def spend(self) -> None:
        if self._left is not None:
            self._left -= 1

    def end(self) -> None:
        self._ended.set()

    async def until_over(self) -> None:
        """Hold the caller until the fault ends, even when its count is used up."""
        left = None if self._until is None else max(0.0, self._until - self._clock())
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), left)
        finally:
            self._waiting -= 1

    def listing(self) -> dict[str, object]:
        said = self.terms.model_dump(by_alias=True, exclude_unset=True)
        return {**said, "left": self._left}


class FaultBook:
    """The faults of several targets (HSA-ids in any case, or `sms`, `sinch`, `smtp`, `index`)."""

    def __init__(self, kinds: type[StrEnum], clock: Clock = time.monotonic) -> None:
        self._kinds = kinds
        self._clock = clock
        self._faults: dict[str, list[Fault]] = {}

    def add(self, target: str, terms: object) -> None:
        """Inject a fault. Raises `BadFault`, naming what is wrong and which kinds there are."""
        fault = Fault(self._terms(terms), self._clock)
        faults = self._faults.setdefault(hsa_key(target), [])
        faults[:] = [known for known in faults if not known.forgettable]
        faults.append(fault)

    def end(self, target: str) -> int:
        """End all faults of `target`; their number."""
        faults = self._faults.pop(hsa_key(target), [])
        for fault in faults:
            fault.end()
        return len(faults)

    def end_all(self) -> None:
        for target in list(self._faults):
            self.end(target)

    def strike(
        self, target: str, booking_id: str = "", *, kinds: Container[str] | None = None
    ) -> dict[str, Fault]:
        """The faults that apply to this call, by kind. The count of each is reduced by one.

        `kinds`: only these can apply at this point of the call.
        """
        if not self._faults:
            return {}
        faults = self._faults.get(hsa_key(target), ())
        struck = {
            fault.terms.kind: fault
            for fault in faults
            if fault.strikes(booking_id) and (kinds is None or fault.terms.kind in kinds)
        }
        for fault in struck.values():
            fault.spend()
        return struck

    def listing(self) -> dict[str, list[dict[str, object]]]:
        listed = {
            target: [fault.listing() for fault in faults if fault.stands]
            for target, faults in self._faults.items()
        }
        return {target: faults for target, faults in listed.items() if faults}

    def _terms(self, said: object) -> FaultTerms:
        try:
            terms = FaultTerms.model_validate(said)
        except ValidationError as error:
            raise BadFault(said_wrong(error)) from None
        kinds = [kind.value for kind in self._kinds]
        if terms.kind not in kinds:
            raise BadFault(f"kind: {terms.kind!r} is none of {', '.join(kinds)}")
        return terms


def said_wrong(error: ValidationError) -> str:
    """Which fields of a JSON document are wrong and how, without their values."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults
    )
