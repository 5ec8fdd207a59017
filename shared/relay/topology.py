"""Every queue and every delay, as data. Both brokers are declared from here.

```
                 direct exchange "budkavle"
   routing key = stage ──────────────► budkavle.<stage>        (read by that stage)
   routing key = <stage>.dead ───────► budkavle.<stage>.dead   (kept until people act)
                 <stage>.parked, .discarded, .replayed likewise (`Place`, `reports_key`)

   budkavle.delay.5s (fanout) ► budkavle.delay.5s ── after 5 s, same routing key ──► "budkavle"
```
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

#: The stages that read a queue, in the order a notification passes them.
READING_STAGES = ("filter", "fetcher", "composer", "notifier")
STAGES = ("ingest", *READING_STAGES)

EXCHANGE = "budkavle"

#: How often a broker may hand out one message before it counts as one that kills its reader.
#: Our own retries are new messages, so this counts crashes only; it is far above any restart.
DELIVERY_LIMIT = 50


def seconds(*values: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=value) for value in values)


#: The waits that have a delay queue. Any other wait is made of these.
DELAY_STEPS = seconds(1, 5, 30, 120, 600, 3600)

#: The waits after the first, second, … failed attempt; when they are used up, the message is a
#: dead letter. Together about a day: a source may be away over night.
RETRY_DELAYS = seconds(5, 30, 120, 600, *([3600] * 24))


#: For how long a discarded dead letter can be restored.
DISCARDED_KEPT = timedelta(days=30)
#: For how long a report on a replayed letter waits for the operator who follows the replay.
REPORTS_KEPT = timedelta(hours=1)


class Place(StrEnum):
    """Where a dead letter of a stage lies. Only those in `DEAD` are alerted."""

    DEAD = "dead"
    PARKED = "parked"  # looked at, with a note; kept until somebody acts
    DISCARDED = "discarded"  # thrown away; can be restored for `DISCARDED_KEPT`


def work_queue(stage: str) -> str:
    return f"{EXCHANGE}.{stage}"


def dead_queue(stage: str) -> str:
    return f"{EXCHANGE}.{stage}.dead"


def dead_key(stage: str) -> str:
    return f"{stage}.dead"


def place_key(stage: str, place: Place) -> str:
    return f"{stage}.{place}"


def place_queue(stage: str, place: Place) -> str:
    return f"{EXCHANGE}.{stage}.{place}"


def reports_key(stage: str) -> str:
    """Where the stage reports what became of replayed letters (`replay_reports`)."""
    return f"{stage}.replayed"


def reports_queue(stage: str) -> str:
    return f"{EXCHANGE}.{stage}.replayed"


def routing_keys() -> frozenset[str]:
    """Every key that a message may be published to."""
    places = {place_key(stage, place) for stage in READING_STAGES for place in Place}
    return frozenset({*READING_STAGES, *places, *map(reports_key, READING_STAGES)})


def delay_name(step: timedelta) -> str:
    """`budkavle.delay.5s`, `.2m`, `.1h`; milliseconds for the short steps tests use."""
    milliseconds = round(step.total_seconds() * 1000)
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{EXCHANGE}.delay.{milliseconds // size}{unit}"
    return f"{EXCHANGE}.delay.{milliseconds}ms"


@dataclass(frozen=True, slots=True)
class Topology:
    """The delays in force. Tests use shorter ones; the names follow from the lengths."""

    delay_steps: tuple[timedelta, ...] = DELAY_STEPS
    retry_delays: tuple[timedelta, ...] = RETRY_DELAYS

    def step_for(self, wait: timedelta) -> timedelta:
        """The longest step that does not overshoot `wait`; the shortest step at the least.

        A longer wait is made of several steps, so a message returns late by less than the shortest
        step.
        """
        fitting = [step for step in self.delay_steps if step <= wait]
        return max(fitting, default=min(self.delay_steps))

    def retry_delay(self, attempt: int) -> timedelta | None:
        """The wait after failed attempt number `attempt` (from 1); None when none is left."""
        return self.retry_delays[attempt - 1] if attempt <= len(self.retry_delays) else None

    def queues(self) -> Iterable[str]:
        for stage in READING_STAGES:
            yield work_queue(stage)
            yield from (place_queue(stage, place) for place in Place)
            yield reports_queue(stage)
