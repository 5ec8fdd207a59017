"""One patient's visit at one booking system: what happens to it, and what the index is told."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sandbox.engagements import Transaction
from shared.booking.identity import hsa_key
from tests.chaos.telling import Booking, Moment, State, Telling, Ways, always_one_change, tellings

_PERFORMERS = ("Alva Testlund", "Björn Prov", "Cecilia Exempel", "David Påhitt")
#: Kinds of visit. Some systems say none; then the performer is the evidence.
_CARES = ("Läkarbesök", "Sjukgymnastik", "Ögonundersökning", "")

#: Of these nothing may ever be announced.
SILENT = frozenset({"passed", "mixed_up", "not_activated", "odd_person", "old_entry"})


@dataclass(frozen=True, slots=True)
class Source:
    """A booking system and the units that use it. All are HSA-ids.

    `activates_at`: seconds from the start until it is activated; 0: it is from the start.
    """

    hsa_id: str
    units: tuple[str, ...]
    activated: bool = True
    activates_at: float = 0


#: Whose messages are awaited, and how many.
Awaited = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """First the booking system changes, then it tells the index, in one request.

    `pause` seconds lie before it. `awaits`: how many messages must have been written before it
    begins. `at_once`: it belongs to the step before it, whatever happens. `lag`: so many seconds
    later the booking system shows the change.
    """

    transactions: tuple[Transaction, ...]
    puts: tuple[tuple[Booking, State], ...] = ()
    removes: tuple[Booking, ...] = ()
    pause: float = 0
    awaits: tuple[Awaited, ...] = ()
    at_once: bool = False
    lag: float = 0


@dataclass(frozen=True, slots=True)
class Case:
    """One patient's visit and what may be announced of it."""

    story: str
    patient: str
    source: Source
    moments: tuple[tuple[Moment, ...], ...]  # what is known to be true after 1, 2, … steps
    silent: bool = False  # whatever happens, nothing is to be announced
    mixed_up: bool = False  # the booking system answers about another patient
    unreadable: bool = False  # nobody can say whom its engagement is about
    early: bool = False  # created before its booking system was activated: it may be ignored
    lags: bool = False  # its booking system tells the index before it shows a change
    former_number: str = ""  # of the patient, who had this visit under that number

    @property
    def bookings(self) -> frozenset[str]:
        """The ids of all bookings that this visit ever has."""
        return frozenset(moment.booking.booking_id for moment in self.moments[-1])

    @property
    def first_booking(self) -> Booking:
        return self.moments[-1][0].booking

    @property
    def is_rebooked(self) -> bool:
        """Whether it is ever another booking than before."""
        return len({moment.booking for moment in self.moments[-1]}) > 1

    def tellings(self, steps: int, ways: Ways = always_one_change) -> frozenset[Telling]:
        """What may be announced when only the first `steps` came to pass."""
        silent = self.silent or steps == 0
        told = tellings(() if silent else self.moments[steps - 1], ways)
        return told | {()} if self.early else told

    @property
    def dies(self) -> bool:
        """Whether it must end as a dead letter."""
        return self.mixed_up or self.unreadable


@dataclass(frozen=True, slots=True)
class History:
    """Steps that follow each other, and the cases they belong to."""

    steps: tuple[Step, ...]
    cases: tuple[Case, ...]


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
        self._times = iter(_times(rng))
        self.steps: list[Step] = []
        self.moments: list[tuple[Moment, ...]] = []
        self.waits = rng.random() < 0.5 if waits is None else waits
        self.lag = 0.0
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
        self.state = replace(self.state, starts="20200203100000")
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
            lags=self.lag > 0,
        )

    def idles(self) -> None:
        """A step in which nothing happens here, but in other visits of the same history."""
        self.steps.append(Step((), awaits=self._awaited()))
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
        awaits = () if at_once else self._awaited()
        pause = pause or self._pause(at_once=at_once)
        changes = tuple(puts), tuple(removes)
        self.steps.append(Step(tuple(transactions), *changes, pause, awaits, at_once, self.lag))

    def engagement(self, booking: Booking, *, removed: bool = False, **other: str) -> Transaction:
        said = {
            "deleteFlag": removed,
            "registeredResidentIdentification": self.patient,
            "logicalAddress": booking.unit,
            "businessObjectInstanceIdentifier": booking.booking_id,
            "sourceSystem": self.source.hsa_id,
            "mostRecentContent": None if removed else self.state.starts or None,
            **other,
        }
        return Transaction.model_validate(said)

    def is_gone(self, *, silently: bool = False) -> None:
        self._then(Moment(self.booking, None, silently=silently))

    def _books_as(self, **odd: str) -> None:
        self.step(
            [self.engagement(self.booking, removed=False, **odd)], puts=[(self.booking, self.state)]
        )
        self._is_so()

    def _awaited(self) -> tuple[Awaited, ...]:
        number = self._lines_so_far() if self.waits else 0
        return ((self.patient, number),) if number else ()

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


def is_of(case: Case) -> tuple[str, str]:
    """Patient and booking system: where the case's messages lie."""
    return case.patient, hsa_key(case.source.hsa_id)


def _times(rng: random.Random) -> list[str]:
    """Different times of visits, all of them well ahead."""
    today = datetime.now().replace(minute=0, second=0, microsecond=0)  # noqa: DTZ005 - days ahead
    days = rng.sample(range(10, 300), 8)
    return [
        f"{today + timedelta(days=day):%Y%m%d}{rng.randint(8, 16):02}{rng.choice((0, 15, 30)):02}00"
        for day in days
    ]
