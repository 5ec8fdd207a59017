"""`budkavle notices`: operators see how far notices came, and of nobody whose they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.booking.notices import Channel, Claim, NoticeStatus
from shared.store.contacts import ContactPreferences
from shared.store.engine import Database, open_database
from shared.store.migrate import migrate
from shared.store.notices import NoticeStore
from tests.command_line import CommandLine

PATIENT = "191212121212"


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch)


@pytest.fixture
def database(budkavle: CommandLine) -> Iterator[Database]:
    migrate(budkavle.database_url)
    database = open_database(budkavle.database_url)
    contacts = ContactPreferences(database)
    contacts.set(PATIENT, Channel.SMS, "070-1740605")
    contacts.set(PATIENT, Channel.EMAIL, "tolvan@example.org")
    yield database
    database.close()


def record_result(database: Database, message: str, channel: Channel, status: NoticeStatus) -> str:
    """The id of a notice that came to stand there."""
    store = NoticeStore(database)
    claim = store.claim(message, channel, PATIENT)
    assert isinstance(claim, Claim)
    store.record_result(claim, status, detail="ReadTimeout", provider_id="s70df59406a")
    return claim.notice_id


def test_they_are_counted(budkavle: CommandLine, database: Database) -> None:
    for message in "abc":
        record_result(database, message, Channel.SMS, NoticeStatus.ACCEPTED)
    record_result(database, "a", Channel.EMAIL, NoticeStatus.UNCERTAIN)
    assert budkavle.json("notices") == [
        {"channel": "email", "status": "uncertain", "notices": 1},
        {"channel": "sms", "status": "accepted", "notices": 3},
    ]
    assert "uncertain" in budkavle.out("notices")


def test_those_in_one_status_are_listed_newest_first(
    budkavle: CommandLine, database: Database
) -> None:
    record_result(database, "other", Channel.SMS, NoticeStatus.ACCEPTED)
    ids = [record_result(database, name, Channel.SMS, NoticeStatus.UNCERTAIN) for name in "abc"]
    found = budkavle.json("notices", "--status", "uncertain", "--limit", "2")
    assert [each["id"] for each in found] == [ids[2], ids[1]]
    assert [each["message_id"] for each in found] == ["c", "b"]
    assert found[0]["detail"] == "ReadTimeout"
    assert found[0]["provider_id"] == "s70df59406a"
    shown = budkavle.out("notices", "--status", "uncertain")
    assert all(text in shown for text in (*ids, "ReadTimeout", "s70df59406a"))


def test_no_address_and_no_person_is_shown(budkavle: CommandLine, database: Database) -> None:
    for channel in Channel:
        record_result(database, "a", channel, NoticeStatus.UNCERTAIN)
    listing = ("notices", "--status", "uncertain")
    shown = budkavle.out(*listing) + budkavle.out(*listing, "--json")
    for private in (PATIENT, "1740605", "tolvan"):
        assert private not in shown


def test_none(budkavle: CommandLine) -> None:
    assert budkavle.out("notices") == "No notices.\n"
    assert budkavle.out("notices", "--status", "uncertain") == "None.\n"
    assert budkavle.json("notices", "--status", "uncertain") == []
