"""PostgreSQL finds notices by an index before it knows anything of the table, and afterwards.

A connection keeps the plan of a prepared statement until the table is analyzed.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from shared.store.engine import open_database
from shared.store.migrate import migrate
from shared.store.notice_statements import claim_all, end_all

_FILL = text(
    "INSERT INTO notice (id, message_id, channel, recipient, status, claim_id, detail,"
    " created_at, updated_at) SELECT n, n, 'sms', md5(n::text), 'accepted', n, '', now(), now()"
    " FROM generate_series(1, :rows) AS n"
)


@pytest.fixture
def connection(postgres_url: str) -> Iterator[Connection]:
    migrate(postgres_url)
    database = open_database(postgres_url, by_index=True)
    with database.begin() as connection:
        connection.execute(text("SET plan_cache_mode = force_generic_plan"))
        yield connection
    database.close()


@pytest.mark.parametrize("statement", [claim_all, end_all])
@pytest.mark.parametrize("rows", [0, 300, 8000])
def test_nothing_reads_the_whole_table(connection: Connection, statement, rows: int) -> None:
    connection.execute(_FILL, {"rows": rows})
    sql = str(statement("postgresql")).replace(":now", "$2").replace(":rows", "$1")
    connection.exec_driver_sql(f"PREPARE planned (text, timestamptz) AS {sql}")
    plan = connection.exec_driver_sql("EXPLAIN EXECUTE planned ('[]', now())").scalars().all()
    assert not [line for line in plan if "Seq Scan on notice" in line]
    conditions = [line for line in plan if "Index Cond" in line]
    assert len(conditions) == 2  # the own notice, and those of its patient
    assert any("(recipient)" in condition for condition in conditions)
