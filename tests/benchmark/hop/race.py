"""All contenders in turn, several times over: their rates, and what a hop costs each."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmark.hop.contender import CONTENDERS, Lap
from tests.services import RabbitMQ

_OURS = "budkavle"
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
    """Interleaved, so that a busy moment of the machine strikes everybody alike.

    A lap that fails is left out, and so is a contender without any. Raises AssertionError when
    that is the relay's own runner.
    """
    laps: dict[str, list[Lap]] = {name: [] for name in contenders}
    for _ in range(repetitions):
        for name in contenders:
            count = max(1, round(hops * _SHARES.get(name, _OTHERS_SHARE)))
            laps[name] += _finished(broker, name, count, log)
    assert laps.get(_OURS, True), "no lap of the relay's own runner was finished"
    return {name: _standing(of_one) for name, of_one in laps.items() if of_one}


def _finished(broker: RabbitMQ, name: str, count: int, log: Callable[[str], None]) -> Sequence[Lap]:
    """One lap; none when it failed, as when a framework leaves messages unacknowledged."""
    try:
        lap = one_lap(broker, name, count)
    except subprocess.SubprocessError as error:
        log(f"{name}: left out, {error}")
        return []
    log(f"{name}: {lap.per_second:,.0f} hops/s")
    return [lap]


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
