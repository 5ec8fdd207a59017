"""The accounts of docs/operations.md, with its own commands, on a real RabbitMQ and PostgreSQL.

The demo's whole story is played by stages that may no more than the page says: retries, delays,
dead letters and their replay, too.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from console.demo.command import demo
from console.demo.relay import Relay
from console.stack import IMPATIENT
from tests.services import PostgreSQL, RabbitMQ

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
_PASSWORD = "secret"


def commands(program: str) -> list[list[str]]:
    """The words after `program` in the lines of the page's section on accounts."""
    section = re.search(r"<!-- accounts:.*?<!-- end of accounts -->", PAGE.read_text(), re.DOTALL)
    assert section
    lines = [shlex.split(line) for line in section[0].splitlines()]
    return [words[1:] for words in lines if words and words[0] == program]


@dataclass(frozen=True)
class Servers:
    rabbitmq: RabbitMQ
    postgresql: PostgreSQL

    def urls(self, account: str) -> dict[str, str]:
        role = account.replace("-", "_")
        return {
            "BUDKAVLE_BROKER_URL": f"amqp://{account}:{_PASSWORD}@{self.rabbitmq.address}"
            f":{self.rabbitmq.port}/budkavle",
            "BUDKAVLE_DATABASE_URL": f"postgresql+psycopg://{role}@127.0.0.1"
            f":{self.postgresql.port}/budkavle",
        }


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with RabbitMQ() as rabbitmq, PostgreSQL() as postgresql:
        found = Servers(rabbitmq, postgresql)
        for words in commands("rabbitmqctl"):
            rabbitmq.ctl(*words, *([_PASSWORD] if words[0] == "add_user" else []))
        for name in (words[-1] for words in commands("createuser")):
            postgresql.make_role(name)
        execute(postgresql, "postgres", "CREATE DATABASE budkavle OWNER budkavle_setup")
        for database, _, statement in commands("psql"):
            execute(postgresql, database, statement)
        done = budkavle("setup", found.urls("budkavle-setup"))
        assert done.returncode == 0, done.stderr
        yield found


def execute(server: PostgreSQL, database: str, statement: str) -> None:
    url = server.database_url(database).replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def budkavle(words: str, urls: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console", *words.split()],
        env={**IMPATIENT, **urls, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_whole_story_comes_true_with_the_least_rights(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, stages = servers.urls("budkavle-setup"), servers.urls("budkavle-stages")
    ours = Relay.__init__
    monkeypatch.setattr(Relay, "__init__", lambda self, _environment: ours(self, operator))
    demo(broker=stages["BUDKAVLE_BROKER_URL"], database=stages["BUDKAVLE_DATABASE_URL"],
         index=None, index_hsa_id="", keep=False)  # fmt: skip


@pytest.mark.slow
def test_the_check_before_a_deploy_is_content_with_the_account_of_people(servers: Servers) -> None:
    checked = budkavle("check ingest filter composer", servers.urls("budkavle-setup"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_the_stages_account_makes_and_removes_nothing(servers: Servers) -> None:
    stages = servers.urls("budkavle-stages")
    assert budkavle("dead discard --all --yes --note x", stages).returncode != 0
    purged = budkavle("purge", stages)
    assert purged.returncode == 0, purged.stderr
    url = stages["BUDKAVLE_DATABASE_URL"].replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE inbox_copy ()")
