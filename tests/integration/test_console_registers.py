"""`budkavle setup`, `source` and `contact`, and what the command does in trouble."""

import os
import subprocess
import sys
from pathlib import Path

import pika
import pytest
from sqlalchemy import text

from console.__main__ import app
from shared import __version__
from shared.store.engine import open_database
from shared.store.migrate import is_current, migrate
from tests.command_line import CommandLine
from tests.services.ports import free_port

TOLVAN = "191212121212"
STRANGER = "201212121212"


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch)


def test_setup_may_be_repeated(budkavle: CommandLine) -> None:
    assert "migrated" in budkavle.out("setup")
    assert is_current(budkavle.database_url)
    assert "up to date" in budkavle.out("setup")


def test_setup_makes_postgresql_and_rabbitmq_ready(
    budkavle: CommandLine, postgres_url: str, rabbitmq_url: str
) -> None:
    budkavle.set("DATABASE_URL", postgres_url)
    budkavle.set("BROKER_URL", rabbitmq_url)
    before = budkavle.run("source", "list")
    assert before.exit_code == 3
    assert "budkavle setup" in before.stderr
    assert "missing" not in budkavle.out("setup")
    assert "missing" not in budkavle.out("setup")
    assert budkavle.json("source", "list") == []
    assert [state["consumers"] for state in budkavle.json("queues")] == [0, 0, 0, 0]


def test_setup_names_a_queue_that_somebody_deleted(
    budkavle: CommandLine, rabbitmq_url: str
) -> None:
    budkavle.set("BROKER_URL", rabbitmq_url)
    budkavle.out("setup")
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        connection.channel().queue_delete("budkavle.delay.2m")
    assert "budkavle.delay.2m was missing" in budkavle.out("setup")
    assert "missing" not in budkavle.out("setup")


def test_version(budkavle: CommandLine) -> None:
    assert budkavle.out("--version") == f"budkavle {__version__}\n"


def test_help_tells_the_exit_codes(budkavle: CommandLine) -> None:
    assert "Exit codes" in budkavle.out("--help")


def test_an_added_source_is_listed(budkavle: CommandLine) -> None:
    told = budkavle.out(
        "source", "add", "SE-a", "--name", "Tidbok [prov]", "--environment", "qa", "--by", "anna"
    )
    assert told == "Activated SE-a (Tidbok [prov]) in qa.\n"
    (source,) = budkavle.json("source", "list")
    assert source.pop("activated_at").endswith("+00:00")
    assert source == {
        "hsa_id": "SE-a",
        "name": "Tidbok [prov]",
        "environment": "qa",
        "calls_per_second": 5.0,
        "calls_in_flight": 4,
        "activated_by": "anna",
        "paused_by": None,
        "paused_at": None,
        "lagged_at": None,
        "state": "active",
    }
    assert "Tidbok [prov]" in budkavle.out("source", "list")


def test_adding_again_changes_and_says_so(budkavle: CommandLine) -> None:
    add = ("source", "add", "SE-a", "--name", "Tidbok", "--environment", "qa")
    budkavle.out(*add)
    slower = (*add, "--calls-per-second", "0.5", "--calls-in-flight", "1")
    assert budkavle.out(*slower).startswith("Changed")
    assert "already" in budkavle.out(*slower)
    (source,) = budkavle.json("source", "list")
    assert (source["calls_per_second"], source["calls_in_flight"]) == (0.5, 1)


def test_who_did_it_is_logged(budkavle: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "bo")
    budkavle.out("source", "add", "SE-a", "--name", "Tidbok", "--environment", "qa")
    budkavle.out("source", "remove", "se-A", "--environment", "qa", "--by", "cia")
    budkavle.out("source", "add", "SE-b", "--name", "Other", "--environment", "prod")
    removed, added = budkavle.json("source", "log", "Se-A")
    assert [removed["by"], removed["action"]] == ["cia", "removed"]
    assert [added["by"], added["action"], added["environment"]] == ["bo", "added", "qa"]
    assert added["details"]["calls_per_second"] == 5.0
    assert len(budkavle.json("source", "log")) == 3
    shown = budkavle.out("source", "log")
    assert "calls_per_second 5" in shown
    assert shown.index("SE-B") < shown.index("SE-A")


def test_lists_one_environment(budkavle: CommandLine) -> None:
    for environment in ("qa", "prod"):
        budkavle.out("source", "add", "SE-a", "--name", environment, "--environment", environment)
    assert [one["name"] for one in budkavle.json("source", "list", "--environment", "prod")] == [
        "prod"
    ]
    assert len(budkavle.json("source", "list")) == 2


def test_removing_what_is_not_there(budkavle: CommandLine) -> None:
    result = budkavle.run("source", "remove", "SE-a", "--environment", "qa")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "budkavle: SE-a is not activated in qa\n"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--environment", "test"],
        ["--environment", "qa", "--calls-per-second", "0"],
        ["--environment", "qa", "--calls-per-second", "nan"],
        ["--environment", "qa", "--calls-per-second", "many"],
        ["--environment", "qa", "--calls-in-flight", "0"],
        [],
    ],
)
def test_wrong_usage_of_source_add(budkavle: CommandLine, wrong: list[str]) -> None:
    assert budkavle.run("source", "add", "SE-a", "--name", "x", *wrong).exit_code == 2


@pytest.mark.parametrize(
    ("hsa_id", "name"), [(" ", "Tidbok"), ("S" * 65, "Tidbok"), ("SE-a", " "), ("SE-a", "x" * 201)]
)
def test_what_the_register_cannot_hold_is_wrong_usage(
    budkavle: CommandLine, hsa_id: str, name: str
) -> None:
    result = budkavle.run("source", "add", hsa_id, "--name", name, "--environment", "qa")
    assert result.exit_code == 2


def test_contact_points_are_kept_in_their_normal_form(budkavle: CommandLine) -> None:
    budkavle.out("contact", "set", TOLVAN, "--sms", "070-174 06 05", "--email", "t@Example.SE")
    assert budkavle.json("contact", "show", TOLVAN) == {
        "sms": "+46701740605",
        "email": "t@example.se",
    }
    assert "+46701740605" in budkavle.out("contact", "show", "19121212-1212")


def test_contact_points_are_removed_by_channel_or_all(budkavle: CommandLine) -> None:
    budkavle.out("contact", "set", TOLVAN, "--sms", "0701740605", "--email", "t@example.se")
    budkavle.out("contact", "remove", TOLVAN, "--channel", "sms")
    assert budkavle.json("contact", "show", TOLVAN) == {"email": "t@example.se"}
    budkavle.out("contact", "remove", TOLVAN)
    assert budkavle.run("contact", "show", TOLVAN).exit_code == 1
    assert budkavle.run("contact", "remove", TOLVAN).exit_code == 1


def test_a_refused_address_changes_nothing(budkavle: CommandLine) -> None:
    result = budkavle.run("contact", "set", TOLVAN, "--email", "t@example.se", "--sms", "08-123456")
    assert result.exit_code == 2
    assert "--sms" in result.stderr
    assert budkavle.run("contact", "show", TOLVAN).exit_code == 1


def test_contact_set_wants_a_channel(budkavle: CommandLine) -> None:
    assert budkavle.run("contact", "set", TOLVAN).exit_code == 2


@pytest.mark.parametrize(
    "typed",
    [
        ["contact", "show", TOLVAN],
        ["contact", "remove", TOLVAN],
        ["contact", "set", TOLVAN],
        ["contact", "set", TOLVAN, "--sms", STRANGER],
        ["contact", "set", TOLVAN, "--email", STRANGER],
        ["contact", "show", TOLVAN, STRANGER],
        ["contact", TOLVAN],
        ["contact", "show", f"{TOLVAN}9"],
        [TOLVAN],
        ["dead", "list", TOLVAN],
        ["source", "remove", TOLVAN, "--environment", "qa"],
        ["source", "list", "--environment", TOLVAN],
    ],
)
def test_complaints_never_repeat_a_person_number(budkavle: CommandLine, typed: list[str]) -> None:
    result = budkavle.run(*typed)
    assert result.exit_code in {1, 2}
    assert TOLVAN not in result.output
    assert STRANGER not in result.output


TROUBLE = [
    ("DATABASE_URL", "postgresql+psycopg://u:secret@127.0.0.1:1/x", ["source", "list"], 3),
    ("DATABASE_URL", "postgresql+psycopg://u:secret@127.0.0.1:1/x", ["setup"], 3),
    ("DATABASE_URL", "sqlite:////no/such/folder/secret", ["source", "list"], 3),
    ("DATABASE_URL", "mysql://u:secret@127.0.0.1/x", ["source", "list"], 2),
    ("BROKER_URL", "amqp://u:secret@127.0.0.1:1/x", ["queues"], 3),
    ("BROKER_URL", "amqp://u:secret@127.0.0.1:1/x", ["dead", "list"], 3),
    ("BROKER_URL", "kafka://u:secret@127.0.0.1:1/x", ["queues"], 2),
    ("ENVIRONMENT", "secret", ["source", "list"], 2),
]


@pytest.mark.parametrize(("setting", "value", "command", "code"), TROUBLE)
def test_expected_trouble_is_one_line_and_no_secret(
    budkavle: CommandLine, setting: str, value: str, command: list[str], code: int
) -> None:
    budkavle.set(setting, value)
    result = budkavle.run(*command)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("budkavle: ")
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


def test_a_broker_that_was_not_set_up_is_told(budkavle: CommandLine, rabbitmq_url: str) -> None:
    budkavle.set("BROKER_URL", rabbitmq_url)
    result = budkavle.run("queues")
    assert result.exit_code == 3
    assert result.stderr == (
        "budkavle: the broker lacks queues of this version; run `budkavle setup`\n"
    )


def test_failures_of_a_database_are_told_apart(budkavle: CommandLine, postgres_url: str) -> None:
    closed_port = free_port()
    for wrong, cause in (
        (f"{postgres_url}nowhere", "no such database"),
        (f"postgresql+psycopg://x@127.0.0.1:{closed_port}/x", "connection refused"),
        ("postgresql+psycopg://x@no-such-host.invalid/x", "no such host"),
    ):
        budkavle.set("DATABASE_URL", wrong)
        result = budkavle.run("source", "list")
        assert (result.exit_code, result.stderr) == (
            3,
            f"budkavle: the database is unavailable ({cause})\n",
        )


def test_activating_for_the_other_environment_is_pointed_out(budkavle: CommandLine) -> None:
    done = budkavle.out(
        "source", "add", "SE-a", "--name", "A", "--environment", "prod", "--by", "x"
    )
    assert "This installation handles qa" in done


def test_a_number_that_nobody_has_needs_force(budkavle: CommandLine) -> None:
    for wrong in ("191212121213", "19121212T212"):
        refused = budkavle.run("contact", "set", wrong, "--sms", "0701740605")
        assert refused.exit_code == 2
        assert wrong not in refused.stderr
        budkavle.out("contact", "set", wrong, "--sms", "0701740605", "--force")


def test_a_database_of_a_later_version_is_told(budkavle: CommandLine) -> None:
    migrate(budkavle.database_url)
    database = open_database(budkavle.database_url)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    result = budkavle.run("source", "list")
    assert result.exit_code == 3
    assert "later version" in result.stderr


def test_a_bug_is_not_taken_for_expected_trouble(
    budkavle: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.sources.SourceRegister", lambda _database: None)
    with pytest.raises(AttributeError):
        budkavle.run("source", "list")


def test_as_a_process_its_output_is_the_listing_alone(budkavle: CommandLine) -> None:
    assert app.pretty_exceptions_enable is False
    command = [sys.executable, "-m", "console", "queues", "--json"]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=dict(os.environ), check=True
    )
    assert run.stdout.startswith("[")
    assert run.stderr == ""
