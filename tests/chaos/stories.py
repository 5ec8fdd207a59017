"""The histories of bookings: what a booking system does, and what it tells the index of it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sandbox.engagements import Transaction
from tests.chaos.telling import Booking, Moment, State, Telling, tellings

_PERFORMERS = ("Alva Testlund", "Björn Prov", "Cecilia Exempel", "David Påhitt")


@dataclass(frozen=True, slots=True)
class Source:
    """A booking system and the units that use it. All are HSA-ids.

    `activates_at`: seconds from the start until it is activated; 0: it is from the start.
    """

    hsa_id: str
    units: tuple[str, ...]
    activated: bool = True
    activates_at: float = 0


@dataclass(frozen=True, slots=True)
class Step:
    """First the booking system changes, then it tells the index, in one request.

    `pause` seconds lie before it. `awaits`: how many messages must have been told before it begins.
    `at_once`: it belongs to the step before it, whatever happens.
    """

    transactions: tuple[Transaction, ...]
    puts: tuple[tuple[Booking, State], ...] = ()
    removes: tuple[Booking, ...] = ()
    pause: float = 0
    awaits: int = 0
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One patient's visit and what may be told of it."""

    story: str
    patient: str
    source: Source
    moments: tuple[tuple[Moment, ...], ...]  # what is known to be true after 1, 2, … steps
    silent: bool = False  # whatever happens, nothing is to be told
    mixed_up: bool = False  # the booking system answers about another patient
    unreadable: bool = False  # nobody can say whom its engagement is about
    early: bool = False  # told before its booking system was activated: it may be ignored

    @property
    def bookings(self) -> frozenset[str]:
        """The ids of all bookings that this visit ever has."""
        return frozenset(moment.booking.booking_id for moment in self.moments[-1])

    def tellings(self, steps: int) -> frozenset[Telling]:
        """What may be told when only the first `steps` came to pass."""
        silent = self.silent or steps == 0
        told = tellings(() if silent else self.moments[steps - 1])
        return told | {()} if self.early else told

    @property
    def dies(self) -> bool:
        """Whether it must end as a dead letter."""
        return self.mixed_up or self.unreadable


@dataclass(frozen=True, slots=True)
class History:
    """Steps that follow each other, and the cases they tell. With several cases: one request."""

    steps: tuple[Step, ...]
    cases: tuple[Case, ...]


class Clinic:
    """Makes the histories of one patient at one booking system.

    `waits`: each step waits until all before it was told, so that there is one telling only.
    """

    def __init__(self, rng: random.Random, source: Source, patient: str, name: str) -> None:
        self.rng = rng
        self._source = source
        self._patient = patient
        self._name = name
        self._bookings = 0
        self._times = iter(_times(rng))
        self._steps: list[Step] = []
        self._moments: list[tuple[Moment, ...]] = []
        self.waits = rng.random() < 0.5
        self.booking = self._another_booking()
        self.state = self._some_state()

    # --- what clinics do ---

    def books(self) -> None:
        self._books_as()

    def books_oddly(self) -> None:
        """With values that the contract forbids, the index lets through and nobody needs."""
        without_last_digit = self.state.starts[:-1]
        self._books_as(clinicalProcessInterestId=" ", mostRecentContent=without_last_digit)

    def books_for_odd_person(self) -> None:
        """With a person number of ten characters, which the index lets through."""
        self._books_as(registeredResidentIdentification=self._patient[2:])

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
        others = [name for name in _PERFORMERS if name != self.state.performer]
        self.state = replace(self.state, performer=self.rng.choice(others))
        # The index passes on only what has another mostRecentContent.
        changed_at = f"{self.state.starts[:-2]}01"
        self._books_as(mostRecentContent=changed_at)

    def call_is_answered(self) -> None:
        """The patient books a time: the call letter turns into a booking."""
        self.state = replace(self.state, is_call=False, starts=next(self._times))
        self.books()

    def cancels(self) -> None:
        gone = self.booking
        self._step([self._told(gone, removed=True)], removes=[gone])
        self._then(Moment(gone, None))

    def corrects(self) -> None:
        """Takes the entry out of the index, or puts another in its place; the booking stays."""
        removed = self._told(self.booking, removed=True)
        corrected = self._told(self.booking, dataController="SE0000000001")
        self._step([removed, corrected] if self.rng.random() < 0.5 else [removed])
        self._is_so()

    def rebooks(self) -> None:
        """By removing and creating, in one request."""
        old = self._replace_booking()
        told = [self._told(old, removed=True), self._told(self.booking)]
        self.rng.shuffle(told)
        self._step(told, puts=[(self.booking, self.state)], removes=[old])
        self._is_so()

    def rebooks_apart(self) -> None:
        """By removing and creating in requests of their own, in either order."""
        old = self._replace_booking()
        before = self._moments[-1]
        doings = [self._removes_apart, self._creates_apart]
        self.rng.shuffle(doings)
        doings[0](old, at_once=False)
        doings[1](old, at_once=True)
        self._moments += [before, (*before, Moment(self.booking, self.state, apart=True))]

    def _removes_apart(self, old: Booking, *, at_once: bool) -> None:
        self._step([self._told(old, removed=True)], removes=[old], at_once=at_once)

    def _creates_apart(self, _old: Booking, *, at_once: bool) -> None:
        told = [self._told(self.booking)]
        self._step(told, puts=[(self.booking, self.state)], at_once=at_once)

    # --- and how it is written down ---

    def history(self, story: str) -> History:
        return History(tuple(self._steps), (self.case(story),))

    def case(self, story: str) -> Case:
        silent = story in SILENT or not self._source.activated
        mixed_up = story == "mixed_up"
        moments = tuple(self._moments)
        return Case(
            story,
            self._patient,
            self._source,
            moments,
            silent,
            mixed_up,
            unreadable=story == "odd_person",
            early=story == "too_early",
        )

    @property
    def first_step(self) -> Step:
        return self._steps[0]

    def books_in_the_past(self) -> None:
        self.state = replace(self.state, starts="20200203100000")
        self.books()

    def _books_as(self, **odd: str) -> None:
        self._step([self._told(self.booking, **odd)], puts=[(self.booking, self.state)])
        self._is_so()

    def _step(
        self,
        transactions: Sequence[Transaction],
        *,
        puts: Sequence[tuple[Booking, State]] = (),
        removes: Sequence[Booking] = (),
        at_once: bool = False,
    ) -> None:
        awaits = 0 if at_once or not self.waits else self._lines_so_far()
        pause = self._pause(at_once=at_once)
        step = Step(tuple(transactions), tuple(puts), tuple(removes), pause, awaits, at_once)
        self._steps.append(step)

    def _lines_so_far(self) -> int:
        return len(next(iter(tellings(self._moments[-1])))) if self._moments else 0

    def _pause(self, *, at_once: bool) -> float:
        if not self._steps:
            return 0
        longest = 0.5 if at_once else self.rng.choice((0, 0.3, 3))
        return self.rng.uniform(0, longest)

    def _is_so(self) -> None:
        self._then(Moment(self.booking, self.state))

    def _then(self, moment: Moment) -> None:
        before = self._moments[-1] if self._moments else ()
        self._moments.append((*before, replace(moment, seen_for_sure=self.waits)))

    def _replace_booking(self) -> Booking:
        """By one with its id at another unit, or with another id at its unit."""
        old = self.booking
        elsewhere = [unit for unit in self._source.units if unit != old.unit]
        if elsewhere and self.rng.random() < 0.5:
            self.booking = replace(old, unit=self.rng.choice(elsewhere))
        else:
            self.booking = self._another_booking(old.unit)
        self.state = replace(self.state, starts=next(self._times))
        return old

    def _another_booking(self, unit: str = "") -> Booking:
        self._bookings += 1
        unit = unit or self.rng.choice(self._source.units)
        return Booking(unit, f"{self._name}-{self._bookings}")

    def _some_state(self) -> State:
        return State(next(self._times), self.rng.choice(_PERFORMERS))

    def _told(self, booking: Booking, *, removed: bool = False, **other: str) -> Transaction:
        said = {
            "deleteFlag": removed,
            "registeredResidentIdentification": self._patient,
            "logicalAddress": booking.unit,
            "businessObjectInstanceIdentifier": booking.booking_id,
            "sourceSystem": self._source.hsa_id,
            "mostRecentContent": None if removed else self.state.starts or None,
            **other,
        }
        return Transaction.model_validate(said)


def _times(rng: random.Random) -> list[str]:
    """Different times of visits, all of them well ahead."""
    today = datetime.now().replace(minute=0, second=0, microsecond=0)  # noqa: DTZ005 - days ahead
    days = rng.sample(range(10, 300), 8)
    return [
        f"{today + timedelta(days=day):%Y%m%d}{rng.randint(8, 16):02}{rng.choice((0, 15, 30)):02}00"
        for day in days
    ]


Story = Callable[[Clinic], None]

#: Of these nothing may ever be told.
SILENT = frozenset({"passed", "mixed_up", "not_activated", "odd_person"})


def _recreated(clinic: Clinic) -> None:
    clinic.books()
    clinic.cancels()
    clinic.moves()


def _rebooked_apart(clinic: Clinic) -> None:
    clinic.waits = True
    clinic.books()
    clinic.rebooks_apart()


def _not_activated(clinic: Clinic) -> None:
    """Some of it odd: what a system that is not activated sends is nobody's dead letter."""
    clinic.rng.choice((Clinic.books, Clinic.books_for_odd_person))(clinic)


def _in_order(*doings: Story) -> Story:
    def story(clinic: Clinic) -> None:
        for doing in doings:
            doing(clinic)

    return story


#: Each story, and how often it is told among a hundred.
STORIES: dict[str, tuple[int, Story]] = {
    "booked": (17, Clinic.books),
    "called": (6, Clinic.calls),
    "called_openly": (5, Clinic.calls_openly),
    "moved": (12, _in_order(Clinic.books, Clinic.moves)),
    "moved_twice": (4, _in_order(Clinic.books, Clinic.moves, Clinic.moves)),
    "changed": (5, _in_order(Clinic.books, Clinic.changes_performer)),
    "call_moved": (3, _in_order(Clinic.calls, Clinic.moves)),
    "call_answered": (5, _in_order(Clinic.calls_openly, Clinic.call_is_answered)),
    "call_expired": (2, _in_order(Clinic.calls_openly, Clinic.cancels)),
    "cancelled": (11, _in_order(Clinic.books, Clinic.cancels)),
    "recreated": (3, _recreated),
    "corrected": (5, _in_order(Clinic.books, Clinic.corrects)),
    "corrected_and_cancelled": (2, _in_order(Clinic.books, Clinic.corrects, Clinic.cancels)),
    "rebooked": (7, _in_order(Clinic.books, Clinic.rebooks)),
    "rebooked_and_cancelled": (3, _in_order(Clinic.books, Clinic.rebooks, Clinic.cancels)),
    "rebooked_apart": (4, _rebooked_apart),
    "passed": (1, Clinic.books_in_the_past),
    "not_activated": (1, _not_activated),
    "odd_elements": (2, Clinic.books_oddly),
    "odd_person": (1, Clinic.books_for_odd_person),
    "mixed_up": (1, Clinic.books),
}
