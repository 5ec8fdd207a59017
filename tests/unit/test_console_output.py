"""How values look in listings."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from console.output import print_json, print_rows, shown
from shared.relay.broker import QueueState


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        ("", ""),
        (5.0, "5"),
        (0.5, "0.5"),
        (datetime(2026, 7, 1, 10, 0, tzinfo=UTC), "2026-07-01 12:00"),
        (datetime(2026, 12, 1, 10, 0, tzinfo=UTC), "2026-12-01 11:00"),
        (timedelta(0), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=12, seconds=5), "12 min 5 s"),
        (timedelta(hours=3), "3 h 0 min"),
        (timedelta(days=40, hours=4, minutes=3), "40 d 4 h"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_values_as_an_operator_reads_them(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_piped_row_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_rows([{"id": "x" * 60, "name": "y" * 60, "more": "z" * 40}], empty="")
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "x" in line]
    assert row.split() == ["x" * 60, "y" * 60, "z" * 40]


def test_the_first_column_is_never_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    print_rows([{"id": "x" * 30, "name": "a name of several words, and long"}], empty="")
    assert "x" * 30 in capsys.readouterr().out


def test_what_a_narrow_terminal_has_no_room_for_stands_row_by_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    at = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
    print_rows([{"id": "x" * 20, "first": at, "then": at}, {"id": "y", "first": None, "then": at}],
               empty="")  # fmt: skip
    shown_lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["id", "x" * 20] in [[part.strip() for part in line] for line in shown_lines]
    assert [line[0] for line in shown_lines if line] == ["id", "first", "then"] * 2


def test_instants_and_dataclasses_become_json(capsys: pytest.CaptureFixture[str]) -> None:
    noon = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    print_json([QueueState("filter", 1, None, 2, 0, None), noon, timedelta(minutes=1)])
    state, instant, length = json.loads(capsys.readouterr().out)
    assert state["unacknowledged"] is None
    assert (instant, length) == ("2026-11-25T12:00:00+00:00", 60)
