"""One run, from its plan to its figures."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from console.stack import free_port
from shared.base.clock import utcnow
from shared.base.errors import Unavailable
from shared.booking.identity import hsa_key
from shared.booking.times import STOCKHOLM
from tests.chaos.accounts import (
    account_dead,
    account_notices,
    after_deactivation,
    judge,
    strangers,
)
from tests.chaos.cases import Source, is_of
from tests.chaos.havoc import Havoc, Trouble
from tests.chaos.indexes import RunningIndex
from tests.chaos.ledger import Ledger, Message, caught, dead_letters
from tests.chaos.load import BookingSystems, Index, Load
from tests.chaos.operators import deactivate
from tests.chaos.plan import Options, Plan, make_plan
from tests.chaos.rebooking import takings
from tests.chaos.report import Report
from tests.chaos.stage import IMPATIENT, Stage, activate, set_up
from tests.services import PostgreSQL, RabbitMQ

#: How often the inboxes are looked at, as the waiting histories do.
_LOOK_SECONDS = 0.3
#: At least, and in pairing windows: a removal waits that long for a booking that nobody knows.
_DRAIN_SECONDS, _DRAIN_WINDOWS = 400, 13
#: RabbitMQ counts anew every 5 s what is handed out and not acknowledged.
_COUNT_SECONDS = 5.5

#: Quiet hours last so long into the load, in seconds and as a share of it.
_LONGEST_NIGHT, _NIGHT_SHARE = 50.0, 0.7
_WINDOW = "BUDKAVLE_COMPOSER_PAIRING_SECONDS"

Say = Callable[[str], None]


async def play(
    options: Options,
    broker: RabbitMQ,
    database: PostgreSQL,
    folder: Path,
    say: Say,
    *,
    index: RunningIndex | None = None,
    ingest_bind: str = "",
    trouble: Callable[[Stage, Sequence[str]], Trouble] | None = None,
    settings: Mapping[str, str] | None = None,
    narrow: Callable[[Plan], Plan] = lambda plan: plan,
) -> Report:
    """Plan, stage, havoc, drain, accounts. Logs go to `folder`.

    `index`: one that runs already and notifies `ingest_bind`; None: the sandbox's. `trouble`: what
    makes the trouble on a stage and in booking systems (of these units), where it is not `Havoc`;
    nothing stands between the fleet and its servers then. `settings`: of the fleet. `narrow`:
    leaves of the plan what is to be played.
    """
    started = time.monotonic()
    plan = narrow(make_plan(options))
    say(f"seed {options.seed}: {options.count} notifications, {options.sources} booking systems")
    bind = ingest_bind or f"127.0.0.1:{free_port()}"
    direct = trouble is not None
    begin = trouble or partial(Havoc, seed=options.seed)
    stage_of = partial(set_up, broker, database, plan, folder, index, bind)
    settings = _night(options) | dict(settings or {})
    async with stage_of(direct=direct, settings=settings) as stage:
        ledger = Ledger(stage.database_url)
        try:
            window = float({**IMPATIENT, **settings}[_WINDOW])
            performance = _Performance(options, plan, stage, ledger, begin, say, window)
            await performance.perform()
            return await performance.report(time.monotonic() - started)
        finally:
            ledger.close()


def _night(options: Options) -> dict[str, str]:
    """Quiet hours that end while the load runs: what has waited goes out at once. None in a run
    that is cut short."""
    if options.seconds is not None:
        return {}
    now = datetime.now(STOCKHOLM)
    end = now + timedelta(seconds=min(_LONGEST_NIGHT, options.load_seconds * _NIGHT_SHARE))
    hours = f"{now - timedelta(hours=1):%H:%M:%S}-{end:%H:%M:%S}"
    return {"BUDKAVLE_NOTIFIER_QUIET_HOURS": hours}


class _Performance:
    """Load and havoc at the same time, then quiet."""

    def __init__(
        self,
        options: Options,
        plan: Plan,
        stage: Stage,
        ledger: Ledger,
        trouble: Callable[[Stage, Sequence[str]], Trouble],
        say: Say,
        window: float,
    ) -> None:
        self._options = options
        self._plan = plan
        self._stage = stage
        self._ledger = ledger
        self._say = say
        self._window = window
        self._index = Index(stage.index.url, stage.index.owner)
        self._systems = BookingSystems(stage.sandbox["control"])
        bound = options.seconds or float("inf")
        self._load = Load(
            plan,
            self._index,
            self._systems,
            told=self._told,
            activate=self._activate,
            deactivate=self._deactivate,
            seconds=bound,
        )
        units = [unit for source in plan.sources if source.activated for unit in source.units]
        self._havoc = trouble(stage, units)
        self._undrained: dict[str, int] = {}
        self._deactivated: dict[str, datetime] = {}  # when, by `hsa_key`

    async def perform(self) -> None:
        await self._systems.open(self._plan)
        looking = asyncio.create_task(self._keep_looking())
        try:
            await self._disturbed_load()
            self._undrained = await self._drain()
        finally:
            looking.cancel()

    async def _disturbed_load(self) -> None:
        """Havoc rages until all is told or the time is over; what is left is told in peace.

        Havoc that has come to its end by itself ends the load.
        """
        async with asyncio.TaskGroup() as acting:
            raging = acting.create_task(self._havoc.rage())
            telling = acting.create_task(self._keep_telling())
            load = acting.create_task(self._load.act())
            raging.add_done_callback(lambda _: self._load.end())
            await asyncio.wait([load], timeout=self._options.seconds)
            self._havoc.stop()
            await raging
            self._say("the havoc is over; mending, then waiting until the queues are empty")
            await self._havoc.mend()
            await load
            telling.cancel()

    async def _activate(self, source: Source) -> None:
        """Order it until the database takes it; then it has taken effect."""
        while True:
            with suppress(Unavailable):
                await asyncio.to_thread(activate, self._stage.database_url, source)
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _deactivate(self, source: Source) -> None:
        while True:
            with suppress(Unavailable):
                await asyncio.to_thread(deactivate, self._stage.database_url, source)
                self._deactivated[hsa_key(source.hsa_id)] = utcnow()
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _told(self, patient_bookings: tuple[str, str]) -> int:
        return len(self._ledger.told.get(patient_bookings, ()))

    async def _keep_looking(self) -> None:
        while True:
            with suppress(Unavailable):
                await asyncio.to_thread(self._ledger.look)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(10)
            inboxes = sum(map(len, self._ledger.told.values()))
            self._say(
                f"  {self._index.accepted} accepted, {inboxes} in inboxes,"
                f" {self._havoc.counts['kills']} kills,"
                f" {self._havoc.counts['broker_restarts']} broker and"
                f" {self._havoc.counts['database_restarts']} database restarts"
            )

    async def _drain(self) -> dict[str, int]:
        """Wait until two looks in a row find nothing under way; what was left at the end of it."""
        longest = max(_DRAIN_SECONDS, _DRAIN_WINDOWS * self._window)
        deadline = time.monotonic() + longest
        quiet = 0
        while True:
            await asyncio.sleep(_COUNT_SECONDS)
            left = await asyncio.to_thread(self._under_way)
            quiet = 0 if left else quiet + 1
            if quiet == 2 or time.monotonic() > deadline:
                return left
            self._say(f"  under way: {left or 'nothing'}")

    def _under_way(self) -> dict[str, int]:
        pending = self._stage.index.pending()
        return self._stage.under_way() | ({"index": pending} if pending else {})

    async def report(self, seconds: float) -> Report:
        told = await asyncio.to_thread(self._ledger.all_told)
        journal = await asyncio.to_thread(self._stage.index.journal)
        self._keep_evidence(journal, [one for messages in told.values() for one in messages])
        begun = [
            (case, self._load.steps_done[id(beginning.history)])
            for beginning in self._plan.beginnings
            for case in beginning.history.cases
        ]
        cases = [case for case, steps in begun if steps]
        notices = account_notices(
            (message for messages in told.values() for message in messages),
            self._plan.choices,
            await asyncio.to_thread(self._ledger.notices),
            await asyncio.to_thread(caught, self._stage.sandbox["control"]),
        )
        letters = await asyncio.to_thread(lambda: list(dead_letters(self._stage.broker_url)))
        taken = takings(journal, self._window)
        return Report(
            options=self._options,
            seconds=seconds,
            judged=[judge(case, steps, told.get(is_of(case), ()), taken) for case, steps in begun],
            strangers=list(strangers(told, cases)),
            after_deactivation=list(after_deactivation(told, self._deactivated)),
            notices=notices,
            dead=account_dead(letters, cases, taken),
            load=await self._load_figures(),
            stuck=[history.cases[0] for history in self._load.stuck],
            havoc=self._havoc.counts,
            kills=self._stage.fleet.kills,
            crashed=self._stage.fleet.crashed,
            undrained=self._undrained,
            bugs=self._stage.bugs(),
            leaks=self._stage.leaks(),
        )

    def _keep_evidence(self, journal: object, messages: Sequence[Message]) -> None:
        """Beside the logs: what was taken when, and what lies in the inboxes."""
        self._write("journal.json", journal)
        self._write("inbox.json", [asdict(message) for message in messages])

    def _write(self, name: str, listed: object) -> None:
        (self._stage.folder / name).write_text(json.dumps(listed, indent=1, default=str))

    async def _load_figures(self) -> Counter[str]:
        figures = await asyncio.to_thread(self._stage.index.figures)
        figures["refused"] = max(0, figures["refused"] - self._index.odd)
        return Counter(figures, accepted=self._index.accepted, activated=self._load.activated)
