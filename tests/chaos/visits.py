"""Several visits in one history: what must not be confused, and what belongs together."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.chaos.cases import History, Source, Step
from tests.chaos.clinic import Clinic

_BATCH = 10
_FAMILY = 3
_MOST_OLD_ENTRIES = 4


@dataclass(frozen=True)
class Scene:
    """Who may take part: `next_patient` sends in another one, `names` makes names of visits."""

    rng: random.Random
    source: Source
    next_patient: Callable[[], str]
    names: Iterator[str]
    lag: float = 0  # seconds after which the booking system shows what the index was told of
    careless: bool = False  # about upper and lower case
    elsewhere: Source | None = None  # another booking system, where the next patient is new, too

    def clinic(
        self,
        patient: str,
        *,
        waits: bool | None = None,
        like: Clinic | None = None,
        source: Source | None = None,
    ) -> Clinic:
        """`source`: where it is not the one of the scene."""
        at = source or self.source
        clinic = Clinic(self.rng, at, patient, next(self.names), waits=waits, like=like)
        clinic.lag = self.lag
        clinic.careless = self.careless
        return clinic

    def is_so(self) -> bool:
        return self.rng.random() < 0.5


def batch(scene: Scene) -> History:
    """Bookings of several patients in one request, as after a night's planning."""
    clinics = [scene.clinic(scene.next_patient()) for _ in range(_BATCH)]
    for clinic in clinics:
        clinic.books()
    return together(scene.rng, "batch", clinics)


def several(scene: Scene) -> History:
    """Several bookings of one patient in one request: composers meet at one inbox."""
    patient = scene.next_patient()
    clinics = [scene.clinic(patient) for _ in range(_FAMILY)]
    for clinic in clinics:
        clinic.books()
    return together(scene.rng, "several", clinics)


def unrelated(scene: Scene) -> History:
    """A visit is cancelled and another one booked close to it, of which nothing shows that it took
    its place: of another kind, or at another unit, or with nothing to compare."""
    old = scene.clinic(scene.next_patient(), waits=True)
    new = scene.clinic(old.patient, waits=True, like=old)
    _make_unlike(scene, old, new)
    old.books()
    new.idles()
    cancel_one_and_book_other(scene, old, new)
    return together(scene.rng, "unrelated", [old, new])


def _make_unlike(scene: Scene, old: Clinic, new: Clinic) -> None:
    elsewhere = [unit for unit in scene.source.units if unit != old.booking.unit]
    match scene.rng.randrange(3 if elsewhere else 2):
        case 0:
            old.state = replace(old.state, care="Läkarbesök")
            new.state = replace(new.state, care="Sjukgymnastik")
        case 1:
            old.state = replace(old.state, care="", performer="Alva Testlund")
            new.state = replace(new.state, care="", performer="Björn Prov")
        case _:
            new.booking = replace(new.booking, unit=scene.rng.choice(elsewhere))


def cancel_one_and_book_other(
    scene: Scene, old: Clinic, new: Clinic, books: Callable[[Clinic], None] = Clinic.books
) -> None:
    """In one request, or in two of which either is first."""
    if scene.is_so():
        old.cancels()
        books(new)
    elif scene.is_so():
        old.cancels()
        new.idles()
        old.idles()
        _at_once(new, lambda: books(new))
    else:
        old.idles()
        books(new)
        _at_once(old, old.cancels)
        new.idles()


def _at_once(clinic: Clinic, does: Callable[[], None]) -> None:
    """As the last step, without a wait for what was announced of the one before."""
    does()
    clinic.steps[-1] = replace(clinic.steps[-1], at_once=True, pause=clinic.rng.uniform(0, 0.5))


def one_of_two(scene: Scene) -> History:
    """Two visits of one kind stand side by side; one is cancelled, the other replaces nothing."""
    gone = scene.clinic(scene.next_patient(), waits=True)
    stays = scene.clinic(gone.patient, waits=True, like=gone)
    gone.books()
    stays.books()
    gone.cancels()
    stays.idles()
    return together(scene.rng, "one_of_two", [gone, stays])


def ambiguous(scene: Scene) -> History:
    """Two visits of one kind are removed and one is created: nobody can say whose place it took."""
    first = scene.clinic(scene.next_patient(), waits=True)
    second = scene.clinic(first.patient, waits=True, like=first)
    new = scene.clinic(first.patient, waits=True, like=first)
    for clinic in (first, second):
        clinic.books()
        clinic.cancels()
    new.idles()
    new.books()
    return together(scene.rng, "ambiguous", [first, second, new])


def cleaned_up(scene: Scene) -> History:
    """Old entries are removed in the request of a rebooking, a cancellation or a new booking."""
    main = scene.clinic(scene.next_patient())
    old_ones = [_OldEntry(scene, main) for _ in range(scene.rng.randint(1, _MOST_OLD_ENTRIES))]
    main.books()
    for old in old_ones:
        old.stands()
    scene.rng.choice((Clinic.rebooks, Clinic.rebooks, Clinic.cancels, Clinic.moves))(main)
    for old in old_ones:
        old.is_cleaned_up()
    cases = [old.clinic.case("old_entry") for old in old_ones]
    history = together(scene.rng, "cleaned_up", [main, *(old.clinic for old in old_ones)])
    return replace(history, cases=(history.cases[0], *cases))


class _OldEntry:
    """An entry of the index that says nothing to its patient: its time has passed, or it was never
    announced to anybody."""

    def __init__(self, scene: Scene, main: Clinic) -> None:
        self.clinic = scene.clinic(main.patient, waits=False, like=main)
        self._rng = scene.rng
        self._has_passed = scene.is_so()
        if self._has_passed:
            self.clinic.state = replace(self.clinic.state, starts="20200203100000")

    def stands(self) -> None:
        """A passed one in its booking system, and perhaps new to the index. Others are gone."""
        clinic = self.clinic
        if not self._has_passed:
            clinic.idles()
            return
        told = [clinic.engagement(clinic.booking)] if self._rng.random() < 0.5 else []
        clinic.step(told, puts=[(clinic.booking, clinic.state)])
        clinic.is_gone()

    def is_cleaned_up(self) -> None:
        clinic = self.clinic
        gone = [clinic.booking] if self._rng.random() < 0.5 else []
        clinic.step([clinic.engagement(clinic.booking, removed=True)], removes=gone)
        clinic.is_gone()


def clinic_moved(scene: Scene) -> History:
    """A clinic with visits of several patients moves: all keep ids and times at another unit."""
    [unit, elsewhere] = scene.rng.sample(scene.source.units, 2)
    clinics = [
        clinic
        for patient in [scene.next_patient() for _ in range(scene.rng.randint(1, 3))]
        for clinic in [scene.clinic(patient, waits=True) for _ in range(scene.rng.randint(1, 3))]
    ]
    how = scene.rng.choice(("one request", "one request", "removed first", "created first"))
    forwards = scene.is_so()
    for clinic in clinics:
        clinic.booking = replace(clinic.booking, unit=unit)
        clinic.books()
        if how == "one request":
            clinic.moves_to_unit(elsewhere, forwards=forwards)
        else:
            clinic.moves_to_unit_apart(elsewhere, removal_first=how == "removed first")
    return together(scene.rng, "clinic_moved", clinics)


def renumbered(scene: Scene) -> History:
    """The patient gets another person number: removed under the old, created under the new one."""
    old = scene.clinic(scene.next_patient())
    new = scene.clinic(scene.next_patient(), waits=old.waits, like=old)
    new.booking = old.booking
    new.state = replace(old.state, patient=new.patient)
    old.books()
    new.idles()
    _renumber(scene, old, new)
    doing = scene.rng.choice((None, Clinic.moves, Clinic.cancels))
    if doing:
        old.idles()
        doing(new)
    history = together(scene.rng, "renumbered", [old, new])
    cases = (
        replace(history.cases[0], cancelled_later=doing is Clinic.cancels),
        replace(history.cases[1], former_number=old.patient),
    )
    return replace(history, cases=cases)


def _renumber(scene: Scene, old: Clinic, new: Clinic) -> None:
    """In one request, or in two of which either is first. The booking system changes first."""
    removed = [old.engagement(old.booking, removed=True)]
    if scene.is_so():
        old.step(removed)
        old.is_gone(silently=True)
        new.books()
    elif scene.is_so():
        old.step(removed, puts=[(new.booking, new.state)])
        old.is_gone(silently=True)
        new.idles()
        old.idles()
        _at_once(new, new.books)
    else:
        old.idles()
        new.books()
        _at_once(old, lambda: old.step(removed))
        old.is_gone(silently=True)
        new.idles()


def together(rng: random.Random, story: str, clinics: Sequence[Clinic]) -> History:
    """Their first steps in one request, their second ones in the next, and so on."""
    columns = zip(*(clinic.steps for clinic in clinics), strict=True)
    steps = tuple(_in_one(rng, column) for column in columns)
    return History(steps, tuple(clinic.case(story) for clinic in clinics))


def _in_one(rng: random.Random, steps: Sequence[Step]) -> Step:
    transactions = [one for step in steps for one in step.transactions]
    rng.shuffle(transactions)
    awaits: Counter[tuple[str, str]] = Counter()
    for step in steps:
        awaits.update(dict(step.awaits))
    return Step(
        tuple(transactions),
        tuple(put for step in steps for put in step.puts),
        tuple(gone for step in steps for gone in step.removes),
        max(step.pause for step in steps),
        tuple(awaits.items()),
        any(step.at_once for step in steps),
        max(step.lag for step in steps),
    )


#: Each usual story of several visits, and how many of a hundred histories it is.
VISITS: dict[str, tuple[float, Callable[[Scene], History]]] = {
    "batch": (1.5, batch),
    "several": (2, several),
    "unrelated": (6, unrelated),
    "one_of_two": (2, one_of_two),
    "ambiguous": (1, ambiguous),
    "cleaned_up": (5, cleaned_up),
    "clinic_moved": (2, clinic_moved),
    "renumbered": (5, renumbered),
}

#: Stories that need a booking system with several units.
OF_SEVERAL_UNITS = frozenset({"clinic_moved", "moved_quietly"})
