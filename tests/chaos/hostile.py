"""Stories that are meant to confuse: haste, crossings, ids that several share, mended mix-ups."""

from collections.abc import Callable
from dataclasses import replace

from tests.chaos.cases import IN_HASTE, History, Step
from tests.chaos.clinic import Clinic
from tests.chaos.telling import Booking, Moment, State
from tests.chaos.visits import Scene, cancel_one_and_book_other, together

#: Obviously nobody, and no patient of any plan.
_SOMEBODY_ELSE = "20121212ZZZZ"
#: Longer than the relay waits for what may explain a reply about somebody else, in seconds.
_UNEXPLAINED_SECONDS = 16.0


# --- of one visit ---


def chain_in_haste(clinic: Clinic) -> None:
    """A, B and C, each in the place of the one before, removed and created in requests of their
    own within a second or two."""
    _announced(clinic, Clinic.books)
    _in_haste(clinic, Clinic.rebooks_apart, Clinic.rebooks_apart)


def chain_cancelled(clinic: Clinic) -> None:
    """A, B in its place, and at once B is cancelled."""
    _announced(clinic, Clinic.books)
    _in_haste(clinic, Clinic.rebooks_apart, Clinic.cancels)


def call_booked_and_moved(clinic: Clinic) -> None:
    """A call letter turns into a booking, which moves to another unit."""
    clinic.rng.choice((Clinic.calls, Clinic.calls_openly))(clinic)
    clinic.call_is_answered()
    elsewhere = [unit for unit in clinic.source.units if unit != clinic.booking.unit]
    clinic.moves_to_unit(clinic.rng.choice(elsewhere), forwards=clinic.rng.random() < 0.5)


def undone(clinic: Clinic) -> None:
    """Cancelled by mistake, and put back at once, at the same time or another."""
    _announced(clinic, Clinic.books)
    _in_haste(clinic, Clinic.cancels, clinic.rng.choice((Clinic.moves, Clinic.books)))
    clinic.moments = [
        tuple(replace(moment, undone=moment.state is None) for moment in moments)
        for moments in clinic.moments
    ]


def mixed_up_and_moved(clinic: Clinic) -> None:
    """The system answers about somebody else, until it moves the visit."""
    _mixes_up(clinic)
    clinic.moves()
    clinic.steps[-1] = replace(clinic.steps[-1], pause=_some_seconds(clinic))


def mixed_up_and_mended(clinic: Clinic) -> None:
    """The system answers about somebody else, and is mended without a word to the index: it is for
    the operator to replay the dead letter."""
    right = _mixes_up(clinic)
    clinic.step([], puts=[(clinic.booking, right)])
    clinic.steps[-1] = replace(clinic.steps[-1], pause=_some_seconds(clinic))
    clinic.moments.append((Moment(clinic.booking, right),))


def _mixes_up(clinic: Clinic) -> State:
    right = clinic.state
    wrong = replace(right, patient=_SOMEBODY_ELSE)
    clinic.step([clinic.engagement(clinic.booking)], puts=[(clinic.booking, wrong)])
    clinic.moments.append(())
    return right


def _some_seconds(clinic: Clinic) -> float:
    """The letter of it is dead then, or not yet."""
    return clinic.rng.choice((clinic.rng.uniform(0, 5), _UNEXPLAINED_SECONDS))


def _announced(clinic: Clinic, doing: Callable[[Clinic], None]) -> None:
    clinic.waits = True
    doing(clinic)


def _in_haste(clinic: Clinic, *doings: Callable[[Clinic], None]) -> None:
    """When all before them is announced; then each without a wait for the one before."""
    awaits, begins = clinic.awaited(), len(clinic.steps)
    clinic.waits = False
    for doing in doings:
        doing(clinic)
    for number in range(begins, len(clinic.steps)):
        clinic.steps[number] = _hurried(clinic, clinic.steps[number])
    clinic.steps[begins] = replace(clinic.steps[begins], awaits=awaits, at_once=False)


def _hurried(clinic: Clinic, step: Step) -> Step:
    return replace(step, at_once=True, pause=clinic.rng.uniform(0, 0.5))


# --- of several visits ---


def crossing(scene: Scene) -> History:
    """Two visits of one patient, of different kinds, are rebooked at the same time, in requests of
    which some hold a half of each."""
    first = scene.clinic(scene.next_patient(), waits=True)
    second = scene.clinic(first.patient, waits=True, like=first)
    first.state = replace(first.state, care="Läkarbesök")
    second.state = replace(second.state, care="Sjukgymnastik")
    for clinic in (first, second):
        clinic.books()
    if scene.is_so():
        second.idles()
    for clinic in (first, second):
        clinic.rebooks_apart()
    if len(second.steps) > len(first.steps):
        first.idles()
    return together(scene.rng, "crossing", [first, second])


def shared_id(scene: Scene) -> History:
    """Units number their bookings themselves: another patient's has the same id at another unit,
    and appears when the first one is cancelled or moved. It may be one of which nothing is said."""
    mine = scene.clinic(scene.next_patient(), waits=True)
    theirs = scene.clinic(scene.next_patient(), waits=True)
    unit, elsewhere = scene.rng.sample(scene.source.units, 2)
    mine.booking = replace(mine.booking, unit=unit)
    theirs.booking = Booking(elsewhere, mine.booking.booking_id)
    mine.books()
    theirs.idles()
    books = scene.rng.choice((Clinic.books, _books_in_the_past, _books_nothing))
    cancel_one_and_book_other(scene, mine, theirs, books)
    history = together(scene.rng, "shared_id", [mine, theirs])
    if books is not Clinic.books:
        history = replace(history, cases=(history.cases[0], theirs.case("old_entry")))
    return history


def _books_in_the_past(clinic: Clinic) -> None:
    clinic.state = replace(clinic.state, starts="20200203100000")
    clinic.books()


def _books_nothing(clinic: Clinic) -> None:
    clinic.step([clinic.engagement(clinic.booking)])
    clinic.is_gone()


def two_systems(scene: Scene) -> History:
    """One patient has a booking with the same id in each of two booking systems; what becomes of
    one says nothing of the other."""
    assert scene.elsewhere is not None
    one = scene.clinic(scene.next_patient(), waits=True)
    other = scene.clinic(one.patient, waits=True, source=scene.elsewhere)
    other.booking = replace(other.booking, booking_id=one.booking.booking_id)
    for clinic in (one, other):
        clinic.books()
    scene.rng.choice((Clinic.cancels, Clinic.rebooks))(one)
    scene.rng.choice((Clinic.idles, Clinic.moves))(other)
    return together(scene.rng, "two_systems", [one, other])


#: Each story of one visit, and how often it happens among a hundred.
STORIES: dict[str, tuple[int, Callable[[Clinic], None]]] = {
    "chain_in_haste": (3, chain_in_haste),
    "chain_cancelled": (2, chain_cancelled),
    "call_booked_and_moved": (2, call_booked_and_moved),
    "undone": (2, undone),
    "mixed_up_and_moved": (1, mixed_up_and_moved),
    "mixed_up_and_mended": (1, mixed_up_and_mended),
}
#: Each story of several visits, and how many of a hundred histories it is.
VISITS: dict[str, tuple[float, Callable[[Scene], History]]] = {
    "crossing": (3, crossing),
    "shared_id": (2, shared_id),
    "two_systems": (2, two_systems),
}
#: As in `tests.chaos.visits`; and those of two systems, and of one that is not deactivated.
OF_SEVERAL_UNITS = frozenset({"call_booked_and_moved", "shared_id"})
OF_TWO_SYSTEMS = frozenset({"two_systems"})
OF_SYSTEMS_THAT_STAY = IN_HASTE | {"mixed_up_and_mended"}
