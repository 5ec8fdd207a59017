"""Everything that is going to happen in the booking systems, from a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, product
from string import ascii_uppercase

from shared.booking.notices import Channel
from tests.chaos import hostile, stories, visits
from tests.chaos.cases import Case, History, Source
from tests.chaos.clinic import Clinic
from tests.chaos.visits import Scene

#: How many histories of a hundred are of a booking system that tells the index before it shows a
#: change itself, and how much before, in seconds: less than the relay's patience.
_LAGGING_PER_HUNDRED = 15
_LAGS = (0.2, 1.8)
#: How many histories of a hundred are of one that is careless about upper and lower case.
_CARELESS_PER_HUNDRED = 10
#: How many patients of a hundred have been at another booking system before.
_KNOWN_PER_HUNDRED = 15
#: What a patient may have chosen, with its weight.
_CHOICES: dict[tuple[Channel, ...], int] = {
    (Channel.EMAIL,): 40,
    (Channel.SMS,): 25,
    (Channel.EMAIL, Channel.SMS): 20,
    (): 15,
}
#: Of so many booking systems one is activated late: after this share of the load's time.
_LATE_ONE_OF = 4
_LATE_SHARES = (0.15, 0.5)
#: Of so many one is deactivated late.
_DEACTIVATED_ONE_OF = 10
_DEACTIVATION_SHARES = (0.5, 0.8)
#: How many patients come to it too early, and how many of a hundred just when it is activated.
_TOO_EARLY = 2
_AT_ACTIVATION_PER_HUNDRED = 40
#: A bookings' system takes a second or more to be asked again after long histories.
_HEAD_START = 0.6

STORIES = {**stories.STORIES, **hostile.STORIES}
VISITS = {**visits.VISITS, **hostile.VISITS}
_OF_SEVERAL_UNITS = visits.OF_SEVERAL_UNITS | hostile.OF_SEVERAL_UNITS


@dataclass(frozen=True, slots=True)
class Options:
    """`count` notifications, of which the share `duplicates` are told again.

    All of it begins within `seconds`; None: as long as that many take.
    """

    count: int = 20_000
    sources: int = 40
    duplicates: float = 0.05
    seed: int = 1
    seconds: float | None = None
    per_second: float = 75

    @property
    def load_seconds(self) -> float:
        """Over which the beginnings are spread: never so short that nothing could happen."""
        natural = max(40.0, self.count / self.per_second)
        return natural if self.seconds is None else min(self.seconds * 0.9, natural)


@dataclass(frozen=True, slots=True)
class Beginning:
    """When a history begins, in seconds from the start."""

    at: float
    history: History


@dataclass(frozen=True, slots=True)
class Repetition:
    """A step of a history that is told again so long after it was taken, in seconds."""

    history: History
    step: int
    after: float


@dataclass(frozen=True, slots=True)
class Plan:
    sources: tuple[Source, ...]
    beginnings: tuple[Beginning, ...]
    repetitions: tuple[Repetition, ...]
    choices: dict[str, tuple[Channel, ...]]  # by patient

    @property
    def late_sources(self) -> tuple[Source, ...]:
        """Those that are activated while the load runs."""
        return tuple(source for source in self.sources if source.activates_at)

    @property
    def ending_sources(self) -> tuple[Source, ...]:
        """Those that are deactivated while the load runs."""
        return tuple(source for source in self.sources if source.deactivates_at)

    @property
    def cases(self) -> Iterator[Case]:
        return (case for beginning in self.beginnings for case in beginning.history.cases)


def make_plan(options: Options) -> Plan:
    rng = random.Random(options.seed)
    sources = _sources(rng, options.sources, options.load_seconds)
    repeated = round(options.count * options.duplicates)
    histories = list(_histories(rng, sources, options.count - repeated))
    beginnings = [_beginning(rng, history, options.load_seconds) for history in histories]
    return Plan(
        sources,
        tuple(sorted(beginnings, key=lambda beginning: beginning.at)),
        tuple(_repetitions(rng, histories, repeated)),
        {patient: _choice(rng) for patient in sorted(_patients_of(histories))},
    )


def _sources(rng: random.Random, number: int, seconds: float) -> tuple[Source, ...]:
    """The last one is never activated, some others are while the load of `seconds` runs."""
    return tuple(
        Source(
            f"SE2321000016-SYS{name}",
            tuple(f"SE2321000016-{name}U{unit}" for unit in range(_units(rng, name))),
            activated=name < number,
            activates_at=_activates_at(rng, name, seconds) if name < number else 0,
            deactivates_at=_deactivates_at(rng, name, seconds) if name < number else 0,
        )
        for name in range(number + 1)
    )


def _units(rng: random.Random, name: int) -> int:
    """The first has several: else some stories could not happen anywhere."""
    return rng.randint(1, 3) if name else 3


def _activates_at(rng: random.Random, name: int, seconds: float) -> float:
    share = rng.uniform(*_LATE_SHARES)
    return share * seconds if name % _LATE_ONE_OF == 1 else 0


def _deactivates_at(rng: random.Random, name: int, seconds: float) -> float:
    share = rng.uniform(*_DEACTIVATION_SHARES)
    return share * seconds if name % _DEACTIVATED_ONE_OF == 2 else 0


def _histories(rng: random.Random, sources: tuple[Source, ...], steps: int) -> Iterator[History]:
    """Histories of `steps` steps together."""
    names = (f"B{number}" for number in count(1))
    waiting_room = _WaitingRoom(rng)
    early = list(_too_early(rng, sources, waiting_room, names))[:steps]
    yield from early
    left = steps - len(early)
    kinds = _kinds(rng)
    while left > 0:
        made = _history(next(kinds), rng, sources, waiting_room, names)
        if len(made.updates) <= left:
            left -= len(made.updates)
            yield made


class _WaitingRoom:
    """Sends in the next patient: mostly a new one, now and then one known elsewhere."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._new = _patients()
        self._known: list[str] = []
        self._seen: set[tuple[str, str]] = set()  # patients, and where they were

    def next(self, *sources: Source) -> str:
        """Who has not been at `sources` before: what is told there is told of one visit."""
        systems = {source.hsa_id for source in sources}
        patient = self._known_elsewhere(systems) or next(self._new)
        self._known.append(patient)
        self._seen |= {(patient, system) for system in systems}
        return patient

    def _known_elsewhere(self, systems: set[str]) -> str | None:
        if not self._known or self._rng.uniform(0, 100) > _KNOWN_PER_HUNDRED:
            return None
        patient = self._rng.choice(self._known)
        is_known = any((patient, system) in self._seen for system in systems)
        return None if is_known else patient


def _kinds(rng: random.Random) -> Iterator[str]:
    """Each story once, so that short runs see them all, and then by their weights."""
    yield from (*STORIES, *VISITS)
    of_several = {story: share for story, (share, _) in VISITS.items()}
    weights = {story: share for story, (share, _) in STORIES.items()}
    left = (100 - sum(of_several.values())) / sum(weights.values())
    shares = {story: share * left for story, share in weights.items()} | of_several
    while True:
        yield from rng.choices(list(shares), list(shares.values()))


def _history(
    story: str,
    rng: random.Random,
    sources: tuple[Source, ...],
    waiting_room: "_WaitingRoom",
    names: Iterator[str],
) -> History:
    lag = rng.uniform(*_LAGS) if rng.uniform(0, 100) < _LAGGING_PER_HUNDRED else 0
    careless = rng.uniform(0, 100) < _CARELESS_PER_HUNDRED
    source, *others = _sources_of(story, rng, sources)
    if story in VISITS:
        next_patient = partial(waiting_room.next, source, *others)
        scene = Scene(rng, source, next_patient, names, lag, careless, *others)
        return VISITS[story][1](scene)
    clinic = Clinic(rng, source, waiting_room.next(source), next(names))
    clinic.lag, clinic.careless = lag, careless
    STORIES[story][1](clinic)
    return clinic.history(story)


def _sources_of(story: str, rng: random.Random, sources: tuple[Source, ...]) -> list[Source]:
    """The booking systems of a story: one, and another where it is of two."""
    if story == "not_activated":
        return [sources[-1]]
    if story in hostile.OF_TWO_SYSTEMS:
        return rng.sample([one for one in sources[:-1] if _runs_throughout(one)], 2)
    if story in hostile.OF_SYSTEMS_THAT_STAY:
        return [rng.choice([one for one in sources[:-1] if not one.deactivates_at])]
    able = [one for one in sources[:-1] if len(one.units) > 1 or story not in _OF_SEVERAL_UNITS]
    return [rng.choice(able)]


def _runs_throughout(source: Source) -> bool:
    return not source.activates_at and not source.deactivates_at


def _too_early(
    rng: random.Random,
    sources: tuple[Source, ...],
    waiting_room: _WaitingRoom,
    names: Iterator[str],
) -> Iterator[History]:
    """What booking systems tell before they are activated."""
    for source in [source for source in sources if source.activates_at] * _TOO_EARLY:
        clinic = Clinic(rng, source, waiting_room.next(source), next(names))
        clinic.books()
        yield clinic.history("too_early")


def _patients() -> Iterator[str]:
    """Obviously nobody: letters stand where no person number has any."""
    for letters in product(ascii_uppercase, repeat=4):
        yield "20121212" + "".join(letters)


def _beginning(rng: random.Random, history: History, seconds: float) -> Beginning:
    """Long histories begin early, since each of their steps takes its time."""
    share = _HEAD_START if len(history.steps) > 1 else 1
    activated = history.cases[0].source.activates_at
    if history.cases[0].early:
        return Beginning(rng.uniform(0, activated), history)
    at = rng.uniform(0, seconds * share)
    if at < activated:
        at_once = rng.uniform(0, 100) < _AT_ACTIVATION_PER_HUNDRED
        at = activated if at_once else rng.uniform(activated, seconds * share)
    return Beginning(at, history)


def _repetitions(rng: random.Random, histories: list[History], number: int) -> Iterator[Repetition]:
    for history in rng.choices(histories, k=number):
        step = rng.choice(history.updates)
        yield Repetition(history, step, rng.choice((0, rng.uniform(0, 2), rng.uniform(0, 20))))


def _choice(rng: random.Random) -> tuple[Channel, ...]:
    return rng.choices(list(_CHOICES), list(_CHOICES.values()))[0]


def _patients_of(histories: list[History]) -> set[str]:
    return {case.patient for history in histories for case in history.cases}
