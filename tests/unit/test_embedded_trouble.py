"""Trouble with the queue file is logged, and not with each attempt."""

import pytest
from structlog.testing import capture_logs

from shared.relay.broker import BrokerUnavailable
from shared.relay.embedded.trouble import TroubleLog


class World:
    """A clock that the test sets, and a file that fails as told."""

    def __init__(self) -> None:
        self.now = 0.0
        self._trouble = TroubleLog("filter", monotonic=lambda: self.now)

    def fail(self, error: str) -> None:
        with pytest.raises(BrokerUnavailable), self._trouble.logged():
            raise BrokerUnavailable(error)

    def succeed(self) -> None:
        with self._trouble.logged():
            pass


def test_it_is_logged_once_a_minute_while_it_lasts() -> None:
    world = World()
    with capture_logs() as lines:
        for second in range(180):
            world.now = second
            world.fail("disk full")
    assert [line["event"] for line in lines] == ["broker_unavailable"] * 3
    assert lines[0]["error"] == "disk full"


def test_other_trouble_is_logged_at_once() -> None:
    world = World()
    with capture_logs() as lines:
        world.fail("locked")
        world.fail("disk full")
    assert [line["error"] for line in lines] == ["locked", "disk full"]


def test_its_end_is_logged_once() -> None:
    world = World()
    with capture_logs() as lines:
        world.succeed()
        world.fail("locked")
        world.succeed()
        world.succeed()
    assert [line["event"] for line in lines] == ["broker_unavailable", "broker_available"]


def test_what_comes_and_goes_is_logged_once_a_minute() -> None:
    world = World()
    with capture_logs() as lines:
        for second in range(120):
            world.now = second
            world.fail("disk full")
            world.succeed()
    assert [line["event"] for line in lines] == ["broker_unavailable", "broker_available"] * 2
