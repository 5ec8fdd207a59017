"""`budkavle actions`: contacts, booking systems, purges and looks at patients are recorded."""

from pathlib import Path

import pytest
from sqlalchemy import text

from shared.booking.digests import KeyedDigests
from shared.store.engine import Database, DatabaseUnavailable, open_database
from shared.store.migrate import migrate
from tests.command_line import CommandLine
from tests.inbox_messages import one_message

TOLVAN = "191212121212"
KEY = "k" * 32
DIGEST = KeyedDigests(KEY).patient(TOLVAN)
PERSON = f"patient {DIGEST}"


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    command_line = CommandLine(tmp_path, monkeypatch)
    command_line.set("LOG_KEY", KEY)
    migrate(command_line.database_url)
    return command_line


def recorded(budkavle: CommandLine) -> list[tuple[str, str, str]]:
    """Action, subject and outcome, the first first."""
    actions = budkavle.json("actions")
    return [(one["action"], one["subject"], one["outcome"]) for one in reversed(actions)]


def test_contacts(budkavle: CommandLine) -> None:
    address = "tolvan@example.org"
    budkavle.out(
        "contact", "set", TOLVAN, "--email", address, "--by", "anna", "--note", "asked by phone"
    )
    budkavle.out("contact", "show", TOLVAN)
    budkavle.out("contact", "remove", TOLVAN, "--channel", "email")
    assert budkavle.run("contact", "remove", TOLVAN).exit_code == 1  # nothing was done
    assert recorded(budkavle) == [
        ("contact set", PERSON, "set email"),
        ("reveal contact", PERSON, "showed email"),
        ("contact remove", PERSON, "removed email"),
    ]
    first = budkavle.json("actions", "--by", "anna")[0]
    assert first["why"] == "asked by phone"
    assert not {TOLVAN, address} & set(str(first).split())


def test_sources(budkavle: CommandLine, tmp_path: Path) -> None:
    in_qa = ("--environment", "qa")
    add = ("source", "add", "SE-a", "--name", "Tidbok", *in_qa)
    for _ in range(2):
        budkavle.out(*add)
    budkavle.out("source", "pause", "SE-a", *in_qa, "--note", "their wish", "--by", "bo")
    budkavle.out("source", "resume", "SE-a", *in_qa)
    budkavle.out("source", "remove", "SE-a", *in_qa)
    file = tmp_path / "systems.csv"
    file.write_text("hsa_id,name\nSE-b,B\nSE-c,C\n")
    budkavle.out("source", "import", str(file), *in_qa)
    assert recorded(budkavle) == [
        ("source add", "SE-a in qa", "added"),
        ("source pause", "SE-a in qa", "paused"),
        ("source resume", "SE-a in qa", "resumed"),
        ("source remove", "SE-a in qa", "removed"),
        ("source import", "systems.csv in qa", "2 added, 0 changed, 0 unchanged"),
    ]
    (paused,) = budkavle.json("actions", "--action", "source pause")
    assert (paused["by"], paused["why"]) == ("bo", "their wish")


def test_a_change_that_cannot_be_recorded_is_not_made(budkavle: CommandLine) -> None:
    database = open_database(budkavle.database_url)
    with database.begin() as connection:
        connection.execute(text("DROP TABLE operator_action"))
    database.close()
    refused = budkavle.run("source", "add", "SE-a", "--name", "Tidbok", "--environment", "qa")
    assert refused.exit_code == 3
    assert budkavle.json("source", "list") == []


def test_a_look_that_cannot_be_recorded_shows_nothing(budkavle: CommandLine) -> None:
    budkavle.out("contact", "set", TOLVAN, "--email", "tolvan@example.org")
    database = open_database(budkavle.database_url)
    with database.begin() as connection:
        connection.execute(text("DROP TABLE operator_action"))
    database.close()
    looked = budkavle.run("contact", "show", TOLVAN)
    assert looked.exit_code == 3
    assert "tolvan@" not in looked.output


def test_a_purge(budkavle: CommandLine) -> None:
    budkavle.out("purge", "--dry-run")
    budkavle.out("purge", "--by", "cron")
    assert recorded(budkavle) == [
        ("purge", "expired rows", "begun"),
        ("purge", "expired rows", "nothing"),
    ]


def test_looks_at_a_patient(budkavle: CommandLine) -> None:
    message_id = one_message(budkavle.database_url, patient=TOLVAN)
    budkavle.out("inbox", "list", TOLVAN)
    budkavle.out("inbox", "show", message_id, "--by", "anna", "--note", "complaint 17")
    budkavle.out("trace", TOLVAN)
    budkavle.out("trace", message_id)  # shows no patient
    assert recorded(budkavle) == [
        ("reveal inbox", PERSON, "showed 1 messages"),
        ("reveal message", f"{PERSON}, message {message_id}", "showed 1 message"),
        ("reveal trace", PERSON, "showed 1 changes"),
    ]


def test_who_looked_at_a_patient(budkavle: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    budkavle.run("contact", "show", TOLVAN, "--by", "anna")
    budkavle.run("contact", "show", "201212121212", "--by", "bo")
    (found,) = budkavle.json("actions", "--person", TOLVAN)
    assert found["by"] == "anna"
    monkeypatch.delenv("BUDKAVLE_LOG_KEY")
    assert "LOG_KEY" in budkavle.run("actions", "--person", TOLVAN).stderr


def test_without_a_key_no_action_names_a_patient(
    budkavle: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUDKAVLE_LOG_KEY")
    budkavle.run("contact", "show", TOLVAN)
    assert recorded(budkavle) == [("reveal contact", "a patient", "nothing found")]


def test_what_is_done_as_one_is_undone_as_one(budkavle: CommandLine) -> None:
    database = open_database(budkavle.database_url)
    with pytest.raises(DatabaseUnavailable):
        _delete_and_fail(database)
    assert database.ready()
    with database.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    database.close()


def _delete_and_fail(database: Database) -> None:
    with database.as_one() as one:
        with one.begin() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
        raise DatabaseUnavailable
