"""Providers that are sick or hostile, against the notifier as a process with bounded memory."""

import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.processes import Child
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, NoticeStatus
from shared.relay import open_broker
from shared.relay.broker import Envelope, Outgoing
from shared.store.contacts import ContactPreferences
from shared.store.engine import open_database
from shared.store.migrate import migrate
from shared.store.notices import NoticeStore
from tests.inbox_rows import write_messages
from tests.polling import eventually
from tests.sandbox_world import RunningWorld, running_world

MIB = 1024 * 1024
#: What a process may take above what it takes when it has just started. A reply of the sandbox's
#: hostile kinds alone is 64 MiB.
MORE_MEMORY = 48 * MIB
#: What it takes for any reply that is read within bounds.
LITTLE = 12 * MIB

ANNA, BO = "191212121212", "201212121212"  # SMS alone, e-mail alone


class Scene:
    """A world whose providers a test makes hostile, and a notifier with one patient a channel."""

    def __init__(self, world: RunningWorld, folder: Path) -> None:
        self._world = world
        self._database_url = f"sqlite:///{folder / 'budkavle.sqlite3'}"
        self._broker_url = f"sqlite:///{folder / 'queues.sqlite3'}"
        self._folder = folder
        migrate(self._database_url)
        self._database = open_database(self._database_url)
        ContactPreferences(self._database).set(ANNA, Channel.SMS, "+46701740605")
        ContactPreferences(self._database).set(BO, Channel.EMAIL, "bo@example.org")
        self.child: Child

    def start(self, **settings: str) -> None:
        self.child = Child(
            "notifier",
            {
                "BUDKAVLE_BROKER_URL": self._broker_url,
                "BUDKAVLE_DATABASE_URL": self._database_url,
                "BUDKAVLE_SMS_URL": self._world.addresses.sms,
                "BUDKAVLE_SMTP_URL": self._world.addresses.smtp,
                "BUDKAVLE_NOTIFIER_DEADLINE_SECONDS": "3",
                "BUDKAVLE_NOTIFIER_COLLECT_SECONDS": "0",
                "BUDKAVLE_DELAY_STEPS": "60",
                "BUDKAVLE_RETRY_DELAYS": "60",
                **settings,
            },
            self._folder / "notifier.log",
        )
        self.child.ready(30)

    def stop(self) -> int:
        code = self.child.stop(30)
        self._database.close()
        return code

    def patients(self, count: int) -> list[str]:
        """So many others who want SMS."""
        patients = [f"20121212A{number:03d}" for number in range(count)]
        for patient in patients:
            ContactPreferences(self._database).set(patient, Channel.SMS, "+46701740605")
        return patients

    def fault(self, provider: str, kind: str, **terms: object) -> None:
        self._world.control("POST", f"/faults/{provider}", {"kind": kind, **terms})

    def order(self, patient: str, *message_ids: str) -> None:
        orders = [
            NoticeOrder(
                notification_id="n",
                received_at=datetime(2026, 12, 3, 11, 0, tzinfo=UTC),
                change_id=message_id,
                message_id=message_id,
                patient=patient,
            )
            for message_id in message_ids
        ]
        write_messages(self._database, *message_ids)
        broker = open_broker(self._broker_url)
        broker.declare()
        broker.publish(
            [Outgoing("notifier", Envelope(one.identity, one.encode())) for one in orders]
        )
        broker.close()

    def comes_to(self, message_id: str, status: NoticeStatus, timeout: float = 8) -> None:
        store = NoticeStore(self._database)

        def statuses() -> bool:
            found = [notice.status for notice in store.of_message(message_id)]
            assert found == [status]
            return True

        eventually(statuses, timeout=timeout)

    def mails(self) -> list[object]:
        caught: list[object] = self._world.control("GET", "/mail")
        return caught

    def memory(self, name: str) -> int:
        """`VmSize` (address space) or `VmHWM` (the most that was ever in memory), in bytes."""
        status = Path(f"/proc/{self.child.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024

    def bound_memory(self) -> None:
        limit = self.memory("VmSize") + MORE_MEMORY
        resource.prlimit(self.child.process.pid, resource.RLIMIT_AS, (limit, limit))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with running_world() as world:
        built = Scene(world, tmp_path)
        yield built
        built.child.stop()


def start_bounded(scene: Scene) -> int:
    """Start with bounded memory, after one sound notice; the most it took until then."""
    scene.start()
    scene.order(ANNA, "warm-up")
    scene.comes_to("warm-up", NoticeStatus.ACCEPTED)
    scene.bound_memory()
    return scene.memory("VmHWM")


@pytest.mark.parametrize("kind", ["too-large", "gzip-bomb", "deep-json", "slow-drip"])
@pytest.mark.parametrize("busy", [False, True], ids=["taken", "429"])
def test_a_hostile_sms_reply_costs_neither_memory_nor_time(
    scene: Scene, kind: str, busy: bool
) -> None:
    before = start_bounded(scene)
    scene.fault("sms", kind, drip_seconds=10)
    if busy:
        scene.fault("sms", "429", retryAfter="9" * 5000)
    started = time.monotonic()
    scene.order(ANNA, "m")
    scene.comes_to("m", NoticeStatus.PENDING if busy else NoticeStatus.UNCERTAIN, timeout=9)
    assert time.monotonic() - started < 9
    assert scene.memory("VmHWM") - before < LITTLE
    assert scene.stop() == 0


@pytest.mark.parametrize("kind", ["endless", "slow-drip"])
def test_a_greeting_without_end_costs_neither_memory_nor_time(scene: Scene, kind: str) -> None:
    before = start_bounded(scene)
    scene.fault("smtp", kind)
    scene.order(BO, "m")
    scene.comes_to("m", NoticeStatus.PENDING)
    assert scene.memory("VmHWM") - before < LITTLE
    assert scene.stop() == 0


@pytest.mark.parametrize("reply", ["25", "no code", "200-fine", "354 go on", "120 wait"])
def test_a_mail_that_may_have_been_taken_is_sent_once(scene: Scene, reply: str) -> None:
    scene.fault("smtp", "reply", text=reply)
    scene.start(BUDKAVLE_DELAY_STEPS="0.1", BUDKAVLE_RETRY_DELAYS="0.1 0.1")
    scene.order(BO, "m")
    scene.comes_to("m", NoticeStatus.UNCERTAIN)
    assert scene.stop() == 0
    assert len(scene.mails()) == 1


def test_any_success_after_the_mail_is_one(scene: Scene) -> None:
    scene.fault("smtp", "reply", text="252 perhaps")
    scene.start()
    scene.order(BO, "m")
    scene.comes_to("m", NoticeStatus.ACCEPTED)


def test_a_provider_that_drips_stops_neither_the_other_channel_nor_the_process(
    scene: Scene,
) -> None:
    scene.fault("sms", "slow-drip", drip_seconds=300)
    scene.start(BUDKAVLE_NOTIFIER_DEADLINE_SECONDS="10", BUDKAVLE_SMS_PER_MINUTE="100000")
    for number, patient in enumerate(scene.patients(12)):
        scene.order(patient, f"sms-{number}")
    scene.comes_to("sms-0", NoticeStatus.SENDING)
    started = time.monotonic()
    mails = [f"mail-{number}" for number in range(5)]
    scene.order(BO, *mails)
    for mail in mails:
        scene.comes_to(mail, NoticeStatus.ACCEPTED)
    assert time.monotonic() - started < 6
    assert scene.stop() == 0
    assert time.monotonic() - started < 18
