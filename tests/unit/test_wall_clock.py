"""A clock that was put back is noticed; ordinary corrections are not."""

import pytest

from shared.relay.embedded.wall_clock import WallClock


@pytest.mark.parametrize(
    ("wall", "monotonic", "expected"),
    [
        (1010.0, 10.0, False),
        (1009.0, 10.0, False),  # a second: NTP
        (1000.0, 10.0, True),
        (-20_000.0, 10.0, True),
        (30_000.0, 10.0, False),  # put forward: what waits comes early
    ],
)
def test_what_counts_as_put_back(wall: float, monotonic: float, expected: bool) -> None:
    times = {"wall": 1000.0, "monotonic": 0.0}
    clock = WallClock(lambda: times["wall"], lambda: times["monotonic"])
    assert clock.was_put_back()  # nobody knows what it did before
    times.update(wall=wall, monotonic=monotonic)
    assert clock.was_put_back() is expected
    assert not clock.was_put_back()
