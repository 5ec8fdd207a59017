"""Who looks at some of the dead letters lets all of them go: others wait to look and to replay."""

from collections.abc import Generator

import pytest

from console import findings
from console.dead_letters import Selection
from console.findings import dead_by_group
from shared.relay.broker import Envelope, QueueState
from tests.dead_letters import change, letter


class Broker:
    """Keeps its letters until the look is closed, whoever forgets it."""

    def __init__(self) -> None:
        self.held = False
        self.looks: list[Generator[Envelope, None, None]] = []

    def dead_letters(self, *_: object, **__: object) -> Generator[Envelope, None, None]:
        self.looks.append(self._look())
        return self.looks[-1]

    def _look(self) -> Generator[Envelope, None, None]:
        self.held = True
        try:
            for number in range(5):
                yield letter(f"l{number}", change())
        finally:
            self.held = False


def test_a_list_that_is_cut() -> None:
    broker = Broker()
    found = Selection(("fetcher",)).find(broker)  # type: ignore[arg-type]
    next(found)
    assert broker.held
    found.close()
    assert not broker.held


def test_a_status_that_has_seen_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST_LOOKED_AT", 2)
    broker, state = Broker(), QueueState("fetcher", 0, None, None, 5, None)
    [group] = dead_by_group(broker, [state], None).groups  # type: ignore[arg-type]
    assert group.count == 2
    assert not broker.held
