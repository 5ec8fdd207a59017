"""Dates and times as Swedes write them out."""

import os
import subprocess
import sys

import pytest

from composer.dates import when


@pytest.mark.parametrize(
    ("starts", "ends", "text"),
    [
        ("20261203090000", "20261203093000", "torsdag 3 december 2026 kl. 09.00–09.30"),
        ("20261203090000", "", "torsdag 3 december 2026 kl. 09.00"),
        ("20260301000000", "20260301001500", "söndag 1 mars 2026 kl. 00.00–00.15"),
        ("20261231230000", "20270101000000", "torsdag 31 december 2026 kl. 23.00–24.00"),
        (
            "20261231233000",
            "20270101001500",
            "torsdag 31 december 2026 kl. 23.30 – fredag 1 januari 2027 kl. 00.15",
        ),
        ("20261203090000", "20261203090000", "torsdag 3 december 2026 kl. 09.00"),
        ("20261203090000", "20261203080000", "torsdag 3 december 2026 kl. 09.00"),
        ("20261203090000", "20261299999999", "torsdag 3 december 2026 kl. 09.00"),
        ("20270328020000", "20270328033000", "söndag 28 mars 2027 kl. 02.00–03.30"),
        ("20271031023000", "20271031024500", "söndag 31 oktober 2027 kl. 02.30–02.45"),
        ("20280229080000", "", "tisdag 29 februari 2028 kl. 08.00"),
    ],
)
def test_when(starts: str, ends: str, text: str) -> None:
    assert when(starts, ends) == text


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="not a time"):
        when("2026-12-03 09:00")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "UTC"])
def test_the_machines_zone_and_language_do_not_matter(zone: str) -> None:
    program = (
        "from composer.dates import when; from shared.booking.times import instant;"
        "print(ascii(when('20270701090000')), instant('20270701090000'))"
    )
    environment = {**os.environ, "TZ": zone, "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "'torsdag 1 juli 2027 kl. 09.00' 2027-07-01 07:00:00+00:00\n"
