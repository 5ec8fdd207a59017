"""`budkavle run`: one stage in this process, or several as children that are kept alive."""

import os
import sys
import time
from collections.abc import Iterator
from itertools import count, repeat
from threading import Event
from typing import Annotated

import structlog
import typer

from console.processes import Child, NotReady, stop_all
from shared.base.addresses import split_bind
from shared.base.logging import configure_logging
from shared.relay.topology import STAGES
from shared.stage.parent import end_with_parent
from shared.stage.process import announce_ready, stop_signal
from shared.stage.settings import CommonSettings

log = structlog.get_logger()

_READY_SECONDS = 60
_READY_POLL_SECONDS = 0.05
#: How often children are checked; also the pause between two starts of one that dies at once.
_RESTART_SECONDS = 1


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run(
    stages: Annotated[list[str], typer.Argument(metavar="STAGE… | all", show_default=False)],
) -> None:
    """Run stages until SIGTERM: ingest, filter, fetcher, composer, notifier, or all.

    Prints one JSON line when every one of them is ready. Of several, one that dies is started
    again; one that cannot start at all ends the command with exit code 1. All of them end with the
    command, even when it is killed. BUDKAVLE_HEALTH_BIND is the address of the first; each of the
    others has the next port.
    """
    chosen = list(STAGES) if stages == ["all"] else stages
    unknown = [stage for stage in chosen if stage not in STAGES]
    if unknown:
        raise typer.BadParameter(f"no stage {unknown[0]!r}; there are {', '.join(STAGES)} and all")
    if len(chosen) == 1:
        os.execv(sys.executable, [sys.executable, "-m", chosen[0]])  # noqa: S606 - our own module
    end_with_parent()
    settings = CommonSettings()
    configure_logging("run", settings)
    raise typer.Exit(_Family(chosen, settings).live(stop_signal()))


def health_binds(bind: str) -> Iterator[str]:
    """One address for each of several stages: the port that is set, and those that follow it.

    Port 0 is any free one, for each.
    """
    host, port = split_bind(bind)
    return (f"{host}:{each}" for each in (count(port) if port else repeat(0)))


class _Family:
    """The stages of one `budkavle run`, as children of this process."""

    def __init__(self, stages: list[str], settings: CommonSettings) -> None:
        self._drain_seconds = settings.drain_seconds
        self._binds = dict(zip(stages, health_binds(settings.health_bind), strict=False))
        self._children = {stage: self._start(stage) for stage in stages}

    def live(self, stopping: Event) -> int:
        """Until `stopping` is set; the exit code of the command."""
        try:
            self._announce(stopping)
        except NotReady as error:
            log.critical("stage_cannot_start", error=str(error))
            stop_all([*self._children.values()], self._drain_seconds)
            return 1
        while not stopping.wait(_RESTART_SECONDS):
            self._restart_dead()
        codes = stop_all([*self._children.values()], self._drain_seconds + 1)
        return max(codes, default=0)

    def _start(self, stage: str) -> Child:
        return Child(stage, {"BUDKAVLE_HEALTH_BIND": self._binds[stage]})

    def _announce(self, stopping: Event) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        waiting = [*self._children.values()]
        while waiting := [child for child in waiting if not child.is_ready()]:
            if stopping.wait(_READY_POLL_SECONDS):
                return
            if time.monotonic() > deadline:
                raise NotReady(f"{waiting[0].module} was not ready within {_READY_SECONDS} s")
        addresses = {stage: child.ready(0) for stage, child in self._children.items()}
        ingest = {"ingest": addresses["ingest"]["url"]} if "ingest" in addresses else {}
        announce_ready([*addresses], stages=addresses, **ingest)

    def _restart_dead(self) -> None:
        for stage, child in self._children.items():
            if not child.alive:
                log.error("stage_died", died=stage, exit_code=child.process.returncode)
                self._children[stage] = self._start(stage)
