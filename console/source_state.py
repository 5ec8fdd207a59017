"""Each activated booking system with what is known of it now. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.sources import state_of
from console.state import Findings, breakers_of, most_waiting
from shared.booking.identity import hsa_key
from shared.store.processes import StageProcess
from shared.store.sources import SourceSystem


@dataclass(frozen=True, slots=True)
class SourceState:
    """None: not known, as of a system that was not called in the last minutes.

    `state`: `active`, `paused` or `breaker_open`. `waiting` is an upper bound.
    """

    source: SourceSystem
    state: str
    per_minute: float | None  # calls, over all fetchers
    failing: float | None  # share of the calls
    p95: float | None  # seconds; of several fetchers' the highest
    waiting: int
    last_notification: datetime | None


def source_states(
    found: Findings, last_notifications: Mapping[str, datetime]
) -> Iterator[SourceState]:
    """In the order of the register."""
    breakers, calls = breakers_of(found.alive), _calls_by_source(found.alive)
    for source in found.sources:
        of_fetchers = calls.get(source.key, [])
        per_minute = sum(each["per_minute"] for each in of_fetchers)
        failing = sum(each["failing"] * each["per_minute"] for each in of_fetchers)
        yield SourceState(
            source=source,
            state=state_of(source, breakers),
            per_minute=per_minute if of_fetchers else None,
            failing=failing / per_minute if per_minute else None,
            p95=max((each["p95"] for each in of_fetchers), default=None),
            waiting=most_waiting(source, found.next_slots.get(source.key), found.now),
            last_notification=last_notifications.get(source.key),
        )


def _calls_by_source(processes: Sequence[StageProcess]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for process in processes:
        for hsa_id, calls in process.report.get("calls", {}).items():
            found.setdefault(hsa_key(hsa_id), []).append(calls)
    return found
