"""Wall times, on machines in any zone."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.booking.times import end_moment, instant, is_wall_time, parse_wall, wall_text


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
def _machine_zone(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_machine_zone")
@pytest.mark.parametrize(
    ("wall", "utc"),
    [
        ("20261203090000", datetime(2026, 12, 3, 8, 0, tzinfo=UTC)),
        ("20260703090000", datetime(2026, 7, 3, 7, 0, tzinfo=UTC)),
        ("20261231235959", datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC)),
        ("20270101000000", datetime(2026, 12, 31, 23, 0, tzinfo=UTC)),
        # The hour that exists twice: the first of them.
        ("20261025023000", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("20261025030000", datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
        # The hour that does not exist: 02:30 is what the clock calls 03:30.
        ("20260329023000", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("20260329033000", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_instants_follow_swedish_clocks(wall: str, utc: datetime) -> None:
    assert instant(wall) == utc


@pytest.mark.usefixtures("_machine_zone")
def test_wall_text_is_what_swedish_clocks_show() -> None:
    assert wall_text(datetime(2026, 7, 3, 7, 0, tzinfo=UTC)) == "20260703090000"


def test_wall_time_is_kept_as_received() -> None:
    assert parse_wall("20260329023000") == datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026120309000",
        "202612030900000",
        "2026-12-03T09:00",
        "20261203090000Z",
        "20261203090000\n",
        "00001203090000",
        "20260229090000",
        "20261303090000",
        "20261200090000",
        "20261203240000",
        "20261203096000",
        "20261203090060",
        "٢٠٢٦١٢٠٣٠٩٠٠٠٠",
    ],
)
def test_what_is_no_moment_of_the_calendar_is_no_wall_time(text: str) -> None:
    assert not is_wall_time(text)


def test_a_leap_day_is_a_day() -> None:
    assert is_wall_time("20280229120000")


DAYS = st.sampled_from([datetime(2027, 3, 28), datetime(2027, 10, 31), datetime(2027, 6, 1)])  # noqa: DTZ001 - wall time


@given(DAYS, st.integers(0, 6 * 60), st.integers(-60, 119))
def test_an_end_is_after_the_start_and_keeps_what_the_clock_says(
    day: datetime, minute: int, length: int
) -> None:
    start = day + timedelta(minutes=minute)
    end = start + timedelta(minutes=length)
    starts, ends = f"{start:%Y%m%d%H%M%S}", f"{end:%Y%m%d%H%M%S}"
    moment = end_moment(starts, ends)
    if moment is None:
        assert length <= 0
        return
    assert moment > instant(starts)
    assert moment.replace(tzinfo=None) == end
    if start.hour == 2 and length > 0:
        assert moment - instant(starts) == timedelta(minutes=length)
