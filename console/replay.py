"""A replay of dead letters that is followed: canary, pace, and an end when too many come back.

Prints nothing, so that a page can use it as well as the command. The stages report what becomes of
each letter (`shared.relay.replay_reports`).
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event

from console.dead_letters import Selection
from shared.relay.broker import Broker, DeadQueue, HeldLetter, Outgoing
from shared.relay.dead_queue import BATCH
from shared.relay.replay_reports import ReplayReport, read_report
from shared.relay.topology import Place

#: So many outcomes must be known before their share says anything.
_KNOWN_AT_LEAST = 10
#: The longest time without a look at reports and at the wish to stop, in seconds.
_SLICE = 0.2
#: Others who want the letters are told how far it came, as often as this (seconds).
_NOTE_EVERY = 1.0
_PASSED = {"publish", "done", "drop"}


class Stopped(StrEnum):
    """Why a replay ended before all letters were replayed."""

    NO = ""
    INTERRUPTED = "interrupted"
    CANARY = "canary_came_back"
    CANARY_UNKNOWN = "canary_outcome_unknown"
    SHARE = "too_many_came_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be replayed and how."""

    selection: Selection
    by: str
    run: str
    canary: int = 0  # so many are replayed first, and their outcome awaited
    canary_wait: float = 60.0  # seconds
    rate: float = math.inf  # letters a second
    most_back: float = 0.2  # the share of known outcomes that may be "dead" again
    follow: float = 3.0  # seconds for which outcomes are awaited at the end


@dataclass(slots=True)
class Progress:
    """How far a replay has come. Letters of which nothing was reported yet are `unknown`."""

    stages: Counter[str] = field(default_factory=Counter)
    looked_at: int = 0
    passed: int = 0
    came_back: int = 0
    waiting_ids: set[str] = field(default_factory=set)  # to be tried again by their stage
    back_reasons: Counter[str] = field(default_factory=Counter)
    stopped: Stopped = Stopped.NO

    @property
    def replayed(self) -> int:
        return self.stages.total()

    @property
    def known(self) -> int:
        return self.passed + self.came_back

    @property
    def waiting(self) -> int:
        return len(self.waiting_ids)

    @property
    def unknown(self) -> int:
        return max(0, self.replayed - self.known - self.waiting)

    @property
    def decided(self) -> bool:
        """Whether the outcome of every letter is known."""
        return self.known >= self.replayed

    def add(self, report: ReplayReport) -> None:
        if report.outcome in _PASSED or report.outcome == "dead":
            self.waiting_ids.discard(report.message_id)
        else:
            self.waiting_ids.add(report.message_id)
        self.passed += report.outcome in _PASSED
        if report.outcome == "dead":
            self.came_back += 1
            self.back_reasons[report.reason] += 1

    def too_many_back(self, share: float, *, at_least: int = _KNOWN_AT_LEAST) -> bool:
        return self.known >= at_least and self.came_back > share * self.known


OnProgress = Callable[[Progress], None]


def replay(
    broker: Broker,
    plan: Plan,
    *,
    on_progress: OnProgress = lambda _progress: None,
    stopping: Event | None = None,
) -> Progress:
    """Replay what `plan` selects, one stage after the other.

    When `stopping` is set, it ends after the letters it is at: none of them is lost or replayed
    twice. Raises `BrokerUnavailable` and `DeadQueueBusy`.
    """
    progress = Progress()
    for stage in plan.selection.stages:
        if not progress.stopped:
            with broker.hold_dead(stage, Place.DEAD, by=plan.by, doing="replaying") as queue:
                _StageReplay(queue, stage, plan, progress, on_progress, stopping or Event()).run()
    return progress


class _StageReplay:
    """The letters of one stage, held."""

    def __init__(
        self,
        queue: DeadQueue,
        stage: str,
        plan: Plan,
        progress: Progress,
        on_progress: OnProgress,
        stopping: Event,
    ) -> None:
        self._queue = queue
        self._stage = stage
        self._plan = plan
        self._progress = progress
        self._here = Progress()  # of this stage, by which the canary and the share are judged
        self._on_progress = on_progress
        self._stopping = stopping
        self._pace_from = time.monotonic()
        self._paced = 0
        self._note_at = 0.0

    def run(self) -> None:
        while not self._progress.stopped and (letters := self._queue.read(self._batch())):
            self._progress.looked_at += len(letters)
            self._hand_over([letter for letter in letters if self._is_meant(letter)])
            self._watch()
            if self._is_canary_out:
                self._await_canary()
            self._keep_pace()
        self._await(self._plan.follow)

    @property
    def _is_canary_out(self) -> bool:
        return 0 < self._plan.canary == self._here.replayed

    def _batch(self) -> int:
        """Up to the end of the canary, and no more than belong to one slice of the pace."""
        left = self._plan.canary - self._here.replayed
        paced = math.ceil(min(BATCH, self._plan.rate * _SLICE))
        return min(paced, left) if left > 0 else paced

    def _is_meant(self, letter: HeldLetter) -> bool:
        """One of this run that has come back is not replayed again by it."""
        envelope = letter.envelope
        return envelope.run != self._plan.run and self._plan.selection.takes_envelope(
            self._stage, envelope
        )

    def _hand_over(self, letters: Sequence[HeldLetter]) -> None:
        if letters:
            run = self._plan.run
            self._queue.take(
                letters, [Outgoing(self._stage, one.envelope.replayed(run)) for one in letters]
            )
            for progress in (self._here, self._progress):
                progress.stages[self._stage] += len(letters)
            self._paced += len(letters)

    def _watch(self) -> None:
        """Take in reports, tell how far it came, and stop where there is a reason to."""
        for envelope in self._queue.reports():
            report = read_report(envelope)
            if report is not None and report.run == self._plan.run:
                self._here.add(report)
                self._progress.add(report)
        if time.monotonic() >= self._note_at:
            self._note_at = time.monotonic() + _NOTE_EVERY
            self._queue.doing(f"replaying: {self._progress.replayed} so far")
        self._on_progress(self._progress)
        if self._stopping.is_set():
            self._stop(Stopped.INTERRUPTED)
        elif self._here.too_many_back(self._plan.most_back):
            self._stop(Stopped.SHARE)

    def _stop(self, why: Stopped) -> None:
        self._progress.stopped = self._progress.stopped or why

    def _await_canary(self) -> None:
        self._await(self._plan.canary_wait)
        if not self._here.decided:
            self._stop(Stopped.CANARY_UNKNOWN)
        elif self._here.too_many_back(self._plan.most_back, at_least=1):
            self._stop(Stopped.CANARY)
        self._pace_from, self._paced = time.monotonic(), 0

    def _await(self, seconds: float) -> None:
        """Until every outcome is known, or that long."""
        end = time.monotonic() + seconds
        while not self._here.decided and time.monotonic() < end:
            self._queue.rest(_SLICE)
            self._watch()
            if self._progress.stopped is Stopped.INTERRUPTED:
                return

    def _keep_pace(self) -> None:
        due = self._pace_from + self._paced / self._plan.rate
        while (left := due - time.monotonic()) > 0 and not self._progress.stopped:
            self._queue.rest(min(left, _SLICE))
            self._watch()
