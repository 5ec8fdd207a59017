"""`budkavle setup`, `status` and `check` say which queues have fewer replicas than they should."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from shared.relay.rabbitmq.management import replicas
from tests.command_line import CommandLine, only_errors_logged
from tests.polling import eventually
from tests.services import Place, RabbitMQ
from tests.services.ports import free_port


@pytest.fixture(scope="module")
def managed() -> Iterator[tuple[RabbitMQ, str]]:
    """A broker of one node, and its management API."""
    place = Place(management_port=free_port())
    with RabbitMQ(place=place) as server:
        yield server, f"http://guest:guest@127.0.0.1:{place.management_port}"


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    with only_errors_logged():
        yield CommandLine(tmp_path, monkeypatch)


def set_up(budkavle: CommandLine, broker_url: str, least: int, management_url: str) -> str:
    """What `budkavle setup` prints."""
    budkavle.set("BROKER_URL", broker_url)
    budkavle.set("BROKER_LEAST_REPLICAS", str(least))
    budkavle.set("BROKER_MANAGEMENT_URL", management_url)
    return budkavle.out("setup")


def test_queues_made_with_one_node_are_named(
    managed: tuple[RabbitMQ, str], budkavle: CommandLine
) -> None:
    broker, management_url = managed
    said = set_up(budkavle, broker.fresh_vhost(), 3, management_url)
    assert "budkavle.filter has 1 of 3 replicas" in said
    assert "budkavle.filter.dead has 1 of 3 replicas" in said


def test_status_and_check_name_them(managed: tuple[RabbitMQ, str], budkavle: CommandLine) -> None:
    broker, management_url = managed
    place = broker.fresh_vhost(), 3, management_url
    set_up(budkavle, *place)
    by_status = r"(\d+) queues have fewer than 3 replicas: (budkavle\.\S+) has 1\."
    by_check = r"(\d+) queues have fewer than 3: (budkavle\.\S+) has 1\b"
    found = [
        re.search(pattern, budkavle.run(command).stdout, re.MULTILINE)
        for command, pattern in (("status", by_status), ("check", by_check))
    ]
    assert found[0]
    assert found[1]
    assert found[0].groups() == found[1].groups()


def test_one_replica_is_enough_where_nothing_else_is_asked_for(
    managed: tuple[RabbitMQ, str], budkavle: CommandLine
) -> None:
    broker, management_url = managed
    assert "WARNING" not in set_up(budkavle, broker.fresh_vhost(), 1, management_url)


def test_what_cannot_be_counted_is_said(rabbitmq_url: str, budkavle: CommandLine) -> None:
    assert "BUDKAVLE_BROKER_MANAGEMENT_URL" in set_up(budkavle, rabbitmq_url, 3, "")
    nobody = f"http://127.0.0.1:{free_port()}"
    assert "replicas cannot be counted" in set_up(budkavle, rabbitmq_url, 3, nobody)


def test_a_url_that_is_none_is_no_reason_to_stop(rabbitmq_url: str, budkavle: CommandLine) -> None:
    assert "neither http:// nor https://" in set_up(budkavle, rabbitmq_url, 3, "rabbit:15672")


@contextmanager
def trio(config: str = "") -> Iterator[tuple[RabbitMQ, RabbitMQ, RabbitMQ, str]]:
    """A broker of one node, two others that may join it, and its management API.

    `config`: of all three, as `Place` has it.
    """
    first = Place(management_port=free_port(), config=config)
    another = partial(Place, cookie=first.cookie, epmd_port=first.epmd_port, config=config)
    with (
        RabbitMQ(place=first) as one,
        RabbitMQ(place=another()) as two,
        RabbitMQ(place=another()) as three,
    ):
        yield one, two, three, f"http://guest:guest@127.0.0.1:{first.management_port}"


@pytest.fixture
def grown() -> Iterator[tuple[RabbitMQ, RabbitMQ, str]]:
    """A broker of one node, another one that may join it, and its management API."""
    first = Place(management_port=free_port())
    with (
        RabbitMQ(place=first) as one,
        RabbitMQ(place=Place(cookie=first.cookie, epmd_port=first.epmd_port)) as other,
    ):
        yield one, other, f"http://guest:guest@127.0.0.1:{first.management_port}"


def join(other: RabbitMQ, one: RabbitMQ) -> None:
    other.ctl("stop_app")
    other.ctl("join_cluster", one.name)
    other.ctl("start_app")


@pytest.mark.timeout(300)
def test_queues_made_with_one_node_grow_when_another_has_joined(
    grown: tuple[RabbitMQ, RabbitMQ, str], budkavle: CommandLine
) -> None:
    """As docs/operations.md, "A RabbitMQ cluster" says. Joining alone does not mend it."""
    one, other, management_url = grown
    broker_url = one.fresh_vhost()
    set_up(budkavle, broker_url, 2, management_url)
    join(other, one)
    assert "budkavle.filter has 1 of 2 replicas" in set_up(budkavle, broker_url, 2, management_url)
    vhost = broker_url.rpartition("/")[2]
    one.queues_tool(
        "grow", other.name, "all", "--vhost-pattern", vhost, "--queue-pattern", "budkavle.*"
    )
    assert "WARNING" not in set_up(budkavle, broker_url, 2, management_url)


#: As docs/operations.md recommends for RabbitMQ 4.x.
RECONCILED = """\
{quorum_membership_reconciliation_enabled, true},
{quorum_membership_reconciliation_target_group_size, 3},"""


@pytest.mark.timeout(400)
def test_told_to_reconcile_queues_grow_by_themselves_when_two_more_have_joined(
    managed: tuple[RabbitMQ, str], budkavle: CommandLine
) -> None:
    """One more does not do: RabbitMQ then keeps the odd number of replicas there is."""
    if managed[0].version < (3, 13):
        pytest.skip("membership reconciliation came with RabbitMQ 3.13")
    with trio(RECONCILED) as (one, two, three, management_url):
        broker_url = one.fresh_vhost()
        set_up(budkavle, broker_url, 3, management_url)
        join(two, one)
        join(three, one)
        count = partial(replicas, management_url, broker_url)
        eventually(lambda: set(count().values()) == {3}, timeout=60, every=1)
