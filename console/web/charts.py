"""Pictures as SVG paths, computed here so that a page needs no script."""

from collections.abc import Sequence

#: Size of a sparkline, in units of its view box.
WIDTH, HEIGHT = 240, 44
_EDGE = 3


def sparkline(values: Sequence[float]) -> str:
    """A path through `values`, from left to right; 0 is at the bottom. "" for fewer than two."""
    if len(values) < 2:
        return ""
    step = WIDTH / (len(values) - 1)
    highest = max(values) or 1
    room = HEIGHT - 2 * _EDGE
    points = (
        f"{place * step:.1f},{HEIGHT - _EDGE - value / highest * room:.1f}"
        for place, value in enumerate(values)
    )
    return "M" + " L".join(points)


def area(values: Sequence[float]) -> str:
    """The area below that line."""
    line = sparkline(values)
    return f"{line} L{WIDTH},{HEIGHT} L0,{HEIGHT} Z" if line else ""


def thinned(values: Sequence[float], most: int = 120) -> list[float]:
    """At most so many values: each the highest of its share."""
    if len(values) <= most:
        return [*values]
    size = -(-len(values) // most)
    return [max(values[start : start + size]) for start in range(0, len(values), size)]
