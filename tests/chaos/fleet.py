"""Several processes of every stage, killed and started again by their ids."""

import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired

from console.processes import Child
from shared.relay.topology import STAGES

_READY_SECONDS = 90
_STOP_SECONDS = 40
_KILLED_SECONDS = 10
_STACKS_ON_ABORT = {"PYTHONFAULTHANDLER": "1"}
_PER_STAGE = 2


@dataclass
class Member:
    """One place of the fleet: `filter-1`, whichever process fills it now. None: killed.

    `environment`: on top of the fleet's.
    """

    stage: str
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    child: Child | None = None


class Fleet:
    """The stages, wired by `environment`; their logs stand in `folder`.

    One ingest listens at each of `ingest_binds`.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path, ingest_binds: Sequence[str]
    ) -> None:
        self._environment = environment
        self._folder = folder
        wired = {stage: [{}] * _PER_STAGE for stage in STAGES}
        wired["ingest"] = [{"BUDKAVLE_INGEST_BIND": bind} for bind in ingest_binds]
        self._members = [
            Member(stage, f"{stage}-{number}", own)
            for stage in STAGES
            for number, own in enumerate(wired[stage], start=1)
        ]
        self.kills: Counter[str] = Counter()
        self.crashed: list[str] = []  # those that ended although nobody killed them

    def of(self, stage: str) -> list[Member]:
        return [member for member in self._members if member.stage == stage]

    def start(self) -> None:
        """Start whoever does not run, and wait until all are ready."""
        for member in self._members:
            self.restart(member)
        deadline = time.monotonic() + _READY_SECONDS
        for member in self._members:
            assert member.child is not None
            member.child.ready(max(1, deadline - time.monotonic()))

    def kill(self, member: Member) -> None:
        """SIGKILL."""
        child = self._let_go(member)
        if child is None:
            return
        child.process.kill()
        child.wait(_KILLED_SECONDS)
        self.kills[member.stage] += 1

    def retire(self, member: Member) -> None:
        """SIGTERM, as an upgrade does it."""
        child = self._let_go(member)
        if child is None:
            return
        child.terminate()
        self._await_end(member.name, child)

    def restart(self, member: Member) -> None:
        """Start it, unless it runs."""
        if member.child is not None and member.child.alive:
            return
        if member.child is not None:
            self._has_crashed(member, member.child)
        log_file = self._folder / f"{member.name}.log"
        environment = {**self._environment, **_STACKS_ON_ABORT, **member.environment}
        member.child = Child(member.stage, environment, log_file)

    def stop(self) -> None:
        for member in self._members:
            if member.child is not None:
                member.child.terminate()
        for member in self._members:
            if member.child is not None:
                self._await_end(member.name, member.child)

    def _await_end(self, name: str, child: Child) -> None:
        """After SIGTERM. What does not end writes the stacks of its threads into its log."""
        try:
            child.process.wait(_STOP_SECONDS)
        except TimeoutExpired:
            self.crashed.append(f"{name} did not end on SIGTERM; its stacks are in its log")
            child.process.send_signal(signal.SIGABRT)
        child.wait(_KILLED_SECONDS)

    def _let_go(self, member: Member) -> Child | None:
        """Its process, which leaves its place; one that has ended by itself has crashed."""
        child, member.child = member.child, None
        if child is not None and not child.alive:
            self._has_crashed(member, child)
        return child

    def _has_crashed(self, member: Member, child: Child) -> None:
        self.crashed.append(f"{member.name} (exit code {child.wait(1)})")
