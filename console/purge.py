"""`budkavle purge`: removes expired rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from console.opening import opened_database
from console.operators import Looker, Note
from console.output import AsJson, print_json, print_rows
from console.settings import OperatorSettings
from shared.base.clock import utcnow
from shared.store.actions import ActionLog
from shared.store.engine import Database
from shared.store.retention import Expired, Retention, RetentionLimits, expired_rows


@dataclass(frozen=True, slots=True)
class Purged:
    """What was removed from one table, or would be."""

    table: str
    kept_days: int
    rows: int


def register(app: typer.Typer) -> None:
    app.command("purge")(purge)


def purge(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count; nothing is removed.")
    ] = False,
    by: Looker,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Remove what the settings BUDKAVLE_RETAIN_… say has been kept long enough.

    Nothing goes that still matters, however old it is. It may run beside the stages, be broken
    off, and be repeated; run it every night.
    """
    limits = OperatorSettings().limits
    with opened_database() as database:
        done = expired(database, limits) if dry_run else purged(database, limits, by=by, why=note)
    if as_json:
        print_json(done)
        return
    heading = "to remove" if dry_run else "removed"
    rows = [
        {"table": each.table, "kept, days": each.kept_days, heading: each.rows} for each in done
    ]
    print_rows(rows, empty="", numbers=("kept, days", heading))


def expired(database: Database, limits: RetentionLimits) -> list[Purged]:
    """What a purge would remove now. Raises `DatabaseUnavailable`."""
    count = Retention(database).count
    return [_purged(each, count(each)) for each in expired_rows(limits, utcnow())]


def purged(database: Database, limits: RetentionLimits, *, by: str, why: str = "") -> list[Purged]:
    """Remove what has expired, and record it. Raises `DatabaseUnavailable`."""
    remove = Retention(database).remove
    done: list[Purged] = []
    log = ActionLog(database)
    with log.recorded("purge", by=by, subject="expired rows", why=why) as (_, ended):
        for each in expired_rows(limits, utcnow()):
            done.append(_purged(each, remove(each)))
            ended(_removed(done))
    return done


def _removed(done: Sequence[Purged]) -> str:
    return ", ".join(f"{each.table} {each.rows}" for each in done if each.rows) or "nothing"


def _purged(expired: Expired, rows: int) -> Purged:
    return Purged(expired.table.name, expired.kept.days, rows)
