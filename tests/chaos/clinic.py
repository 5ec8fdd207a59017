"""One patient's visit at one booking system: what happens to it, and what the index is told."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sandbox.engagements import Transaction
from shared.booking.identity import hsa_key
from tests.chaos.cases import MENDED, SILENT, Awaited, Case, History, Source, Step
from tests.chaos.dates import passed_times, times_ahead
from tests.chaos.telling import Booking, Moment, State, tellings

_PERFORMERS = ("Alva Testlund", "Björn Prov", "Cecilia Exempel", "David Påhitt")
#: Kinds of visit. Some systems say none; then the performer is the evidence.
_CARES = ("Läkarbesök", "Sjukgymnastik", "Ögonundersökning", "")

#: The letters that a person number may have in lower case (docs/domain.md, "Person numbers").
_LOWER_CASE = str.maketrans("PTF", "ptf")


class Clinic:
    """Makes the history of one visit.

    `waits`: each step waits until all before it is announced, so that there is one telling only.
    `like`: another visit, of which this one is to have unit, kind and performer.
    """

    def __init__(
        self,
        rng: random.Random,
        source: Source,
        patient: str,
        name: str,
        *,
        waits: bool | None = None,
        like: "Clinic | None" = None,
    ) -> None:
        self.rng = rng
        self.patient = patient
        self.source = source
        self._name = name
        self._bookings = 0
        self._times = iter(times_ahead(rng))
        self.steps: list[Step] = []
        self.moments: list[tuple[Moment, ...]] = []
        self.waits = rng.random() < 0.5 if waits is None else waits
        self.lag = 0.0
        self.careless = False  # about upper and lower case
        self.booking: Booking = self._another_booking(like.booking.unit if like else "")
        self.state: State = self._some_state()
        if like:
            self.state = replace(like.state, patient=patient, starts=next(self._times))

    # --- what clinics do ---

    def books(self) -> None:
        self._books_as()

    def books_oddly(self) -> None:
        """With values that the contract forbids, the index lets through and nobody needs."""
        without_last_digit = self.state.starts[:-1]
        self._books_as(clinicalProcessInterestId=" ", mostRecentContent=without_last_digit)

    def books_for_odd_person(self) -> None:
        """With a person number of ten characters, which the index lets through."""
        self._books_as(registeredResidentIdentification=self.patient[2:])

    def books_in_the_past(self) -> None:
        self.state = replace(self.state, starts=self.rng.choice(passed_times()))
        self.books()

    def calls(self) -> None:
        self.state = replace(self.state, is_call=True)
        self.books()

    def calls_openly(self) -> None:
        self.state = replace(self.state, is_call=True, starts="")
        self.books()

    def moves(self) -> None:
        self.state = replace(self.state, starts=next(self._times))
        self.books()

    def changes_performer(self) -> None:
        self._is_with_somebody_else()
        # The index passes on only what has another mostRecentContent.
        changed_at = f"{self.state.starts[:-2]}01"
        self._books_as(mostRecentContent=changed_at)

    def call_is_answered(self) -> None:
        """The patient books a time: the call letter turns into a booking."""
        self.state = replace(self.state, is_call=False, starts=next(self._times))
        self.books()

    def cancels(self) -> None:
        gone = self.booking
        self.step([self.engagement(gone, removed=True)], removes=[gone])
        self.is_gone()

    def corrects(self) -> None:
        """Takes the entry out of the index, or puts another in its place; the booking stays."""
        removed = self.engagement(self.booking, removed=True)
        corrected = self.engagement(self.booking, dataController="SE0000000001")
        self.step([removed, corrected] if self.rng.random() < 0.5 else [removed])
        self._is_so()

    def rebooks(self) -> None:
        """By removing and creating, in one request."""
        old = self._replace_booking()
        told = [self.engagement(old, removed=True), self.engagement(self.booking)]
        self.rng.shuffle(told)
        self.step(told, puts=[(self.booking, self.state)], removes=[old])
        self._is_so()

    def rebooks_apart(self) -> None:
        """By removing and creating in requests of their own, in either order."""
        old = self._replace_booking()
        self.replaces_apart(old, removal_first=self.rng.random() < 0.5)

    def rebooks_late(self, seconds: float) -> None:
        """The same, but `seconds` apart."""
        old = self._replace_booking()
        self.replaces_apart(old, removal_first=self.rng.random() < 0.5, seconds=seconds)

    def call_is_followed(self, *, apart: bool) -> None:
        """The call is removed, and a booking created in its place."""
        self.state = replace(self.state, is_call=False)
        old = self._replace_booking()
        if apart:
            self.replaces_apart(old, removal_first=self.rng.random() < 0.5)
            return
        told = [self.engagement(old, removed=True), self.engagement(self.booking)]
        self.step(told, puts=[(self.booking, self.state)], removes=[old])
        self._is_so()

    def moves_to_unit(self, unit: str, *, forwards: bool) -> None:
        """As a clinic that moves: the same id and time at another unit, in one request.

        `forwards`: asked at the old unit, the booking system answers about the new one.
        """
        old = self._takes_to(unit)
        told = [self.engagement(old, removed=True), self.engagement(self.booking)]
        self.rng.shuffle(told)
        self._step_of_move(old, told, forwards=forwards)
        self._is_so()

    def moves_quietly(self, unit: str) -> None:
        """The index is told of the removal alone; asked about it, the system names the new unit."""
        old = self._takes_to(unit)
        self._step_of_move(old, [self.engagement(old, removed=True)], forwards=True)
        self._is_so()

    def moves_to_unit_apart(self, unit: str, *, removal_first: bool) -> None:
        self.replaces_apart(self._takes_to(unit), removal_first=removal_first)

    def _takes_to(self, unit: str) -> Booking:
        old, self.booking = self.booking, replace(self.booking, unit=unit)
        return old

    def _step_of_move(self, old: Booking, told: list[Transaction], *, forwards: bool) -> None:
        if forwards:
            former = old, replace(self.state, answers_as=self.booking.unit)
            self.step(told, puts=[(self.booking, self.state), former])
        else:
            self.step(told, puts=[(self.booking, self.state)], removes=[old])

    def replaces_apart(self, old: Booking, *, removal_first: bool, seconds: float = 0) -> None:
        """Remove `old` and create the present booking, in requests `seconds` apart, or at once."""
        before = self.moments[-1]
        removed = [self.engagement(old, removed=True)]
        created = [self.engagement(self.booking)]
        puts = [(self.booking, self.state)]
        changes: list[dict[str, Any]] = [{"removes": [old]}, {"puts": puts}]
        told = [removed, created]
        if not removal_first:
            changes.reverse()
            told.reverse()
        first, second = changes
        self.step(told[0], **first)
        self.step(told[1], at_once=True, pause=seconds, **second)
        now = Moment(self.booking, self.state, seen_for_sure=self.waits)
        self.moments += [before, (*before, now)]

    # --- how it is written down ---

    def history(self, story: str) -> History:
        return History(tuple(self.steps), (self.case(story),))

    def case(self, story: str) -> Case:
        return Case(
            story,
            self.patient,
            self.source,
            tuple(self.moments),
            silent=story in SILENT or not self.source.activated,
            mixed_up=story == "mixed_up",
            unreadable=story == "odd_person",
            early=story == "too_early",
            mended=story in MENDED,
            lags=self.lag > 0,
        )

    def idles(self) -> None:
        """A step in which nothing happens here, but in other visits of the same history."""
        self.steps.append(Step((), awaits=self.awaited()))
        self.moments.append(self.moments[-1] if self.moments else ())

    def step(
        self,
        transactions: Sequence[Transaction],
        *,
        puts: Iterable[tuple[Booking, State]] = (),
        removes: Iterable[Booking] = (),
        at_once: bool = False,
        pause: float = 0,
    ) -> None:
        awaits = () if at_once else self.awaited()
        pause = pause or self._pause(at_once=at_once)
        changes = tuple(puts), tuple(removes)
        self.steps.append(Step(tuple(transactions), *changes, pause, awaits, at_once, self.lag))

    def engagement(self, booking: Booking, *, removed: bool = False, **other: str) -> Transaction:
        said = {
            "deleteFlag": removed,
            "registeredResidentIdentification": self.spells(self.patient),
            "logicalAddress": self.spells(booking.unit),
            "businessObjectInstanceIdentifier": booking.booking_id,
            "sourceSystem": self.spells(self.source.hsa_id),
            "mostRecentContent": None if removed else self.state.starts or None,
            **other,
        }
        return Transaction.model_validate(said)

    def spells(self, identity: str) -> str:
        """An HSA-id, or a person number: careless systems write the same one in several ways."""
        if not self.careless:
            return identity
        if identity == self.patient:
            return self.rng.choice((identity, identity.translate(_LOWER_CASE)))
        return self.rng.choice((identity, identity.lower(), identity.swapcase()))

    def is_gone(self, *, silently: bool = False) -> None:
        self._then(Moment(self.booking, None, silently=silently))

    def _books_as(self, **odd: str) -> None:
        self.step(
            [self.engagement(self.booking, removed=False, **odd)], puts=[(self.booking, self.state)]
        )
        self._is_so()

    def awaited(self) -> tuple[Awaited, ...]:
        number = self._lines_so_far() if self.waits else 0
        bookings = self.patient, hsa_key(self.source.hsa_id)
        return ((bookings, number),) if number else ()

    def _lines_so_far(self) -> int:
        return len(next(iter(tellings(self.moments[-1])))) if self.moments else 0

    def _pause(self, *, at_once: bool) -> float:
        if not self.steps:
            return 0
        longest = 0.5 if at_once else self.rng.choice((0, 0.3, 3))
        return self.rng.uniform(0, longest)

    def _is_so(self) -> None:
        self._then(Moment(self.booking, self.state))

    def _then(self, moment: Moment) -> None:
        before = self.moments[-1] if self.moments else ()
        self.moments.append((*before, replace(moment, seen_for_sure=self.waits)))

    def _replace_booking(self) -> Booking:
        """By one with its id at another unit, or with another id at its unit.

        Where the system says the kind of visit, the performer may be another one.
        """
        old = self.booking
        elsewhere = [unit for unit in self.source.units if unit != old.unit]
        if elsewhere and self.rng.random() < 0.5:
            self.booking = replace(old, unit=self.rng.choice(elsewhere))
        else:
            self.booking = self._another_booking(old.unit)
        self.state = replace(self.state, starts=next(self._times))
        if self.state.care and self.rng.random() < 0.3:
            self._is_with_somebody_else()
        return old

    def _is_with_somebody_else(self) -> None:
        others = [name for name in _PERFORMERS if name != self.state.performer]
        self.state = replace(self.state, performer=self.rng.choice(others))

    def _another_booking(self, unit: str = "") -> Booking:
        self._bookings += 1
        unit = unit or self.rng.choice(self.source.units)
        return Booking(unit, f"{self._name}-{self._bookings}")

    def _some_state(self) -> State:
        performer, care = self.rng.choice(_PERFORMERS), self.rng.choice(_CARES)
        return State(next(self._times), performer, patient=self.patient, care=care)
