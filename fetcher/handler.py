"""Decides whether the source may be asked now, and what follows from its answer."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from fetcher.answers import Answer, CallFailed, Timeslot
from fetcher.limits import Permit, Source, SourceWaitReason, Wait
from fetcher.verification import Mismatch, mismatch, same_person
from shared.base.clock import Clock, is_of_the_future
from shared.booking.identity import BookingKey, service_domain
from shared.booking.messages import BookingChange, FetchedBooking, MismatchWait
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Postpone, Publish, RetryLater

_NO_TIME = timedelta(0)
#: A reply that is not explained is looked at again after this part of the time for it.
_FIRST_LOOK = 24
#: And no later than after this part, so that an outage of the relay is noticed.
_LONGEST_LOOK = 4
#: However often the relay was away, it is an incident after so many times the time for it.
_MOST_WAITS = 10
#: Later than this a look is late: delays and a busy relay alone make it less.
_IN_TIME = timedelta(seconds=5)
#: Why a source may not be asked for a long time, whatever the rate.
_NOT_ASKED = {SourceWaitReason.BREAKER_OPEN, SourceWaitReason.SOURCE_PAUSED}


class FetchDropReason(StrEnum):
    SOURCE_NOT_ACTIVATED = "source_not_activated"  # removed from the register on the way here
    TIME_PASSED = "time_passed"  # the visit began before the source could be asked


class FetchDeadReason(StrEnum):
    REPLY_MISMATCH = "reply_mismatch"
    UNKNOWN_SERVICE_DOMAIN = "unknown_service_domain"


class MismatchWaitReason(StrEnum):
    """Why a change waits whose reply is about another patient or unit."""

    NOT_EXPLAINED_YET = "mismatch_not_explained_yet"


class ReplyMismatch(Exception):
    """The reply is about something else. The text names which part differs, never its value."""

    def __init__(self, what: Mismatch) -> None:
        super().__init__(f"the reply is about another {what}")


class Contract(Protocol):
    """One service contract by which booking details are fetched."""

    def fetch(self, booking: BookingKey, correlation_id: str) -> Answer:
        """Ask the source that has `booking`. Raises `CallFailed`."""

    def visit_starts(self, change: BookingChange) -> datetime | None:
        """The start of the visit according to the notification, if it holds one."""


class Register(Protocol):
    def find(self, hsa_id: str) -> Source | None:
        """The activated source system of that HSA-id. Raises `Unavailable`."""


class AdmissionControl(Protocol):
    def admit(self, source: Source, slot: datetime | None) -> Permit | Wait:
        """A permit for one call to `source` now, or when to ask again. Raises `Unavailable`."""


class KnownBookings(Protocol):
    def has(self, booking: BookingKey) -> bool:
        """Whether the index has named `booking` before. Raises `Unavailable`."""


class Alarm(Protocol):
    def mismatch(self, source: Source, what: Mismatch) -> None:
        """A source answered about another `what`: a safety incident."""


class FetchHandler:
    """Turns a change into the booking as the source has it.

    `contracts` are by service domain, normalised. The composer judges whether the answer can be
    believed yet, and may have the source asked again.
    """

    def __init__(
        self,
        contracts: Mapping[str, Contract],
        register: Register,
        limits: AdmissionControl,
        alarm: Alarm,
        known: KnownBookings,
        clock: Clock,
        *,
        explained_within: timedelta = _NO_TIME,
    ) -> None:
        """`explained_within`: how long the index may still explain that the reply about a creation
        is about another person number or unit; only then is it an incident."""
        self._contracts = contracts
        self._register = register
        self._limits = limits
        self._alarm = alarm
        self._known = known
        self._clock = clock
        self._explained_within = explained_within

    def __call__(self, change: BookingChange) -> Outcome:
        contract = self._contracts.get(service_domain(change.service_domain))
        if contract is None:
            return DeadLetter(FetchDeadReason.UNKNOWN_SERVICE_DOMAIN)
        source = self._register.find(change.booking.source_system)
        if source is None:
            return Drop(FetchDropReason.SOURCE_NOT_ACTIVATED)
        wrong = is_of_the_future(change.slot_given_at, self._clock())
        admission = self._limits.admit(source, None if wrong else change.slot)
        if isinstance(admission, Wait):
            return self._wait(change, contract, admission)
        return self._fetch(change, contract, source, admission)

    def _wait(self, change: BookingChange, contract: Contract, wait: Wait) -> Outcome:
        """Come back at `wait.until`, unless the source is not asked now and the visit has begun."""
        if wait.reason in _NOT_ASKED and self._is_over(change, contract):
            return Drop(FetchDropReason.TIME_PASSED)
        now = self._clock()
        later = change.model_copy(update={"slot": wait.slot, "slot_given_at": now})
        if later.mismatch and wait.until > later.mismatch.due:
            due = later.mismatch.model_copy(update={"due": wait.until})
            later = later.model_copy(update={"mismatch": due})
        return Postpone(max(wait.until - now, _NO_TIME), wait.reason, later)

    def _fetch(
        self, change: BookingChange, contract: Contract, source: Source, permit: Permit
    ) -> Outcome:
        try:
            with permit:
                answer = contract.fetch(change.booking, change.correlation_id)
        except CallFailed as trouble:
            for timeslot in trouble.about:
                if (what := mismatch(change.booking, timeslot)) is not None:
                    return self._incident(source, what)
            if self._is_over(change, contract):
                return Drop(FetchDropReason.TIME_PASSED)
            return RetryLater(trouble.reason, trouble)
        what = mismatch(change.booking, answer.timeslot)
        if what is None:
            details = answer.timeslot.details if answer.timeslot else None
            return _publish(change, answer, details=details)
        if answer.timeslot and _can_be_explained(change, answer.timeslot, what):
            if self._is_explained(change, answer.timeslot, what):
                return _publish(change, answer, details=None, **_elsewhere(answer.timeslot, what))
            return self._look_again(change) or self._incident(source, what)
        return self._incident(source, what)

    def _look_again(self, change: BookingChange) -> Postpone | None:
        """Twice as late each time, and at the end; None when that is over.

        Booking systems change their own store first and tell the index then. A look that comes late
        begins the wait anew: the relay was away, and the explanation that was taken meanwhile is
        still on its way.
        """
        now, within = self._clock(), self._explained_within
        waited = change.mismatch or MismatchWait(since=now, until=now + within, due=now)
        until = min(waited.until, now + within)
        is_late = now - waited.due > max(within / _FIRST_LOOK, _IN_TIME)
        if is_late and now - waited.since < _MOST_WAITS * within:
            until = now + within
        rest = until - now
        if rest <= _NO_TIME:
            return None
        delay = min(max(within / _FIRST_LOOK, within - rest), within / _LONGEST_LOOK, rest)
        wait = MismatchWait(since=waited.since, until=until, due=now + delay)
        again = change.model_copy(update={"slot": None, "slot_given_at": None, "mismatch": wait})
        return Postpone(delay, MismatchWaitReason.NOT_EXPLAINED_YET, again)

    def _is_explained(self, change: BookingChange, timeslot: Timeslot, what: Mismatch) -> bool:
        """Of a removal the composer judges that; a creation is explained by the request itself, or
        by what the index has said of the booking since."""
        if change.deleted:
            return True
        if what is Mismatch.PATIENT and change.renumbered:
            return same_person(timeslot.patient, change.renumbered)
        try:
            return self._known.has(change.booking.replaced(**_place_in(timeslot, what)))
        except ValueError:
            return False  # no person number, or no HSA-id

    def _incident(self, source: Source, what: Mismatch) -> DeadLetter:
        self._alarm.mismatch(source, what)
        return DeadLetter(FetchDeadReason.REPLY_MISMATCH, ReplyMismatch(what))

    def _is_over(self, change: BookingChange, contract: Contract) -> bool:
        """Whether the visit was ahead when the notification came, and has begun since.

        Used for failing calls only, so that retries end. A time that had passed when the
        notification came proves nothing: for an open call letter it is not the start of a visit.
        """
        starts = contract.visit_starts(change)
        return starts is not None and change.received_at < starts <= self._clock()


def _publish(change: BookingChange, answer: Answer, **found: Any) -> Publish:
    return Publish((FetchedBooking(**change.said, fetched_at=answer.asked_at, **found),))


def _can_be_explained(change: BookingChange, timeslot: Timeslot, what: Mismatch) -> bool:
    """Whether the booking may have moved, or its patient got another number, before the source was
    asked: it must be that booking, and the reply must say whose it is."""
    if timeslot.booking_id != change.booking.booking_id.strip():
        return False
    return what is Mismatch.UNIT or (what is Mismatch.PATIENT and bool(timeslot.patient))


def _place_in(timeslot: Timeslot, what: Mismatch) -> dict[str, str]:
    """What of the booking's key the reply has otherwise."""
    if what is Mismatch.UNIT:
        return {"logical_address": timeslot.details.unit}
    return {"patient": timeslot.patient}


def _elsewhere(timeslot: Timeslot, what: Mismatch) -> dict[str, Any]:
    """Where the booking is according to the reply. None of its details are passed on."""
    if what is Mismatch.UNIT:
        return {"moved_to": timeslot.details.unit}
    return {"of_another_patient": True}
