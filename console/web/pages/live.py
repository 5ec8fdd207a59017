"""`/live`: the relay as a picture, which moves while somebody looks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response

from console.state import StageState, breakers_of, troubles_of
from console.web.charts import thinned
from console.web.prometheus import last_hour
from console.web.sampler import FRESH, Sample, rate_of
from console.web.site import Site
from console.web.visits import Page, Stream, Visit, event
from shared.base.clock import utcnow

_PART = "live_part.html"
#: Troubles that are seen in the picture itself, or have their own list on it.
_SHOWN_OTHERWISE = {"breaker_open"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A stage with its last hour."""

    state: StageState
    rate: float
    rates: Sequence[float]
    waiting: Sequence[float]


def show(visit: Visit) -> Response:
    return visit.render("live.html", **_values(visit.site))


async def events(visit: Visit) -> AsyncIterator[str]:
    """The picture anew whenever there is a newer sample."""
    while True:
        await asyncio.sleep(FRESH.total_seconds())
        yield await asyncio.to_thread(_event, visit)


def _event(visit: Visit) -> str:
    sample = visit.site.sampler.current(utcnow())
    draw = visit.site.drawings
    return draw.get(
        (sample.number, visit.language),
        lambda: event("picture", visit.html(_PART, **_values(visit.site))),
    )


def _values(site: Site) -> dict[str, Any]:
    sample = site.sampler.current(utcnow())
    troubles = [each for each in troubles_of(sample.found) if each.kind not in _SHOWN_OTHERWISE]
    rates = last_hour(site.settings.console_prometheus_url)
    return {
        "at": sample.found.now,
        "stages": [_drawn(site, state, rates.get(state.stage)) for state in sample.stages],
        "breakers": [*_breakers(sample)],
        "troubles": troubles,
    }


def _drawn(site: Site, state: StageState, rates: Sequence[float] | None) -> Drawn:
    points = site.sampler.history(state.stage)
    seen = [point.rate for point in points]
    return Drawn(
        state,
        rate_of(state),
        thinned(rates or seen),
        thinned([point.waiting for point in points]),
    )


def _breakers(sample: Sample) -> list[dict[str, object]]:
    return [
        {
            "source": breaker["source"],
            "reason": breaker["reason"],
            "since": datetime.fromisoformat(breaker["opened_at"]),
            "probe": datetime.fromisoformat(breaker["next_probe"]),
        }
        for breaker in breakers_of(sample.found.alive).values()
    ]


PAGES = (Page("/live", show), Stream("/live/events", events))
