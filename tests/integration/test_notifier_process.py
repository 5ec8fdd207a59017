"""`python -m notifier`: the whole way, death by SIGKILL, delivery reports, unfit settings."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from console.processes import Child
from notifier.texts import load_texts
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, NoticeStatus
from shared.booking.times import STOCKHOLM
from shared.relay import open_broker
from shared.relay.broker import REPLAY, Envelope, Outgoing
from shared.store.contacts import ContactPreferences
from shared.store.engine import open_database
from shared.store.migrate import migrate
from shared.store.notices import NoticeStore
from tests.inbox_rows import write_messages
from tests.polling import eventually
from tests.provider import HttpProvider, hang, http_provider
from tests.services.ports import free_port

TOLVAN = "191212121212"
MOBILE = "+46701740605"
ADDRESS = "tolvan@example.org"
FILE = "sqlite:///"
SECRET = "abcdefghijklmnopqrst"


class Mails(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.caught: list[str] = []

    def handle_message(self, message: object) -> None:
        self.caught.append(str(message))


class Scene:
    """A database with one patient, a queue with one order, and both providers."""

    def __init__(self, broker_url: str, database_url: str, folder: Path) -> None:
        migrate(database_url)
        self.database = open_database(database_url)
        self.broker_url = broker_url
        self.database_url = database_url
        self.log = folder / "notifier.log"
        self.sms: HttpProvider
        self.mails = Mails()
        self.settings = {
            "BUDKAVLE_BROKER_URL": broker_url,
            "BUDKAVLE_DATABASE_URL": database_url,
            "BUDKAVLE_DELAY_STEPS": "0.2 1",
            "BUDKAVLE_RETRY_DELAYS": "0.2 0.2 0.2",
            "BUDKAVLE_NOTIFIER_COLLECT_SECONDS": "0.2",
        }
        self._open = ExitStack()

    def __enter__(self) -> "Scene":
        self.sms = self._open.enter_context(http_provider())
        mail_server = Controller(self.mails, hostname="127.0.0.1", port=free_port())
        mail_server.start()
        self._open.callback(mail_server.stop)
        self._open.callback(self.database.close)
        self.settings |= {
            "BUDKAVLE_SMS_URL": self.sms.url,
            "BUDKAVLE_SMTP_URL": f"smtp://127.0.0.1:{mail_server.port}",
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def choose(self, **addresses: str) -> None:
        for channel, address in addresses.items():
            ContactPreferences(self.database).set(TOLVAN, Channel(channel), address)

    def order(self, *message_ids: str) -> None:
        broker = open_broker(self.broker_url)
        broker.declare()
        write_messages(self.database, *(message_ids or ("m",)))
        for message_id in message_ids or ("m",):
            order = NoticeOrder(
                notification_id="n",
                received_at=datetime(2026, 12, 3, 11, 0, tzinfo=UTC),
                change_id=f"c-{message_id}",
                message_id=message_id,
                patient=TOLVAN,
            )
            broker.publish([Outgoing("notifier", Envelope(order.identity, order.encode()))])
        broker.close()

    def notifier(self, **settings: str) -> Child:
        child = Child("notifier", self.settings | settings, self.log)
        self._open.callback(child.stop)
        child.ready(30)
        return child

    def sms_statuses(self, *message_ids: str) -> list[NoticeStatus]:
        store = NoticeStore(self.database)
        return [one.status for message_id in message_ids for one in store.of_message(message_id)]

    def statuses(self) -> dict[Channel, NoticeStatus]:
        return {found.channel: found.status for found in NoticeStore(self.database).of_message("m")}


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Scene]:
    queues, database = tmp_path / "queues.sqlite3", tmp_path / "budkavle.sqlite3"
    with Scene(f"sqlite:///{queues}", f"sqlite:///{database}", tmp_path) as scene:
        yield scene


def test_both_channels_are_told_and_the_log_tells_nothing(embedded: Scene) -> None:
    embedded.choose(sms=MOBILE, email=ADDRESS)
    embedded.order()
    child = embedded.notifier()
    both = {Channel.SMS: NoticeStatus.ACCEPTED, Channel.EMAIL: NoticeStatus.ACCEPTED}
    eventually(lambda: embedded.statuses() == both, timeout=20)
    child.stop()
    [sms], [mail] = embedded.sms.asked, embedded.mails.caught
    assert (sms.form["to"], sms.form["message"]) == (MOBILE, load_texts().sms.one)
    assert f"To: {ADDRESS}" in mail
    log = embedded.log.read_text(encoding="utf-8")
    assert '"event":"notice"' in log
    for private in (TOLVAN, MOBILE, MOBILE[3:], ADDRESS):
        assert private not in log


def test_a_mail_server_that_is_down_delays_mail_alone(embedded: Scene) -> None:
    embedded.choose(sms=MOBILE, email=ADDRESS)
    embedded.order()
    embedded.notifier(BUDKAVLE_SMTP_URL=f"smtp://127.0.0.1:{free_port()}")
    waiting = {Channel.SMS: NoticeStatus.ACCEPTED, Channel.EMAIL: NoticeStatus.PENDING}
    eventually(lambda: embedded.statuses() == waiting, timeout=20)
    assert len(embedded.sms.asked) == 1


def test_a_notice_without_a_provider_is_kept_and_sent_when_there_is_one(embedded: Scene) -> None:
    embedded.choose(sms=MOBILE, email=ADDRESS)
    embedded.order()
    without = embedded.notifier(BUDKAVLE_SMS_URL="")
    assert without.ready(0)["database"] == f"sqlite {embedded.database_url.removeprefix(FILE)}"
    broker = open_broker(embedded.broker_url)
    (letter,) = eventually(lambda: list(broker.dead_letters("notifier")), timeout=20)
    assert letter.dead_reason == "channel_off"
    eventually(lambda: len(embedded.mails.caught) == 1, timeout=20)
    without.stop()
    assert '"event":"no_provider"' in embedded.log.read_text(encoding="utf-8")
    broker.take_dead("notifier", lambda _letter: REPLAY)
    broker.close()
    embedded.notifier()
    eventually(lambda: len(embedded.sms.asked) == 1, timeout=20)
    assert len(embedded.mails.caught) == 1


def test_killed_while_sending_it_never_sends_again(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    with Scene(rabbitmq_url, postgres_url, tmp_path) as scene:
        scene.choose(sms=MOBILE)
        scene.order()
        scene.sms.before = hang(3)
        child = scene.notifier()
        eventually(lambda: scene.sms.asked, timeout=20)
        child.process.kill()
        limits = {
            "BUDKAVLE_NOTIFIER_DEADLINE_SECONDS": "0.5",
            "BUDKAVLE_NOTIFIER_SENDING_SECONDS": "1",
        }
        scene.notifier(**limits)
        uncertain = {Channel.SMS: NoticeStatus.UNCERTAIN}
        eventually(lambda: scene.statuses() == uncertain, timeout=20)
        assert len(scene.sms.asked) == 1
        eventually(lambda: "its sender died" in scene.log.read_text(encoding="utf-8"))


SEVERAL = ("m1", "m2", "m3")


def test_killed_while_collecting_it_loses_nothing_and_tells_all_at_once(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    with Scene(rabbitmq_url, postgres_url, tmp_path) as scene:
        scene.choose(sms=MOBILE)
        child = scene.notifier(BUDKAVLE_NOTIFIER_COLLECT_SECONDS="2")
        scene.order(*SEVERAL)
        waiting = [NoticeStatus.PENDING] * 3
        eventually(lambda: scene.sms_statuses(*SEVERAL) == waiting, timeout=20)
        child.process.kill()
        assert scene.sms.asked == []
        scene.notifier(BUDKAVLE_NOTIFIER_COLLECT_SECONDS="2")
        sent = [NoticeStatus.ACCEPTED] * 3
        eventually(lambda: scene.sms_statuses(*SEVERAL) == sent, timeout=20)
        [sms] = scene.sms.asked
        assert sms.form["message"] == load_texts().sms.several


def test_killed_while_sending_one_for_several_all_of_them_are_uncertain(embedded: Scene) -> None:
    embedded.choose(sms=MOBILE)
    embedded.sms.before = hang(3)
    limits = {
        "BUDKAVLE_NOTIFIER_COLLECT_SECONDS": "1",
        "BUDKAVLE_NOTIFIER_DEADLINE_SECONDS": "5",
        "BUDKAVLE_NOTIFIER_SENDING_SECONDS": "6",
    }
    child = embedded.notifier(**limits)
    embedded.order(*SEVERAL)
    eventually(lambda: embedded.sms.asked, timeout=20)
    assert embedded.sms_statuses(*SEVERAL) == [NoticeStatus.SENDING] * 3
    child.process.kill()
    embedded.order("later")
    embedded.sms.before = lambda: None
    embedded.notifier(**limits)
    uncertain = [NoticeStatus.UNCERTAIN] * 3
    eventually(lambda: embedded.sms_statuses(*SEVERAL) == uncertain, timeout=30)
    eventually(lambda: embedded.sms_statuses("later") == [NoticeStatus.ACCEPTED], timeout=20)
    assert len(embedded.sms.asked) == 2


def test_notices_held_over_quiet_hours_come_out_after_them_as_one(
    broker_url: str, database_url: str, tmp_path: Path
) -> None:
    now = datetime.now(STOCKHOLM)
    quiet = f"{now - timedelta(minutes=1):%H:%M:%S}-{now + timedelta(seconds=12):%H:%M:%S}"
    with Scene(broker_url, database_url, tmp_path) as scene:
        scene.choose(sms=MOBILE)
        child = scene.notifier(BUDKAVLE_NOTIFIER_QUIET_HOURS=quiet)
        scene.order(*SEVERAL)
        waiting = [NoticeStatus.PENDING] * 3
        eventually(lambda: scene.sms_statuses(*SEVERAL) == waiting, timeout=10)
        child.stop()
        scene.notifier(BUDKAVLE_NOTIFIER_QUIET_HOURS=quiet)
        sent = [NoticeStatus.ACCEPTED] * 3
        eventually(lambda: scene.sms_statuses(*SEVERAL) == sent, timeout=30)
        assert datetime.now(STOCKHOLM) >= now + timedelta(seconds=11)
        assert len(scene.sms.asked) == 1


def test_a_delivery_report_finds_its_notice(embedded: Scene) -> None:
    bind = f"127.0.0.1:{free_port()}"
    embedded.choose(sms=MOBILE)
    embedded.order()
    embedded.notifier(
        BUDKAVLE_NOTIFIER_REPORT_BIND=bind,
        BUDKAVLE_NOTIFIER_REPORT_URL=f"http://{bind}",
        BUDKAVLE_NOTIFIER_REPORT_SECRET=SECRET,
    )
    eventually(lambda: embedded.statuses() == {Channel.SMS: NoticeStatus.ACCEPTED}, timeout=20)
    report = {"id": "s70df59406a", "status": "delivered"}
    url = embedded.sms.asked[0].form["whendelivered"]
    assert requests.post(url, data=report, timeout=5).status_code == 204
    assert embedded.statuses() == {Channel.SMS: NoticeStatus.DELIVERED}
    assert SECRET not in embedded.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"BUDKAVLE_NOTIFIER_TEMPLATES": "{folder}"}, "sms.txt holds characters outside GSM 03.38"),
        ({"BUDKAVLE_SMS_SENDER": "1177"}, "BUDKAVLE_SMS_SENDER"),
    ],
)
def test_it_does_not_start_unfit(tmp_path: Path, settings: Mapping[str, str], reason: str) -> None:
    (tmp_path / "sms.txt").write_text("Nytt meddelande …", encoding="utf-8")
    given = {name: text.format(folder=tmp_path) for name, text in settings.items()}
    ended = subprocess.run(
        [sys.executable, "-m", "notifier"],
        env={**given, "BUDKAVLE_DATABASE_URL": f"sqlite:///{tmp_path / 'd'}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert reason in ended.stderr
    assert ended.stdout == ""
