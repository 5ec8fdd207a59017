"""What operators do and look at, as it stands in the log of actions. Prints nothing.

Of a patient the log holds the keyed digest alone, by which `budkavle actions --person` finds it;
without BUDKAVLE_LOG_KEY it holds nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.booking.digests import KeyedDigests
from shared.store.actions import ActionLog
from shared.store.engine import Database


@dataclass(frozen=True, slots=True)
class Operator:
    """Who does something, and why."""

    by: str
    why: str = ""


def patient_subject(digests: KeyedDigests | None, person: str) -> str:
    """How the log of actions names a patient."""
    return f"patient {digests.patient(person)}" if digests else "a patient"


def record_reveal(
    database: Database, what: str, operator: Operator, *, subject: str, outcome: str
) -> None:
    """Record that `operator` looks at a patient's data. Called before it is shown.

    `what` is shown: "inbox", "message", "contact", "trace". Raises `DatabaseUnavailable`: then
    nothing is to be shown.
    """
    ActionLog(database).record(
        f"reveal {what}", by=operator.by, why=operator.why, subject=subject, outcome=outcome
    )


@contextmanager
def changing(database: Database, action: str, operator: Operator) -> Iterator["Change"]:
    """A change and its record, stored as one. What changed nothing is not recorded."""
    with database.as_one() as one:
        change = Change(one)
        yield change
        if change.outcome:
            ActionLog(one).record(
                action,
                by=operator.by,
                why=operator.why,
                subject=change.subject,
                outcome=change.outcome,
            )


@dataclass(slots=True)
class Change:
    """`database` is for the change alone; `subject` and `outcome` are for the log."""

    database: Database
    subject: str = ""
    outcome: str = ""
