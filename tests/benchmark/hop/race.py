"""All contenders in turn, several times over: their rates, and what a hop costs each."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmark.hop.contender import CONTENDERS, Lap
from tests.services import RabbitMQ

FRAMEWORKS = ("aio_pika", "faststream", "dramatiq", "celery")

#: Of the hops asked for: who is slower does fewer, in about the same time.
_SHARES = {"budkavle": 1.0, "pika": 1.0, "celery": 0.1}
_OTHERS_SHARE = 0.25
_LAP_SECONDS = 300


@dataclass(frozen=True)
class Standing:
    """Medians over all laps of one contender."""

    per_second: float
    cpu_us: float  # processor time of the contender's process per hop
    laps: int


def race(
    broker: RabbitMQ,
    contenders: Sequence[str],
    *,
    hops: int,
    repetitions: int,
    log: Callable[[str], None],
) -> dict[str, Standing]:
    """Interleaved, so that a busy moment of the machine strikes everybody alike."""
    laps: dict[str, list[Lap]] = {name: [] for name in contenders}
    for repetition in range(1, repetitions + 1):
        for name in contenders:
            lap = one_lap(broker, name, max(1, round(hops * _SHARES.get(name, _OTHERS_SHARE))))
            log(f"{name} {repetition}/{repetitions}: {lap.per_second:,.0f} hops/s")
            laps[name].append(lap)
    return {name: _standing(of_one) for name, of_one in laps.items()}


def one_lap(broker: RabbitMQ, name: str, count: int) -> Lap:
    """In a process and a virtual host of its own. Raises `CalledProcessError` when it failed."""
    assert name in CONTENDERS
    url = broker.fresh_vhost()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmark.hop.contender", name, url, str(count)],
        capture_output=True,
        timeout=_LAP_SECONDS,
        check=False,
    )
    broker.give_back(url)
    if done.returncode:
        sys.stderr.buffer.write(done.stderr[-3000:])
        done.check_returncode()
    return Lap(**json.loads(done.stdout.splitlines()[-1]))  # Celery prints a banner before it


def _standing(laps: Sequence[Lap]) -> Standing:
    return Standing(
        per_second=statistics.median(lap.per_second for lap in laps),
        cpu_us=statistics.median(lap.cpu_us for lap in laps),
        laps=len(laps),
    )
