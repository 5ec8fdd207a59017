"""Percentiles of measured times."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Percentiles:
    """In milliseconds. `curve`: the 1st to the 99th percentile."""

    p50: float
    p95: float
    p99: float
    curve: Sequence[float] = ()

    def named(self) -> Mapping[str, float]:
        """Without the curve."""
        return {"p50": self.p50, "p95": self.p95, "p99": self.p99}


def percentiles(seconds: Sequence[float]) -> Percentiles:
    cuts = [cut * 1000 for cut in statistics.quantiles(seconds, n=100, method="inclusive")]
    named = (cuts[percent - 1] for percent in (50, 95, 99))
    return Percentiles(*named, curve=tuple(round(cut, 2) for cut in cuts))
