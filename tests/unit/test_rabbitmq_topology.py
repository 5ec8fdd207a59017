"""What is declared in RabbitMQ, seen without a server: safe on 3.10, and allowed on 4.x."""

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.relay.rabbitmq import topology as rabbitmq_topology
from shared.relay.rabbitmq.topology import declare_on, exchanges, look_for, queues
from shared.relay.topology import (
    DELIVERY_LIMIT,
    EXCHANGE,
    READING_STAGES,
    Topology,
    dead_key,
    dead_queue,
    delay_name,
    work_queue,
)

QUEUES = {queue.name: queue for queue in queues(Topology())}

#: Arguments a quorum queue takes in every version from 3.10 to 4.3.
TAKEN_BY_QUORUM_QUEUES = {
    "x-queue-type",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-message-ttl",
    "x-overflow",
}
#: Removed, or denied unless the operator permits it, in some 4.x: global_qos,
#: transient_nonexcl_queues, queue_master_locator, classic_queue_mirroring, lazy queues, CQv1.
REMOVED_OR_DENIED_ARGUMENTS = {
    "x-ha-policy",
    "x-max-priority",
    "x-queue-master-locator",
    "x-queue-mode",
    "x-queue-version",
}


class RecordingChannel:
    """Takes what a channel is asked for, as pika's channels do."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, method: str) -> Any:
        return lambda *args, **options: self.calls.append((method, args, options))

    def of(self, method: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(args, options) for name, args, options in self.calls if name == method]


@pytest.fixture
def channel() -> RecordingChannel:
    recording = RecordingChannel()
    declare_on(recording, Topology())
    return recording


def test_only_durable_shared_quorum_queues_are_declared(channel: RecordingChannel) -> None:
    """Transient queues that are not exclusive are denied from 4.3 on; mirroring is gone."""
    for _, options in channel.of("queue_declare"):
        assert set(options) == {"durable", "arguments"}
        assert options["durable"] is True
        assert options["arguments"]["x-queue-type"] == "quorum"


def test_no_argument_is_one_that_rabbitmq_4_removed_or_denies(channel: RecordingChannel) -> None:
    for _, options in channel.of("queue_declare"):
        assert set(options["arguments"]) <= TAKEN_BY_QUORUM_QUEUES
        assert not set(options["arguments"]) & REMOVED_OR_DENIED_ARGUMENTS


def test_exchanges_are_durable_and_of_built_in_types(channel: RecordingChannel) -> None:
    """`x-delayed-message` and its like are plugins."""
    for _, options in channel.of("exchange_declare"):
        assert options["durable"] is True
        assert options["exchange_type"] in {"direct", "fanout"}
        assert set(options) == {"durable", "exchange_type"}


@pytest.mark.parametrize("name", QUEUES)
def test_the_delivery_limit_is_told_and_positive(name: str) -> None:
    """−1 means "none" in 4.x and was invalid before; told nothing, 4.x takes 20."""
    assert int(QUEUES[name].arguments["x-delivery-limit"]) >= DELIVERY_LIMIT


@pytest.mark.parametrize("name", QUEUES)
def test_what_the_broker_moves_is_moved_at_least_once(name: str) -> None:
    arguments = QUEUES[name].arguments
    if "x-dead-letter-exchange" in arguments:
        assert arguments["x-dead-letter-strategy"] == "at-least-once"
        assert arguments["x-overflow"] == "reject-publish"


@pytest.mark.parametrize("stage", READING_STAGES)
def test_a_message_that_kills_its_readers_ends_in_the_dead_queue(stage: str) -> None:
    arguments = QUEUES[work_queue(stage)].arguments
    assert arguments["x-dead-letter-exchange"] == EXCHANGE
    assert arguments["x-dead-letter-routing-key"] == dead_key(stage)
    assert "x-message-ttl" not in arguments
    assert QUEUES[dead_queue(stage)].routing_key == dead_key(stage)


@pytest.mark.parametrize("stage", READING_STAGES)
def test_dead_letters_stay_until_people_act(stage: str) -> None:
    arguments = QUEUES[dead_queue(stage)].arguments
    assert set(arguments) == {"x-queue-type", "x-delivery-limit"}
    assert int(arguments["x-delivery-limit"]) > 1_000_000  # it counts the looks at it


@pytest.mark.parametrize("step", Topology().delay_steps, ids=delay_name)
def test_a_delayed_message_comes_back_under_its_own_key(step: Any) -> None:
    queue = QUEUES[delay_name(step)]
    assert queue.arguments["x-message-ttl"] == step.total_seconds() * 1000
    assert queue.arguments["x-dead-letter-exchange"] == EXCHANGE
    assert "x-dead-letter-routing-key" not in queue.arguments
    assert dict(exchanges(Topology()))[queue.exchange] == "fanout"


def test_every_queue_is_declared_and_bound_once(channel: RecordingChannel) -> None:
    declared = Counter(args[0] for args, _ in channel.of("queue_declare"))
    bound = Counter(args[0] for args, _ in channel.of("queue_bind"))
    assert declared == bound == Counter(list(QUEUES))
    assert set(Topology().queues()) <= set(declared)


def test_what_is_there_is_asked_for_without_waiting_for_every_node() -> None:
    """Declaring a binding takes a lock on all nodes of RabbitMQ 3.x."""
    channel = RecordingChannel()
    look_for(channel, Topology())
    assert {method for method, _, _ in channel.calls} == {"exchange_declare", "queue_declare"}
    assert all(options["passive"] for _, _, options in channel.calls)
    asked = {args[0] for args, _ in channel.of("queue_declare")}
    assert asked == set(QUEUES)


def test_the_prefetch_is_never_global() -> None:
    """Global QoS is on the list, and quorum queues never took it."""
    sources = Path(rabbitmq_topology.__file__).parent.glob("*.py")
    calls = [
        node
        for source in sources
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "basic_qos"
    ]
    assert calls
    for call in calls:
        assert not call.args
        assert "global_qos" not in {keyword.arg for keyword in call.keywords}


def test_looking_for_it_asks_for_everything_and_creates_nothing(channel: RecordingChannel) -> None:
    looking = RecordingChannel()
    look_for(looking, Topology())
    for method in ("queue_declare", "exchange_declare"):
        names = [args[0] for args, _ in looking.of(method)]
        assert names == [args[0] for args, _ in channel.of(method)]
        assert all(options["passive"] for _, options in looking.of(method))
    assert {method for method, _, _ in looking.calls} == {"queue_declare", "exchange_declare"}
