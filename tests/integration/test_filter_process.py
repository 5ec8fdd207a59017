"""The filter as a process on the embedded pair: what its settings and the register do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from ingest.calls import Call
from ingest.handler import NotificationHandler
from shared.base.clock import utcnow
from shared.base.ids import new_id
from shared.booking.messages import Notification
from shared.relay.broker import Broker, Envelope, Outgoing
from tests.brokers import Reader, dead_count, opened
from tests.command_line import CommandLine
from tests.dead_letters import notification
from tests.notifications import SAMPLE, engagement, envelope, transaction, transactions
from tests.polling import eventually

OURS = SAMPLE["sourceSystem"]

#: Issue 2: "a change in it takes effect within 5 seconds without a restart".
IN_FORCE_SECONDS = 5


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch)


@pytest.fixture
def broker(budkavle: CommandLine) -> Iterator[Broker]:
    with opened(budkavle.broker_url) as one:
        one.declare()
        yield one


@pytest.fixture
def activated(budkavle: CommandLine) -> None:
    """One booking system, before the filter starts: named before `metrics_url` by who needs it."""
    budkavle.out("source", "add", OURS, "--name", "Tidbok", "--environment", "qa")


@pytest.fixture
def metrics_url(budkavle: CommandLine) -> Iterator[str]:
    """The address of a running filter's metrics."""
    filter_process = subprocess.Popen(
        [sys.executable, "-m", "filter"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    assert filter_process.stdout is not None
    yield json.loads(filter_process.stdout.readline())["health"] + "/metrics"
    filter_process.terminate()
    assert filter_process.wait(30) == 0
    filter_process.stdout.close()


def metrics(url: str) -> str:
    with urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def send(broker: Broker, *sources: str) -> None:
    message = notification(*sources)
    broker.publish([Outgoing("filter", Envelope(message.identity, message.encode()))])


def test_an_activation_takes_effect_within_five_seconds_without_a_restart(
    budkavle: CommandLine, broker: Broker, metrics_url: str
) -> None:
    changes = Reader(broker, "fetcher")
    send(broker, "SE-tidbok")
    dropped = 'budkavle_filter_engagements_dropped_total{reason="not_activated"} 1.0'
    eventually(lambda: dropped in metrics(metrics_url))
    assert 'budkavle_filter_not_activated_total{source="SE-TIDBOK"} 1.0' in metrics(metrics_url)
    budkavle.out("source", "add", "se-TIDBOK", "--name", "Tidbok", "--environment", "qa")

    def passed_on() -> bool:
        send(broker, "SE-tidbok", "SE-other")
        return bool(changes.names)

    eventually(passed_on, timeout=IN_FORCE_SECONDS, every=0.25)
    assert changes.names[0] == "notificationaaaaaaaa-a"


def test_nothing_is_lost_that_comes_right_after_an_activation(
    budkavle: CommandLine, broker: Broker, metrics_url: str
) -> None:
    """Several at once: while one thread reads the register anew, no other believes its old copy."""
    changes = Reader(broker, "fetcher", prefetch=200)
    for number in range(1, 6):
        source = f"SE-new-{number}"
        budkavle.out("source", "add", source, "--name", "New", "--environment", "qa")
        message = notification(source).encode()
        broker.publish([Outgoing("filter", Envelope(f"{source}-{n}", message)) for n in range(24)])
        eventually(lambda number=number: len(changes.names) == 24 * number)  # type: ignore[misc]
    dropped = 'budkavle_filter_engagements_dropped_total{reason="not_activated"} 0.0'
    assert dropped in metrics(metrics_url)


def test_one_odd_engagement_among_twenty_is_a_dead_letter_and_the_others_go_on(
    budkavle: CommandLine, broker: Broker, activated: None, metrics_url: str
) -> None:
    """As ingest stores it; then looked at, and replayed, by an operator."""
    odd = transaction(engagement(registeredResidentIdentification="1212121212"))
    stranger = transaction(
        engagement(registeredResidentIdentification="1212121212", sourceSystem="SE-STRANGER")
    )
    message = stored_by_ingest(envelope(transactions(20) + odd + stranger))
    changes = Reader(broker, "fetcher", prefetch=100)
    broker.publish([Outgoing("filter", Envelope(message.identity, message.encode()))])
    changes.wait_for(20)
    eventually(lambda: dead_count(broker) == 1)
    counted = (
        "budkavle_filter_engagements_refused_total{"
        'element="registeredResidentIdentification",flaw="wrong_form",kept="%s",source="%s"}'
    )
    eventually(lambda: counted % ("yes", OURS) + " 1.0" in metrics(metrics_url))
    eventually(lambda: counted % ("no", "SE-STRANGER") + " 1.0" in metrics(metrics_url))
    (letter,) = budkavle.json("dead", "list", "filter", "--source", OURS.lower())
    assert letter["reason"] == "engagement_refused"
    shown = budkavle.out("dead", "show", letter["id"])
    assert "registeredResidentIdentification is not a person number" in shown
    assert "1212121212" not in shown
    budkavle.out("dead", "replay", "filter")
    eventually(lambda: counted % ("yes", OURS) + " 2.0" in metrics(metrics_url))
    eventually(lambda: dead_count(broker) == 1)
    (again,) = budkavle.json("dead", "list", "filter")
    assert (again["id"], again["reason"]) == (letter["id"], "engagement_refused")
    assert len(changes.deliveries) == 20


def stored_by_ingest(document: bytes) -> Notification:
    stored: list[Notification] = []
    handle = NotificationHandler(
        stored.append, logical_address="", max_body_bytes=1_000_000, clock=utcnow, name=new_id
    )
    handle(Call(document))
    return stored[0]
