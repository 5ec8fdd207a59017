"""Which processes of the stages live, as each of them writes down every few seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from shared.booking.environment import Environment
from shared.store.engine import Database
from shared.store.tables import stage_process

#: A process that was killed leaves its row, which is of no use the day after.
_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StageProcess:
    """One process, as it last showed itself. `report` holds what its stage has to tell."""

    id: str
    stage: str
    host: str
    pid: int
    version: str
    environment: Environment
    started_at: datetime
    beat_at: datetime
    report: Mapping[str, Any] = field(default_factory=dict)


class StageProcesses:
    """All methods raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, process: StageProcess) -> None:
        """Write down that `process` lives and what it reports."""
        changing = {"beat_at": process.beat_at, "report": process.report}
        with self._database.begin() as connection:
            this = stage_process.c.id == process.id
            if connection.execute(update(stage_process).where(this).values(changing)).rowcount:
                return
            old = stage_process.c.beat_at < process.beat_at - _KEPT
            connection.execute(delete(stage_process).where(old))
            connection.execute(insert(stage_process).values(_row(process)))

    def end(self, process_id: str) -> None:
        with self._database.begin() as connection:
            connection.execute(delete(stage_process).where(stage_process.c.id == process_id))

    def all(self) -> list[StageProcess]:
        """By stage and start, also those that have been silent for up to a day."""
        rows = select(stage_process).order_by(stage_process.c.stage, stage_process.c.started_at)
        with self._database.begin() as connection:
            return [StageProcess(**row) for row in connection.execute(rows).mappings()]


def _row(process: StageProcess) -> dict[str, Any]:
    return {column.name: getattr(process, column.name) for column in stage_process.columns}
