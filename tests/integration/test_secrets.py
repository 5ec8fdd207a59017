"""Secrets stay where they belong: not one shows in what a process writes or runs as."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from console.processes import Child, stop_all
from shared.base.clock import utcnow
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel
from shared.relay.broker import Envelope, Outgoing
from shared.relay.topology import STAGES
from shared.store.contacts import ContactPreferences
from shared.store.engine import open_database
from shared.store.migrate import migrate
from tests.brokers import opened
from tests.inbox_rows import write_messages
from tests.polling import eventually
from tests.sandbox_world import running_world

PATIENT = "191212121212"
#: All of them wrong, so that every one is tried and leads to trouble that is logged.
SECRETS = {
    "BUDKAVLE_SMS_PASSWORD": "wrong-sms-hunter2",
    "BUDKAVLE_SMTP_PASSWORD": "wrong-smtp-hunter2",
    "BUDKAVLE_NOTIFIER_REPORT_SECRET": "wrong-report-hunter2",
}


class Processes:
    """Children whose every word is kept, at the level that tells most."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []

    def start(self, module: str, settings: Mapping[str, str]) -> Child:
        log_file = self._folder / f"{module}.log"
        child = Child(module, {"BUDKAVLE_LOG_LEVEL": "debug", **settings}, log_file)
        self._children.append(child)
        return child

    def told(self, module: str) -> str:
        return (self._folder / f"{module}.log").read_text()

    def stop(self) -> None:
        stop_all(self._children)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    running = Processes(tmp_path)
    yield running
    running.stop()


def test_every_stage_keeps_the_passwords_of_broker_and_database(
    rabbitmq_url: str, postgres_url: str, processes: Processes
) -> None:
    settings = {
        "BUDKAVLE_BROKER_URL": rabbitmq_url.replace("//guest:guest@", "//guest:hunter2-broker@"),
        "BUDKAVLE_DATABASE_URL": postgres_url.replace("//budkavle@", "//me:hunter2-database@"),
        "BUDKAVLE_INGEST_BIND": "127.0.0.1:0",
        "BUDKAVLE_PLATFORM_URL": "http://127.0.0.1:9",
    }
    assert str(settings).count("hunter2") == 2
    children = {stage: processes.start(stage, settings) for stage in STAGES}
    for stage, child in children.items():
        eventually(lambda stage=stage: "AuthenticationError" in processes.told(stage), timeout=30)
        command_line = Path(f"/proc/{child.process.pid}/cmdline")
        assert not command_line.exists() or b"hunter2" not in command_line.read_bytes()
    processes.stop()
    for stage in STAGES:
        assert "hunter2" not in processes.told(stage)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_the_notifier_keeps_the_passwords_of_its_providers(
    tmp_path: Path, processes: Processes
) -> None:
    database_url = f"sqlite:///{tmp_path}/budkavle.sqlite3"
    migrate(database_url)
    database = open_database(database_url)
    write_messages(database, "m")
    contacts = ContactPreferences(database)
    contacts.set(PATIENT, Channel.SMS, "070-1740605")
    contacts.set(PATIENT, Channel.EMAIL, "tolvan@example.org")
    broker_url = f"sqlite:///{tmp_path}/queues.sqlite3"
    order = NoticeOrder(
        notification_id="n", received_at=utcnow(), change_id="c", message_id="m", patient=PATIENT
    )
    with (
        opened(broker_url) as broker,
        running_world(sandbox_sms_login="me:right", sandbox_smtp_login="me:right") as world,
    ):
        broker.publish([Outgoing("notifier", Envelope(order.identity, order.encode()))])
        settings = {
            **SECRETS,
            "BUDKAVLE_BROKER_URL": broker_url,
            "BUDKAVLE_DATABASE_URL": database_url,
            "BUDKAVLE_SMS_URL": world.addresses.sms,
            "BUDKAVLE_SMS_USERNAME": "me",
            "BUDKAVLE_SMTP_URL": world.addresses.smtp,
            "BUDKAVLE_SMTP_USERNAME": "me",
            "BUDKAVLE_NOTIFIER_REPORT_BIND": "127.0.0.1:0",
            "BUDKAVLE_NOTIFIER_REPORT_URL": "http://127.0.0.1:9",
        }
        processes.start("notifier", settings)
        for trouble in ("HTTP 401", "SMTP 535"):
            eventually(lambda trouble=trouble: trouble in processes.told("notifier"), timeout=30)
        processes.stop()
    assert "hunter2" not in processes.told("notifier")


def test_files_that_name_patients_are_for_their_owner_alone(tmp_path: Path) -> None:
    queues, database = tmp_path / "queues.sqlite3", tmp_path / "budkavle.sqlite3"
    with opened(f"sqlite:///{queues}") as broker:
        broker.declare()
        broker.publish([Outgoing("filter", Envelope("m", b"{}"))])
        migrate(f"sqlite:///{database}")
        files = list(tmp_path.iterdir())
        assert {queues, database} <= set(files)
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
