"""The filter as a process on the embedded pair: what its settings and the register do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from shared.relay.broker import Broker, Envelope, Outgoing
from tests.brokers import Reader, opened
from tests.command_line import CommandLine
from tests.dead_letters import notification
from tests.polling import eventually

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
    budkavle.out("source", "add", "se-TIDBOK", "--name", "Tidbok", "--environment", "qa")

    def passed_on() -> bool:
        send(broker, "SE-tidbok", "SE-other")
        return bool(changes.names)

    eventually(passed_on, timeout=IN_FORCE_SECONDS, every=0.25)
    assert changes.names[0] == "notificationaaaaaaaa-a"
