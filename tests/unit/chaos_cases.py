"""Cases of chaos and made-up outcomes of them, for the tests of its oracle."""

import random
from datetime import UTC, datetime, timedelta
from itertools import count

from tests.chaos.accounts import (
    NOT_TAKEN,
    Judged,
    judge,
)
from tests.chaos.cases import Case, History, Source
from tests.chaos.clinic import Clinic
from tests.chaos.ledger import Message
from tests.chaos.plan import STORIES, VISITS
from tests.chaos.rebooking import Takings
from tests.chaos.telling import Line
from tests.chaos.visits import Scene

SOURCE = Source("SE2321000016-SYS1", ("SE2321000016-U1", "SE2321000016-U2"))
ELSEWHERE = Source("SE2321000016-SYS2", ("SE2321000016-U3",))
PATIENT = "20121212AAAA"
NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
WINDOW = 12.0
SEEDS = range(30)


def case_of(story: str, *, waits: bool = True, seed: int = 7) -> Case:
    return history_of(story, waits=waits, seed=seed).cases[0]


def history_of(story: str, *, waits: bool = True, seed: int = 7) -> History:
    clinic = Clinic(random.Random(seed), SOURCE, PATIENT, "B1", waits=waits)
    STORIES[story][1](clinic)
    return clinic.history(story)


def visits_of(story: str, seed: int = 7) -> tuple[Case, ...]:
    """The cases of a history of several visits."""
    patients = (f"20121212AAA{letter}" for letter in "ABCDEFGHIJKLMNOP")
    names = (f"B{number}" for number in count(1))
    scene = Scene(random.Random(seed), SOURCE, lambda: next(patients), names, elsewhere=ELSEWHERE)
    return VISITS[story][1](scene).cases


def messages_of(lines: tuple[Line, ...], patient: str = PATIENT) -> list[Message]:
    return [
        Message(f"m{number}", (patient, SOURCE.hsa_id), line, f"c{number}", NOW + timedelta(number))
        for number, line in enumerate(lines)
    ]


def kinds(case: Case) -> set[tuple[str, ...]]:
    return {tuple(line.kind for line in one) for one in case.tellings(len(case.moments))}


def judged(case: Case, lines: tuple[Line, ...], taken: Takings = NOT_TAKEN) -> Judged:
    return judge(case, len(case.moments), messages_of(lines), taken)


def wrongs(verdict: Judged) -> dict[str, int]:
    """The counters that are not 0."""
    names = ("lost", "lost_cancellations", "duplicated", "second", "false")
    return {name: number for name in names if (number := getattr(verdict, name))}


def only_telling(case: Case) -> tuple[Line, ...]:
    (telling,) = case.tellings(len(case.moments))
    return telling
