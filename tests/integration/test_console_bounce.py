"""`budkavle bounce`: what a bounce changes, what it suppresses, and that nothing is lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.booking.notices import Channel, Claim, NoticeStatus
from shared.store.bounces import Bounces
from shared.store.contacts import ContactPreferences
from shared.store.engine import Database, open_database
from shared.store.migrate import migrate
from shared.store.notices import NoticeStore
from tests.command_line import CommandLine
from tests.inbox_rows import write_messages

PATIENT = "191212121212"  # as the messages of `write_messages` have it
ADDRESS = "tolvan@example.net"
CORPUS = Path(__file__).parents[1] / "unit" / "bounces"


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """The log lines of the test."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def database(budkavle: CommandLine) -> Iterator[Database]:
    migrate(budkavle.database_url)
    opened = open_database(budkavle.database_url)
    ContactPreferences(opened).set(PATIENT, Channel.EMAIL, ADDRESS)
    yield opened
    opened.close()


def sent(database: Database, message: str, channel: Channel = Channel.EMAIL) -> str:
    """The id of a notice that the mail server has accepted."""
    write_messages(database, message)
    store = NoticeStore(database)
    claim = store.claim(message, channel, PATIENT)
    assert isinstance(claim, Claim)
    store.record_result(claim, NoticeStatus.ACCEPTED)
    return claim.notice_id


def a_bounce(folder: Path, notice_id: str, name: str = "postfix_unknown_user") -> str:
    """The path of one from the corpus, about this notice."""
    mail = (CORPUS / f"{name}.eml").read_bytes()
    path = folder / f"{notice_id}-{name}.eml"
    path.write_bytes(mail.replace(b"abcdefghijklmnopqrst", notice_id.encode()))
    return str(path)


def status(database: Database, message: str) -> tuple[NoticeStatus, str]:
    [notice] = NoticeStore(database).of_message(message)
    return notice.status, notice.detail


def test_a_failure_is_written_down(
    budkavle: CommandLine, database: Database, tmp_path: Path
) -> None:
    notice_id = sent(database, "m")
    assert budkavle.json("bounce", a_bounce(tmp_path, notice_id)) == {"failed": 1}
    assert status(database, "m") == (NoticeStatus.FAILED, "bounced 5.1.1")
    assert budkavle.json("contact", "show", PATIENT) == {
        "email": ADDRESS,
        "bounces": {"email": {"bounces": 1, "last": "5.1.1", "suppressed_at": None}},
    }


def test_the_same_mail_again_changes_and_counts_nothing(
    budkavle: CommandLine, database: Database, tmp_path: Path
) -> None:
    mail = a_bounce(tmp_path, sent(database, "m"))
    budkavle.out("bounce", mail)
    for _ in range(5):
        assert budkavle.json("bounce", mail) == {"known before": 1}
    shown = budkavle.json("contact", "show", PATIENT)
    assert shown["bounces"]["email"]["bounces"] == 1


def test_it_reads_standard_input(budkavle: CommandLine, database: Database, tmp_path: Path) -> None:
    mail = Path(a_bounce(tmp_path, sent(database, "m"))).read_text()
    assert "1 failed" in budkavle.out("bounce", typed=mail)
    assert status(database, "m")[0] is NoticeStatus.FAILED


class TestRepeatedFailures:
    def bounced(self, budkavle: CommandLine, database: Database, folder: Path) -> list[str]:
        notices = [sent(database, message) for message in ("a", "b", "c")]
        mails = [a_bounce(folder, notice) for notice in notices]
        assert budkavle.json("bounce", *mails[:2]) == {"failed": 2}
        assert budkavle.json("bounce", mails[2]) == {"failed": 1, "suppressed": 1}
        return notices

    def test_suppress_the_address_and_say_so(
        self, budkavle: CommandLine, database: Database, tmp_path: Path
    ) -> None:
        notices = self.bounced(budkavle, database, tmp_path)
        choice = ContactPreferences(database).choices(PATIENT)[Channel.EMAIL]
        assert (choice.bounces, choice.last_bounce) == (3, "5.1.1")
        assert choice.suppressed_at is not None
        assert "suppressed since" in budkavle.out("contact", "show", PATIENT)
        [action] = budkavle.json("actions", "--action", "contact suppress")
        assert action["action"] == "contact suppress"
        assert notices[2] in action["subject"]
        assert ADDRESS not in str(action)

    def test_are_forgotten_when_the_address_is_set_again(
        self, budkavle: CommandLine, database: Database, tmp_path: Path
    ) -> None:
        self.bounced(budkavle, database, tmp_path)
        budkavle.out("contact", "set", PATIENT, "--email", ADDRESS)
        assert budkavle.json("contact", "show", PATIENT) == {"email": ADDRESS}

    def test_of_an_earlier_address_do_not_touch_the_newer_one(
        self, budkavle: CommandLine, database: Database, tmp_path: Path
    ) -> None:
        notices = [sent(database, message) for message in ("a", "b", "c")]
        budkavle.out("contact", "set", PATIENT, "--email", "ny@example.net")
        budkavle.out("bounce", *[a_bounce(tmp_path, notice) for notice in notices])
        assert budkavle.json("contact", "show", PATIENT) == {"email": "ny@example.net"}

    def test_however_many_when_the_setting_says_so(
        self,
        budkavle: CommandLine,
        database: Database,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("BUDKAVLE_BOUNCES_TO_SUPPRESS", "0")
        notices = [sent(database, f"m{number}") for number in range(6)]
        found = budkavle.json("bounce", *[a_bounce(tmp_path, notice) for notice in notices])
        assert found == {"failed": 6}


@pytest.mark.parametrize("name", ["postfix_expired", "postfix_mailbox_full"])
def test_what_may_be_otherwise_tomorrow_suppresses_nothing(
    budkavle: CommandLine, database: Database, tmp_path: Path, name: str
) -> None:
    notices = [sent(database, f"m{number}") for number in range(4)]
    mails = [a_bounce(tmp_path, notice, name) for notice in notices]
    assert budkavle.json("bounce", *mails) == {"failed": 4}
    assert status(database, "m0")[0] is NoticeStatus.FAILED
    assert budkavle.json("contact", "show", PATIENT) == {"email": ADDRESS}


@pytest.mark.parametrize(
    ("name", "count", "now"),
    [
        ("postfix_delayed", "not final", NoticeStatus.ACCEPTED),
        ("postfix_delivered", "delivered", NoticeStatus.DELIVERED),
    ],
)
def test_other_reports_are_no_failures(
    budkavle: CommandLine,
    database: Database,
    tmp_path: Path,
    name: str,
    count: str,
    now: NoticeStatus,
) -> None:
    mail = a_bounce(tmp_path, sent(database, "m"), name)
    assert budkavle.json("bounce", mail) == {count: 1}
    assert status(database, "m")[0] is now


def test_all_that_were_sent_as_one_have_failed(database: Database) -> None:
    store = NoticeStore(database)
    for message in ("a", "b"):
        store.register(message, Channel.EMAIL, PATIENT)
    notice_id = sent(database, "a")
    bounced = Bounces(database, 1).record([notice_id], NoticeStatus.FAILED, "5.1.1", counts=True)
    assert bounced is not None
    assert (bounced.notices, bounced.bounces, bounced.suppressed) == (2, 1, True)
    assert status(database, "b")[0] is NoticeStatus.FAILED


class TestWhatIsNotTakenIn:
    def test_is_said_and_kept(
        self, budkavle: CommandLine, database: Database, tmp_path: Path
    ) -> None:
        sound = a_bounce(tmp_path, sent(database, "m"))
        broken = str(CORPUS / "broken_cut_short.eml")
        unknown = str(CORPUS / "exim_unknown_user.eml")  # about no notice of ours
        kept = tmp_path / "kept"
        done = budkavle.run("bounce", broken, sound, unknown, "--keep", str(kept), "--json")
        assert done.exit_code == 1
        assert '"failed": 1' in done.stdout
        assert '"not taken in": 2' in done.stdout
        assert "broken_cut_short.eml: it says of no recipient" in done.stderr
        assert sorted(path.read_bytes() for path in kept.iterdir()) == sorted(
            Path(path).read_bytes() for path in (broken, unknown)
        )
        assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}
        assert status(database, "m")[0] is NoticeStatus.FAILED

    def test_a_notice_by_sms_bounces_nothing(
        self, budkavle: CommandLine, database: Database, tmp_path: Path
    ) -> None:
        mail = a_bounce(tmp_path, sent(database, "m", Channel.SMS))
        assert budkavle.run("bounce", mail).exit_code == 1
        assert status(database, "m")[0] is NoticeStatus.ACCEPTED

    def test_a_file_that_is_not_there_is_wrong_usage(self, budkavle: CommandLine) -> None:
        assert budkavle.run("bounce", "nowhere.eml").exit_code == 2

    def test_no_address_is_written_anywhere(
        self, budkavle: CommandLine, database: Database, tmp_path: Path, logged: list[Any]
    ) -> None:
        notices = [sent(database, message) for message in ("a", "b", "c")]
        done = budkavle.run("bounce", *[a_bounce(tmp_path, notice) for notice in notices])
        assert "address_suppressed" in [line["event"] for line in logged]
        assert "tolvan" not in done.output + str(logged)
