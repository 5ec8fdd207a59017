"""How long a lost connection rests between attempts to mend it."""

import pytest

from shared.relay.rabbitmq.link import Link


@pytest.mark.parametrize("longest", [1.0, 5.0])
def test_waits_grow_to_the_longest_with_jitter(longest: float) -> None:
    link = Link.__new__(Link)  # without its thread
    link._longest_wait, link._failures = longest, 0
    waits = [link._next_wait() for _ in range(30)]
    assert 0.1 <= waits[0] <= 0.2
    assert all(longest / 2 <= wait <= longest for wait in waits[10:])
    assert len(set(waits[10:])) > 1
