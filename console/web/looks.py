"""Filters of templates: how instants, lengths of time and numbers look."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from console.output import json_text, shown
from console.web.charts import area, sparkline

NOTHING = "–"
_SWEDEN = ZoneInfo("Europe/Stockholm")
_THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"


def when(moment: datetime | None) -> str:
    """An instant in Swedish time, to the minute, as an element `time`."""
    return _time(moment, "%Y-%m-%d %H:%M")


def second(moment: datetime | None) -> str:
    """... and to the second."""
    return _time(moment, "%Y-%m-%d %H:%M:%S")


def _time(moment: datetime | None, pattern: str) -> str:
    if moment is None:
        return NOTHING
    iso = moment.isoformat(timespec="seconds")
    text = moment.astimezone(_SWEDEN).strftime(pattern)
    return Markup('<time datetime="{}">{}</time>').format(iso, text)


def length(duration: timedelta | float | None) -> str:
    """Its two largest units: `12 min 5 s`. A number is one of seconds."""
    if duration is None:
        return NOTHING
    return shown(duration if isinstance(duration, timedelta) else timedelta(seconds=duration))


def number(value: float | None) -> str:
    """`1 240`, `0.25`."""
    if value is None:
        return NOTHING
    text = f"{value:,}" if isinstance(value, int) else _rounded(value)
    return text.replace(",", _THIN_SPACE)


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def share(part: float | None) -> str:
    """A share of 1 as per cent."""
    return NOTHING if part is None else f"{part * 100:.3g}{_THIN_SPACE}%"


FILTERS: dict[str, Callable[..., str]] = {
    "when": when,
    "second": second,
    "length_of": length,
    "sparkline": sparkline,
    "area": area,
    "number": number,
    "share": share,
    "as_json": json_text,
}
