"""The clock of a real database: PostgreSQL's rules, SQLite has none."""

from datetime import datetime, timedelta
from pathlib import Path

from shared.base.clock import utcnow
from shared.store.clock import DatabaseClock
from shared.store.engine import open_database

SIX_HOURS = timedelta(hours=6)


def six_hours_ahead() -> datetime:
    return utcnow() + SIX_HOURS


def test_postgresql_rules_over_a_machine_that_is_six_hours_ahead(postgres_url: str) -> None:
    database = open_database(postgres_url)
    clock = DatabaseClock(database, system=six_hours_ahead)
    assert abs(clock() - utcnow()) < timedelta(seconds=1)
    assert not clock.agrees()
    assert DatabaseClock(database).agrees()
    database.close()


def test_on_sqlite_the_machine_rules(tmp_path: Path) -> None:
    clock = DatabaseClock(open_database(f"sqlite:///{tmp_path}/a.db"), system=six_hours_ahead)
    assert clock() - utcnow() > SIX_HOURS - timedelta(seconds=1)
    assert clock.agrees()
