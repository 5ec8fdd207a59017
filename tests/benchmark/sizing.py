"""Machines and kronor for 1, 5 and 25 regions, calculated on paper from a run's figures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REGIONS = (1, 5, 25)
#: Smallest machine that is worth its name.
_LEAST_CORES, _LEAST_GIB = 2, 4
_GIB = 2**30


@dataclass(frozen=True)
class Assumptions:
    """What no run measures. Prices are round figures in kronor without VAT, to be replaced."""

    national_peak: float = 70.0  # notifications a second
    regions_of_the_country: int = 21
    peak_over_mean: float = 5.0
    seconds_of_a_year: float = 250 * 10 * 3600.0  # working days of ten hours
    busy_at_most: float = 0.5  # of the processors, at the peak
    kr_per_core_month: float = 200.0
    kr_per_gib_month: float = 40.0
    kr_per_disk_gib_month: float = 1.0
    bytes_per_notification: float = 3600.0  # in PostgreSQL: message, watermark, notices, indexes
    years_kept: float = 2.0
    kr_per_sms: float = 0.52
    sms_per_notification: float = 0.2
    broker_gib: float = 1.0
    database_gib: float = 2.0
    system_gib: float = 0.5

    def peak(self, regions: int) -> float:
        """Notifications a second of so many regions of mean size."""
        return self.national_peak / self.regions_of_the_country * regions

    def a_year(self, regions: int) -> float:
        return self.peak(regions) / self.peak_over_mean * self.seconds_of_a_year


@dataclass(frozen=True)
class Costs:
    """Of a run: processor time per notification in ms, memory of the five stages in GiB."""

    ours_ms: float
    broker_ms: float
    database_ms: float
    stages_gib: float

    @classmethod
    def of(cls, relay: Mapping[str, Any]) -> "Costs":
        around = relay["cpu_ms_around"]
        memory = sum(relay["memory_mib"].values()) / 1024
        return cls(relay["our_cpu_ms"], around["broker"], around["database"], memory)


@dataclass(frozen=True)
class Machines:
    """`number` machines of one kind."""

    number: int
    cores: int
    gib: int
    disk_gib: int

    def kr_a_month(self, prices: Assumptions) -> float:
        return self.number * (
            self.cores * prices.kr_per_core_month
            + self.gib * prices.kr_per_gib_month
            + self.disk_gib * prices.kr_per_disk_gib_month
        )


@dataclass(frozen=True)
class Size:
    """What so many regions need: all on one machine, or able to lose any machine."""

    regions: int
    peak: float
    a_year: float
    cores_at_peak: float  # of all processes of one machine, without reserve
    single: Machines
    data: Machines  # RabbitMQ and PostgreSQL, three of each
    stages: Machines
    single_kr: float  # a month
    cluster_kr: float  # a month
    sms_kr: float  # a month


def sizes(relay: Mapping[str, Any], assumed: Assumptions = Assumptions()) -> Sequence[Size]:
    """`relay`: that part of `build/bench.json`."""
    return [_size(regions, Costs.of(relay), assumed) for regions in REGIONS]


def _size(regions: int, costs: Costs, assumed: Assumptions) -> Size:
    peak, a_year = assumed.peak(regions), assumed.a_year(regions)
    disk = math.ceil(a_year * assumed.years_kept * assumed.bytes_per_notification / _GIB) + 20
    servers_ms = costs.broker_ms + costs.database_ms
    all_gib = costs.stages_gib + assumed.broker_gib + assumed.database_gib + assumed.system_gib

    def machines(number: int, ms: float, gib: float, disk_gib: int) -> Machines:
        cores = peak * ms / 1000 / assumed.busy_at_most
        return Machines(number, _even(cores), _power_of_two(gib), disk_gib)

    single = machines(1, costs.ours_ms + servers_ms, all_gib, disk)
    data = machines(3, servers_ms, all_gib - costs.stages_gib, disk)
    stages = machines(2, costs.ours_ms, costs.stages_gib + assumed.system_gib, 20)
    return Size(
        regions, peak, a_year, peak * (costs.ours_ms + servers_ms) / 1000, single, data, stages,
        single.kr_a_month(assumed), data.kr_a_month(assumed) + stages.kr_a_month(assumed),
        a_year * assumed.sms_per_notification * assumed.kr_per_sms / 12,
    )  # fmt: skip


def _even(cores: float) -> int:
    return max(_LEAST_CORES, 2 * math.ceil(cores / 2))


def _power_of_two(gib: float) -> int:
    return int(max(_LEAST_GIB, 2 ** math.ceil(math.log2(gib))))
