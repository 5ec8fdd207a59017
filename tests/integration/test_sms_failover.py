"""The notifier with two SMS providers, killed again and again while both misbehave."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

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
from tests.services.ports import free_port

pytestmark = pytest.mark.slow


class Scene:
    """Patients with a number each, and both providers as the sandbox plays them."""

    def __init__(self, world: RunningWorld, folder: Path) -> None:
        self.world = world
        self._log = folder / "notifier.log"
        self._database_url = f"sqlite:///{folder / 'budkavle.sqlite3'}"
        self._broker_url = f"sqlite:///{folder / 'queues.sqlite3'}"
        self._health = f"127.0.0.1:{free_port()}"
        migrate(self._database_url)
        self.database = open_database(self._database_url)
        self.child: Child | None = None

    def start(self, **settings: str) -> None:
        addresses = self.world.addresses
        self.child = Child(
            "notifier",
            {
                "BUDKAVLE_BROKER_URL": self._broker_url,
                "BUDKAVLE_DATABASE_URL": self._database_url,
                "BUDKAVLE_SMS_URL": addresses.sms,
                "BUDKAVLE_SMS_PER_MINUTE": "100000",
                "BUDKAVLE_SMS_FAILOVER_PROVIDER": "sinch",
                "BUDKAVLE_SMS_FAILOVER_URL": addresses.sinch,
                "BUDKAVLE_SMS_FAILOVER_PASSWORD": "token",
                "BUDKAVLE_NOTIFIER_COLLECT_SECONDS": "0",
                "BUDKAVLE_NOTIFIER_DEADLINE_SECONDS": "1",
                "BUDKAVLE_NOTIFIER_SENDING_SECONDS": "2",
                "BUDKAVLE_DELAY_STEPS": "0.1 1",
                "BUDKAVLE_RETRY_DELAYS": "0.1 0.1 0.1",
                "BUDKAVLE_HEALTH_BIND": self._health,
                **settings,
            },
            self._log,
        )
        self.child.ready(30)

    def order(self, count: int) -> list[str]:
        names = [f"m{number:03d}" for number in range(count)]
        orders = []
        for number, name in enumerate(names):
            patient = f"20121212A{number:03d}"
            ContactPreferences(self.database).set(patient, Channel.SMS, f"+46701740{number:03d}")
            orders.append(
                NoticeOrder(
                    notification_id="n",
                    received_at=datetime(2026, 12, 3, 11, 0, tzinfo=UTC),
                    change_id=f"c-{name}",
                    message_id=name,
                    patient=patient,
                )
            )
        write_messages(self.database, *names)
        broker = open_broker(self._broker_url)
        broker.declare()
        broker.publish(
            [Outgoing("notifier", Envelope(one.identity, one.encode())) for one in orders]
        )
        broker.close()
        return names

    def fault(self, target: str, kind: str, **terms: object) -> None:
        self.world.control("POST", f"/faults/{target}", {"kind": kind, **terms})

    def numbers(self, target: str) -> Counter[str]:
        return Counter(str(sms["to"]) for sms in self.world.control("GET", f"/{target}"))

    def statuses(self) -> Counter[NoticeStatus]:
        tally = NoticeStore(self.database).tally()
        return Counter({status: number for (_, status), number in tally.items()})

    def metric(self, line: str) -> bool:
        return line in requests.get(f"http://{self._health}/metrics", timeout=5).text


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with running_world() as world:
        built = Scene(world, tmp_path)
        yield built
        if built.child:
            built.child.stop()
        built.database.close()


def test_an_outage_of_the_first_loses_and_repeats_nothing(scene: Scene) -> None:
    scene.fault("sms", "fault", status=503)
    scene.start()
    names = scene.order(30)
    eventually(lambda: scene.statuses()[NoticeStatus.ACCEPTED] == len(names), timeout=30)
    assert scene.numbers("sms") == Counter()
    assert sorted(scene.numbers("sinch").values()) == [1] * len(names)
    open_line = 'budkavle_provider_breaker_open{channel="sms",provider="46elks"} 1.0'
    closed_line = 'budkavle_provider_breaker_open{channel="sms",provider="sinch"} 0.0'
    assert scene.metric(open_line)
    assert scene.metric(closed_line)


def test_killed_again_and_again_no_notice_goes_to_both(scene: Scene) -> None:
    """Uncertain answers of both, outages of both, and SIGKILL in the midst of it."""
    names = scene.order(60)
    faults: list[tuple[str, str, dict[str, object]]] = [
        ("sms", "timeout-after-accept", {"count": 2, "seconds": 4}),
        ("sinch", "hang-up-after-accept", {"count": 2}),
        ("sms", "fault", {"status": 503, "count": 3}),
        ("sinch", "fault", {"status": 503, "count": 3}),
        ("sms", "fault", {"status": 500, "count": 1}),
    ]
    for target in ("sms", "sinch"):
        scene.fault(target, "latency", latency_seconds=0.05)
    for target, kind, terms in faults:
        scene.fault(target, kind, **terms)
        before = scene.statuses()
        scene.start()
        eventually(lambda before=before: scene.statuses() != before, timeout=20)
        assert scene.child is not None
        scene.child.process.kill()
        scene.child.process.wait(10)
    scene.start()
    moving = (NoticeStatus.PENDING, NoticeStatus.SENDING)

    def at_rest() -> bool:
        found = scene.statuses()
        assert sum(found.values()) == len(names)
        assert not any(found[status] for status in moving), found
        return True

    eventually(at_rest, timeout=60)
    sent = scene.numbers("sms") + scene.numbers("sinch")
    assert set(sent.values()) == {1}
    statuses = scene.statuses()
    assert statuses[NoticeStatus.UNCERTAIN] > 0
    assert set(statuses) == {NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN}
    assert len(sent) >= statuses[NoticeStatus.ACCEPTED]
