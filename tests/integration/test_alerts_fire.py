"""The relay in trouble before a real Prometheus: each alert fires, from what processes really show.

The rules are those of deploy/, with shorter waits and lower thresholds.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from console.processes import Child
from shared.base.clock import utcnow
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel
from shared.relay.broker import Broker, Envelope, Outgoing
from shared.relay.topology import STAGES
from shared.store.contacts import ContactPreferences
from shared.store.engine import open_database
from shared.store.migrate import migrate
from shared.store.sources import SourceRegister, SourceSystem
from tests.booking_samples import BOOKING, PATIENT, a_change, reply
from tests.brokers import opened
from tests.inbox_rows import write_messages
from tests.notifications import HEADERS, engagement, envelope, transaction, transactions
from tests.polling import eventually
from tests.provider import http_provider
from tests.services import RabbitMQ
from tests.services.ports import free_port
from tests.services.prometheus import Prometheus
from tests.source_server import Call, source_server

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yaml"
OTHER = "201212121212"
SICK = BOOKING.model_copy(update={"source_system": "SE-SICK", "logical_address": "SE-SICK-UNIT"})
_SECONDS = 60


def impatient(rules: str) -> dict[str, Any]:
    """The same rules for a test that cannot wait: seconds for minutes, one message for thousands.

    It is always noon on a working day.
    """
    for pattern, shorter in (
        (r"\bhour\(\) > 9 < 16", "vector(1)"),
        (r"\bday_of_week\(\) > 0 < 6", "vector(1)"),
        (r"\[\d+[hm]\]", "[10s]"),
        (r"for: \d+m", "for: 1s"),
        (r"> (300|1000|5000)\b", "> 0"),
    ):
        rules, changes = re.subn(pattern, shorter, rules)
        assert changes
    loaded: dict[str, Any] = yaml.safe_load(rules)
    return loaded


def alert_names() -> set[str]:
    return set(re.findall(r"- alert: (\w+)", RULES.read_text()))


def answer_about_another(call: Call) -> None:
    if b"SE-SICK-UNIT" in call.body:
        call.hang_up()
    else:
        call.answer(body=reply().replace(PATIENT.encode(), OTHER.encode()))


class Relay:
    """The five stages on a RabbitMQ that shows its queues, each at a port that is known before."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.rabbitmq_port = free_port()
        self.rabbitmq = stack.enter_context(RabbitMQ(metrics_port=self.rabbitmq_port))
        self.database_file = folder / "budkavle.sqlite3"
        self.ports = {stage: free_port() for stage in (*STAGES, "second", "spooling")}
        self.ingest_port, self.spooling_port = free_port(), free_port()
        self.settings = {
            "BUDKAVLE_BROKER_URL": self.rabbitmq.url,
            "BUDKAVLE_DATABASE_URL": f"sqlite:///{self.database_file}",
            "BUDKAVLE_INGEST_BIND": f"127.0.0.1:{self.ingest_port}",
            "BUDKAVLE_FETCHER_BREAKER_FAILURES": "1",
            "BUDKAVLE_FETCHER_PATIENCE_SECONDS": "0.5",
            "BUDKAVLE_COMPOSER_PAIRING_SECONDS": "0.5",
            "BUDKAVLE_RETRY_DELAYS": "3600 3600 3600",
        }
        self.children: dict[str, Child] = {}

    def prepare(self) -> None:
        url = self.settings["BUDKAVLE_DATABASE_URL"]
        migrate(url)
        database = open_database(url)
        for source in (BOOKING.source_system, "SE-SICK"):
            SourceRegister(database).add(SourceSystem(source, source, "qa", 50, 5, "t", utcnow()))
        ContactPreferences(database).set(PATIENT, Channel.SMS, "+46701740605")
        ContactPreferences(database).set(PATIENT, Channel.EMAIL, "tolvan@example.org")
        write_messages(database, "m-1", "m-2")
        database.close()
        with sqlite3.connect(self.database_file) as connection:
            connection.execute(
                "INSERT INTO contact_preference (patient, channel, address, updated_at)"
                " VALUES (?, 'fax', '1', ?)",
                (OTHER, utcnow().replace(tzinfo=None).isoformat(" ")),
            )
            connection.execute(
                "CREATE TRIGGER lost BEFORE INSERT ON trace_step WHEN NEW.stage = 'notifier'"
                " BEGIN SELECT RAISE(ABORT, 'no more traces'); END"
            )

    def start(self, stage: str, name: str = "", **settings: str) -> Child:
        name = name or stage
        settings["BUDKAVLE_HEALTH_BIND"] = f"127.0.0.1:{self.ports[name]}"
        child = Child(stage, self.settings | settings, self._folder / f"{name}.log")
        self._stack.callback(child.stop)
        self.children[name] = child
        return child

    def scraped(self, *, with_queues: bool) -> list[dict[str, Any]]:
        targets = [f"127.0.0.1:{port}" for port in self.ports.values()]
        jobs: list[dict[str, Any]] = [
            {"job_name": "budkavle", "static_configs": [{"targets": targets}]}
        ]
        if with_queues:
            rabbitmq = [{"targets": [f"127.0.0.1:{self.rabbitmq_port}"]}]
            page = "/metrics/per-object"
            jobs.append({"job_name": "rabbitmq", "metrics_path": page, "static_configs": rabbitmq})
        return jobs


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened_things:
        yield opened_things


def order(patient: str, name: str) -> Outgoing:
    made = NoticeOrder(
        notification_id="n", received_at=utcnow(), change_id="c", message_id=name, patient=patient
    )
    return Outgoing("notifier", Envelope(name, made.encode()))


def make_trouble(relay: Relay, broker: Broker) -> None:
    """A wrong patient, a sick source, a bug, notices in doubt and without a way, odd requests."""
    sick = a_change(change_id="sick", booking=SICK, received_at=utcnow())
    wrong = a_change(change_id="wrong", received_at=utcnow())
    broker.publish(
        [
            Outgoing("fetcher", Envelope("sick", sick.encode())),
            Outgoing("fetcher", Envelope("wrong", wrong.encode())),
            order(PATIENT, "m-1"),
            order(OTHER, "m-2"),
            order(PATIENT, "no such message"),
        ]
    )
    odd = engagement(
        sourceSystem=BOOKING.source_system, registeredResidentIdentification="not a person"
    )
    body = transactions(1) + transaction(odd)
    assert notify(relay.ingest_port, envelope(body, logical_address=None)) == 200
    assert notify(relay.ingest_port, b"nonsense") == 500
    assert notify(relay.spooling_port, envelope(transactions(1), logical_address=None)) == 200


def notify(port: int, body: bytes) -> int:
    url = f"http://127.0.0.1:{port}/ProcessNotification"
    return requests.post(url, data=body, headers=HEADERS, timeout=10).status_code


def test_every_alert_fires_when_its_trouble_comes(tmp_path: Path, stack: ExitStack) -> None:
    relay = Relay(tmp_path, stack)
    relay.prepare()
    source = stack.enter_context(source_server(answer_about_another))
    provider = stack.enter_context(http_provider())
    provider.hangs_up = True
    relay.settings |= {"BUDKAVLE_PLATFORM_URL": source.url, "BUDKAVLE_SMS_URL": provider.url}
    for stage in STAGES:
        relay.start(stage)
    second = relay.start("filter", "second")
    relay.start(
        "ingest",
        "spooling",
        BUDKAVLE_INGEST_BIND=f"127.0.0.1:{relay.spooling_port}",
        BUDKAVLE_INGEST_SPOOL=str(tmp_path / "spool.sqlite3"),
        BUDKAVLE_BROKER_URL=f"amqp://127.0.0.1:{free_port()}",
    )
    for child in relay.children.values():
        child.ready(_SECONDS)
    rules = impatient(RULES.read_text())
    prometheus = stack.enter_context(Prometheus(relay.scraped(with_queues=True), rules))
    blind = stack.enter_context(Prometheus(relay.scraped(with_queues=False), rules))
    eventually(lambda: prometheus.ask("budkavle:queue_messages"), timeout=_SECONDS)
    eventually(lambda: len(prometheus.ask("budkavle_process_info")) == 7, timeout=_SECONDS)
    eventually(lambda: "RabbitMQUnwatched" in blind.firing(), timeout=_SECONDS)
    eventually(lambda: prometheus.firing() <= {"NoNotifications"}, timeout=_SECONDS, every=0.5)

    seen = {"RabbitMQUnwatched"}
    broker = stack.enter_context(opened(relay.rabbitmq.url))
    make_trouble(relay, broker)
    relay.children["composer"].stop()
    broker.publish([Outgoing("composer", Envelope(f"{n}", b"{}")) for n in range(3)])

    def odd_seen() -> bool:  # what a process counted is lost if it ends before it is asked
        seen.update(prometheus.firing())
        return "OddEngagements" in seen

    eventually(odd_seen, timeout=_SECONDS, every=0.5)
    second.stop()
    relay.start("filter", "second", BUDKAVLE_DATABASE_URL=nowhere())

    def all_seen() -> bool:
        seen.update(prometheus.firing())
        assert alert_names() - {"StageDown"} <= seen
        return True

    eventually(all_seen, timeout=_SECONDS, every=0.5)
    relay.children["second"].stop()
    eventually(lambda: "StageDown" in prometheus.firing(), timeout=_SECONDS)


def nowhere() -> str:
    return f"postgresql+psycopg://budkavle@127.0.0.1:{free_port()}/budkavle"
