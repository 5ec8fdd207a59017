"""What operators did and looked at: rows are appended, never changed, and only purged by age."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from shared.base.clock import Clock, utcnow
from shared.base.ids import new_id
from shared.base.redaction import redact
from shared.store.engine import Database
from shared.store.tables import operator_action

BEGUN = "begun"

_LONGEST_NAME = 100
_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Action:
    """One row. An action that takes time has two, with the same `run`: begun, and its outcome."""

    at: datetime
    by: str
    action: str  # "dead replay"
    subject: str  # to which; of a patient at most the keyed digest
    why: str
    outcome: str
    run: str


class ActionLog:
    """All methods raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, clock: Clock = utcnow) -> None:
        self._database = database
        self._clock = clock

    def record(
        self, action: str, *, by: str, subject: str, outcome: str, why: str = "", run: str = ""
    ) -> str:
        """Append what was done; its `run`. Person numbers in the texts are masked."""
        run = run or new_id()
        row = {
            "run": run,
            "at": self._clock(),
            "by": redact(by)[:_LONGEST_NAME],
            "action": action,
            "subject": redact(subject)[:_LONGEST_TEXT],
            "why": redact(why)[:_LONGEST_TEXT],
            "outcome": redact(outcome)[:_LONGEST_TEXT],
        }
        with self._database.begin() as connection:
            connection.execute(insert(operator_action).values(row))
        return run

    @contextmanager
    def recorded(
        self, action: str, *, by: str, subject: str, why: str = ""
    ) -> Iterator[tuple[str, Callable[[str], None]]]:
        """Record that it begins, and its outcome, or the error that ended it.

        Nothing is done that cannot be recorded: `DatabaseUnavailable` comes before it. Yields the
        run, and where to say the outcome.
        """
        run = self.record(action, by=by, subject=subject, why=why, outcome=BEGUN)
        outcome = "done"

        def ended(text: str) -> None:
            nonlocal outcome
            outcome = text

        try:
            yield run, ended
        except BaseException as error:
            outcome = f"failed: {type(error).__name__}"
            raise
        finally:
            self.record(action, by=by, subject=subject, why=why, outcome=outcome, run=run)

    def list_latest(
        self,
        *,
        most: int,
        by: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        about: str | None = None,
    ) -> list[Action]:
        """The latest first. `action` is the whole name or its first words; `about` stands in the
        subject.
        """
        columns = operator_action.c
        wanted = select(*(columns[field.name] for field in fields(Action)))
        if by is not None:
            wanted = wanted.where(columns.by == by)
        if action is not None:
            wanted = wanted.where(columns.action.startswith(action, autoescape=True))
        if since is not None:
            wanted = wanted.where(columns.at >= since)
        if about is not None:
            wanted = wanted.where(columns.subject.contains(about, autoescape=True))
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(columns.id.desc()).limit(most))
            return [_action_of(row) for row in rows.mappings()]


def _action_of(row: Any) -> Action:
    return Action(**row)
