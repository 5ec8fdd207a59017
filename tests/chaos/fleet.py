"""Several processes of every stage, killed and started again by their ids."""

import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from console.processes import Child, stop_all
from shared.relay.topology import STAGES

_READY_SECONDS = 90
_STOP_SECONDS = 40
_KILLED_SECONDS = 10
#: How many processes of a stage there are. Ingest has one address, at which the index calls.
PER_STAGE = {stage: 1 if stage == "ingest" else 2 for stage in STAGES}


@dataclass
class Member:
    """One place of the fleet: `filter-1`, whichever process fills it now. None: killed."""

    stage: str
    name: str
    child: Child | None = None


class Fleet:
    """The stages, wired by `environment`; their logs stand in `folder`."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._members = [
            Member(stage, f"{stage}-{number}")
            for stage in STAGES
            for number in range(1, PER_STAGE[stage] + 1)
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
        if child.stop(_STOP_SECONDS) == -signal.SIGKILL:
            self.crashed.append(f"{member.name} did not end on SIGTERM")

    def restart(self, member: Member) -> None:
        """Start it, unless it runs."""
        if member.child is not None and member.child.alive:
            return
        if member.child is not None:
            self._has_crashed(member, member.child)
        log_file = self._folder / f"{member.name}.log"
        member.child = Child(member.stage, self._environment, log_file)

    def stop(self) -> None:
        children = [member.child for member in self._members if member.child is not None]
        stop_all(children, _STOP_SECONDS)

    def _let_go(self, member: Member) -> Child | None:
        """Its process, which leaves its place; one that has ended by itself has crashed."""
        child, member.child = member.child, None
        if child is not None and not child.alive:
            self._has_crashed(member, child)
        return child

    def _has_crashed(self, member: Member, child: Child) -> None:
        self.crashed.append(f"{member.name} (exit code {child.wait(1)})")
