"""`budkavle purge`: removes expired rows."""

from dataclasses import dataclass
from typing import Annotated

import typer

from console.opening import opened_database
from console.output import AsJson, print_json, print_rows
from console.settings import OperatorSettings
from shared.base.clock import utcnow
from shared.store.retention import Expired, Retention, expired_rows


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
    as_json: AsJson = False,
) -> None:
    """Remove what the settings BUDKAVLE_RETAIN_… say has been kept long enough.

    Nothing goes that still matters, however old it is. It may run beside the stages, be broken
    off, and be repeated; run it every night.
    """
    limits = OperatorSettings().limits
    with opened_database() as database:
        retention = Retention(database)
        work = retention.count if dry_run else retention.remove
        done = [_purged(expired, work(expired)) for expired in expired_rows(limits, utcnow())]
    if as_json:
        print_json(done)
        return
    heading = "to remove" if dry_run else "removed"
    rows = [
        {"table": each.table, "kept, days": each.kept_days, heading: each.rows} for each in done
    ]
    print_rows(rows, empty="", numbers=("kept, days", heading))


def _purged(expired: Expired, rows: int) -> Purged:
    return Purged(expired.table.name, expired.kept.days, rows)
