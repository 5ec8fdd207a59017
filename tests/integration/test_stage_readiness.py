"""A stage whose database is away says so: in `/readyz`, in its metrics and in its log."""

import json
from pathlib import Path

import requests

from console.processes import Child
from shared.store.migrate import migrate
from tests.polling import eventually
from tests.services import PostgreSQL
from tests.services.ports import free_port


def settings(folder: Path, database_url: str) -> dict[str, str]:
    return {
        "BUDKAVLE_BROKER_URL": f"sqlite:///{folder}/queues.sqlite3",
        "BUDKAVLE_DATABASE_URL": database_url,
        "BUDKAVLE_PLATFORM_URL": "http://127.0.0.1:1/",
    }


def test_the_fetcher_is_not_ready_while_its_database_is_away(
    postgres: PostgreSQL, postgres_url: str, tmp_path: Path
) -> None:
    migrate(postgres_url)
    child = Child("fetcher", settings(tmp_path, postgres_url), tmp_path / "fetcher.log")
    try:
        health = child.ready(30)["health"]
        assert requests.get(f"{health}/readyz", timeout=10).status_code == 200
        postgres.stop()
        eventually(lambda: requests.get(f"{health}/readyz", timeout=10).status_code == 503)
        assert not requests.get(f"{health}/readyz", timeout=10).json()["database"]
        gone = 'budkavle_ready{check="database",stage="fetcher"} 0.0'
        eventually(lambda: gone in requests.get(f"{health}/metrics", timeout=10).text, timeout=20)
        postgres.start()
        eventually(
            lambda: requests.get(f"{health}/readyz", timeout=10).status_code == 200, timeout=20
        )
    finally:
        postgres.start()
        child.stop()


def test_a_stage_that_starts_without_its_database_logs_what_it_waits_for(tmp_path: Path) -> None:
    log_file = tmp_path / "composer.log"
    nowhere = f"postgresql+psycopg://x@127.0.0.1:{free_port()}/x"
    child = Child("composer", settings(tmp_path, nowhere), log_file)
    try:
        eventually(lambda: '"not_ready"' in log_file.read_text(), timeout=30)
    finally:
        child.stop()
    lines = [json.loads(line) for line in log_file.read_text().splitlines()]
    (line,) = [line for line in lines if line["event"] == "not_ready"]
    assert "database" in line["waits_for"]
    assert line["database"] == f"postgresql {nowhere.partition('@')[2].partition('/')[0]}"
