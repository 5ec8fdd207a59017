"""Bars and lines as SVG, without scripts or fonts from elsewhere, for light and dark pages.

Each picture brings its own background, and the dark one where the reader's system is dark.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmark.templates import render

#: Okabe and Ito's colours, which most people can tell apart; lighter on a dark page.
_COLORS = {
    "light": ("#0072b2", "#d55e00", "#00805c", "#a8518a"),
    "dark": ("#56b4e9", "#f0973c", "#2fc49a", "#e3a1c8"),
}
_DASHES = ("", "7 4", "2 3", "10 3 2 3")
_WIDTH, _LEFT = 720, 110
_BAR, _GAP, _HEAD, _FOOT = 15, 10, 44, 36
_HEIGHT, _TOP, _BOTTOM, _RIGHT = 340, 64, 262, 696
_TICKS = 5

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Bar:
    """`label` is "" for all bars of a group but its first."""

    label: str
    series: int
    value: str
    y: int
    length: float
    thickness: int = _BAR


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


def bars(title: str, groups: Mapping[str, Mapping[str, float]], *, form: str = "{:.2f}") -> str:
    """`groups`: by label, the value of each series that the group has."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    drawn = list(_bars(groups, names, form))
    return _picture(
        "bars.svg.j2", title, bars=drawn, names=names, left=_LEFT,
        height=max(bar.y for bar in drawn) + _BAR + _GAP + _FOOT,
    )  # fmt: skip


def lines(title: str, series: Mapping[str, Line], *, x: str, y: str) -> str:
    """`x`, `y`: what the axes show, with the unit. The vertical one begins at 0."""
    most_x = max(point[0] for line in series.values() for point in line)
    highest = max(point[1] for line in series.values() for point in line)
    step = nice_step(highest / _TICKS)
    ticks = max(1, math.ceil(highest / step))
    most_y = step * ticks
    drawn = [
        {"name": name, "dashes": _DASHES[number], "path": _path(line, most_x, most_y)}
        for number, (name, line) in enumerate(series.items())
    ]
    return _picture(
        "lines.svg.j2", title, lines=drawn, x_label=x, y_label=y, height=_HEIGHT,
        left=_LEFT - 30, right=_RIGHT, top=_TOP, bottom=_BOTTOM,
        y_ticks=[Tick(_down(step * number, most_y), f"{step * number:,g}")
                 for number in range(ticks + 1)],
        x_ticks=list(_x_ticks(most_x)),
    )  # fmt: skip


def nice_step(least: float) -> float:
    """The least of 1, 2, 2.5, 5 and 10 times a power of ten that is not under `least`."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= least * 0.999)


def _bars(
    groups: Mapping[str, Mapping[str, float]], names: Sequence[str], form: str
) -> Iterator[Bar]:
    longest = max(value for group in groups.values() for value in group.values()) or 1.0
    y = _HEAD
    for label, group in groups.items():
        for number, (name, value) in enumerate(group.items()):
            length = value / longest * (_RIGHT - _LEFT - 60)
            yield Bar("" if number else label, names.index(name), form.format(value), y, length)
            y += _BAR + 2
        y += _GAP


def _x_ticks(most: float) -> Iterator[Tick]:
    step = nice_step(most / _TICKS)
    for number in range(math.floor(most / step) + 1):
        yield Tick(_across(step * number, most), f"{step * number:,g}")


def _path(line: Line, most_x: float, most_y: float) -> str:
    points = (f"{_across(x, most_x):.1f} {_down(y, most_y):.1f}" for x, y in line)
    return "M" + "L".join(points)


def _across(x: float, most: float) -> float:
    left = _LEFT - 30
    return left + x / (most or 1) * (_RIGHT - left)


def _down(y: float, most: float) -> float:
    return _BOTTOM - y / (most or 1) * (_BOTTOM - _TOP)


def _picture(template: str, title: str, **values: Any) -> str:
    return render(template, title=title, width=_WIDTH, **_COLORS, **values)
