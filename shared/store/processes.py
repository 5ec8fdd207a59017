"""The running processes of the stages. Each writes its row every few seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from shared.booking.environment import Environment
from shared.store.engine import Database
from shared.store.tables import stage_process

#: A process that was killed leaves its row; it is removed after a day.
_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StageProcess:
    """One process, as of its last report. `report` holds the values of its stage."""

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
        """Store the latest report of `process`."""
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
        """All processes by stage and start, with those that stopped reporting within a day."""
        rows = select(stage_process).order_by(stage_process.c.stage, stage_process.c.started_at)
        with self._database.reading() as connection:
            return [StageProcess(**row) for row in connection.execute(rows).mappings()]


def _row(process: StageProcess) -> dict[str, Any]:
    return {column.name: getattr(process, column.name) for column in stage_process.columns}
