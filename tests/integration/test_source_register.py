"""The register of activated systems in both databases, and its log."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from shared.booking.environment import Environment
from shared.store.engine import Database, open_database
from shared.store.migrate import migrate
from shared.store.sources import Registered, SourceRegister, SourceSystem
from shared.store.tables import source_system_log

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ONE = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)


def a_source(**changes: Any) -> SourceSystem:
    values: dict[str, Any] = {
        "hsa_id": "SE2321000016-1hz5",
        "name": "Kortfristigt",
        "environment": "qa",
        "calls_per_second": 5.0,
        "calls_in_flight": 4,
        "activated_by": "anna",
        "activated_at": NOON,
    }
    return SourceSystem(**{**values, **changes})


@pytest.fixture
def database(database_url: str) -> Any:
    migrate(database_url)
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def register(database: Database) -> SourceRegister:
    return SourceRegister(database)


def logged(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    columns = source_system_log.c
    with database.begin() as connection:
        rows = connection.execute(
            select(columns.action, columns.by, columns.details).order_by(columns.id)
        )
        return [(row.action, row.by, row.details) for row in rows]


def test_an_added_system_is_found_by_its_hsa_id_in_upper_case(register: SourceRegister) -> None:
    source = a_source()
    assert register.add(source) is Registered.ADDED
    assert register.snapshot("qa") == {"SE2321000016-1HZ5": source}


def test_environments_never_mix(register: SourceRegister) -> None:
    register.add(a_source())
    assert register.snapshot("prod") == {}
    register.add(a_source(environment="prod", name="Skarpt"))
    assert [source.name for source in register.list_all("prod")] == ["Skarpt"]
    assert len(register.list_all()) == 2


def test_adding_again_changes_and_keeps_the_first_activation(
    register: SourceRegister, database: Database
) -> None:
    register.add(a_source())
    again = a_source(
        hsa_id="SE2321000016-1HZ5", calls_per_second=1.0, activated_by="bo", activated_at=ONE
    )
    assert register.add(again) is Registered.CHANGED
    (source,) = register.list_all()
    assert source == a_source(hsa_id="SE2321000016-1HZ5", calls_per_second=1.0)
    assert logged(database)[-1] == (
        "changed",
        "bo",
        {"hsa_id": "SE2321000016-1HZ5", "calls_per_second": 1.0},
    )


def test_adding_the_same_again_is_no_event(register: SourceRegister, database: Database) -> None:
    register.add(a_source())
    assert register.add(a_source(activated_by="bo", activated_at=ONE)) is Registered.UNCHANGED
    assert [action for action, _by, _details in logged(database)] == ["added"]


def test_a_removed_system_is_gone_there_only(register: SourceRegister, database: Database) -> None:
    register.add(a_source())
    register.add(a_source(environment="prod"))
    assert register.remove("se2321000016-1hz5", "qa", by="bo", at=ONE)
    assert register.snapshot("qa") == {}
    assert len(register.snapshot("prod")) == 1
    action, by, details = logged(database)[-1]
    assert (action, by, details["name"]) == ("removed", "bo", "Kortfristigt")


@pytest.mark.parametrize(
    ("hsa_id", "environment"), [("other", "qa"), ("SE2321000016-1HZ5", "prod")]
)
def test_removing_what_is_not_there_is_told(
    register: SourceRegister, database: Database, hsa_id: str, environment: Environment
) -> None:
    register.add(a_source())
    assert not register.remove(hsa_id, environment, by="bo", at=ONE)
    assert len(logged(database)) == 1


def test_what_lags_is_known_and_stays_known_and_is_no_change_of_the_register(
    register: SourceRegister, database: Database
) -> None:
    register.add(a_source())
    register.add(a_source(environment="prod"))
    register.set_lagged({"SE2321000016-1HZ5": ONE, "SE-NOT-ACTIVATED": ONE}, "qa")
    register.set_lagged({"SE2321000016-1HZ5": NOON}, "qa")
    assert register.snapshot("qa")["SE2321000016-1HZ5"].lagged_at == ONE
    assert register.snapshot("prod")["SE2321000016-1HZ5"].lagged_at is None
    register.add(a_source(name="Annat namn"))
    assert register.snapshot("qa")["SE2321000016-1HZ5"].lagged_at == ONE
    assert [action for action, _, _ in logged(database)] == ["added", "added", "changed"]
