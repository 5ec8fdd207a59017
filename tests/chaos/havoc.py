"""What goes wrong, all at once and from a seed: six troublemakers, each with its own rhythm.

Each begins in haste, so that short runs see all of it too, and then leaves the relay time to work
between its troubles: a relay that is never up for long proves nothing.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import requests

from shared.base.clock import utcnow
from shared.relay.topology import STAGES
from tests.chaos.fleet import Member
from tests.chaos.network import Network
from tests.chaos.operators import replay_all
from tests.chaos.stage import Stage
from tests.services import PostgreSQL, RabbitMQ

T = TypeVar("T")

_TIMEOUT = 30
#: How much shorter the pauses are in the first so many seconds.
_HASTE, _HASTY_SECONDS = 0.3, 40.0

#: Troubles of booking systems of which none may tell a patient anything false.
_SOURCE_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "fault"},
    {"kind": "hang"},
    {"kind": "hang-up"},
    {"kind": "refuse"},
    {"kind": "garbage"},
    {"kind": "garbage", "status": 503},
    {"kind": "latency", "latency_seconds": 1.5},
    {"kind": "slow-drip", "drip_seconds": 3},
    {"kind": "hsa-case"},
    {"kind": "empty-elements"},
)
#: How long the index goes on sending a notification that gets no answer, and a little more.
_INDEX_ATTEMPTS_SECONDS = 15.0
#: How long the broker is away now and then, in seconds, and in one of how many of its falls.
_OUTAGE_SECONDS, _OUTAGE_ONE_OF = 10.0, 3
#: Of the SMS provider, the mail server and the index: a few calls each, since an uncertain notice
#: may come of each.
_PROVIDER_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sms", {"kind": "hang-up", "count": 1}),
    ("sms", {"kind": "latency", "count": 20, "latency_seconds": 1}),
    ("sms", {"kind": "timeout-after-accept", "count": 1, "seconds": 3}),
    ("index", {"kind": "answer-lost", "count": 1, "seconds": 5}),
    ("smtp", {"kind": "fault", "count": 3}),
    ("smtp", {"kind": "hang-up", "count": 1}),
    ("smtp", {"kind": "latency", "count": 20, "latency_seconds": 1}),
    ("smtp", {"kind": "timeout-after-accept", "count": 1, "seconds": 3}),
)


class Trouble(Protocol):
    """What happens to a stage while it is at work. `counts` tells what was done."""

    counts: Counter[str]

    async def rage(self) -> None:
        """Until `stop`, or until there is no more to come."""

    def stop(self) -> None: ...

    async def mend(self) -> None:
        """Everything runs again."""


class Havoc:
    """Rages on `stage` until it is told to stop, and mends it all. `counts` tells what it did."""

    def __init__(self, stage: Stage, units: Sequence[str], seed: int) -> None:
        self._stage = stage
        self._units = units
        self._seed = seed
        self._calm_from = time.monotonic() + _HASTY_SECONDS
        self._ingest_rests_until = 0.0
        self._falls_in_calm = 0
        self._enough = asyncio.Event()
        self._diary = stage.folder / "havoc.log"
        self.counts: Counter[str] = Counter()

    async def rage(self) -> None:
        """Until `stop`. What was begun is brought to its end."""
        troubles = (
            self._end_workers,
            self._fell_servers,
            self._cut_connections,
            self._sicken_sources,
            self._sicken_providers,
            self._replay_dead_letters,
        )
        async with asyncio.TaskGroup() as raging:
            for number, trouble in enumerate(troubles):
                raging.create_task(trouble(random.Random(f"{self._seed}-{number}")))

    def stop(self) -> None:
        self._enough.set()

    async def mend(self) -> None:
        """Everything runs again. Booking systems recover by themselves: their faults are short."""
        await asyncio.to_thread(self._stage.broker.start)
        await asyncio.to_thread(self._stage.database.start)
        for target in ("sms", "smtp", "index"):
            await self._heal(target)
        await asyncio.to_thread(self._stage.fleet.start)
        await self._replay()

    # --- workers ---

    async def _end_workers(self, rng: random.Random) -> None:
        """Mostly one is killed; now and then all of a stage; now and then one ends in order."""
        stages = _in_rounds(rng, STAGES)
        async for number in self._troubles(rng, 2, 8, at_least=len(STAGES)):
            members = self._stage.fleet.of(await self._may_end(stages))
            match number % 7:
                case 3:
                    await self._kill(members, rng.uniform(0, 2))
                case 6:
                    await self._retire(rng.choice(members))
                case _:
                    await self._kill([rng.choice(members)], rng.uniform(0, 2))

    async def _may_end(self, stages: Iterator[str]) -> str:
        """The next stage; ingest never while a notification waits for another attempt.

        The index gives a notification up after three attempts. One may be lost with this process,
        and one with both; then one of them has to be up.
        """
        for stage in stages:
            if stage != "ingest":
                return stage
            if await self._ingest_has_rested():
                return stage
        raise AssertionError("there is no end of rounds")

    async def _ingest_has_rested(self) -> bool:
        """Whether the index can spare an attempt; then one is about to be taken."""
        if time.monotonic() < self._ingest_rests_until:
            return False
        if await asyncio.to_thread(self._stage.index.failed_attempts):
            return False
        self._ingest_rests_until = time.monotonic() + _INDEX_ATTEMPTS_SECONDS
        return True

    async def _kill(self, victims: Sequence[Member], dead_seconds: float) -> None:
        for victim in victims:
            await asyncio.to_thread(self._stage.fleet.kill, victim)
            self._note("kills", f"SIGKILL of {victim.name}")
        await asyncio.sleep(dead_seconds)
        for victim in victims:
            await asyncio.to_thread(self._stage.fleet.restart, victim)

    async def _retire(self, member: Member) -> None:
        self._note("orderly_ends", f"SIGTERM to {member.name}")
        await asyncio.to_thread(self._stage.fleet.retire, member)
        await asyncio.to_thread(self._stage.fleet.restart, member)

    # --- broker and database ---

    async def _fell_servers(self, rng: random.Random) -> None:
        broker = _in_rounds(rng, (self._restart_broker, self._kill_broker))
        database = _in_rounds(rng, (self._restart_database, self._kill_database))
        async for number in self._troubles(rng, 8, 30, at_least=2):
            if number % 2:
                await next(database)(rng.uniform(0, 3))
            else:
                await next(broker)(self._away_seconds(rng))

    def _away_seconds(self, rng: random.Random) -> float:
        """The broker's first fall in calm is a long one, and then each third."""
        if time.monotonic() < self._calm_from:
            return rng.uniform(0, 3)
        self._falls_in_calm += 1
        if self._falls_in_calm % _OUTAGE_ONE_OF != 1:
            return rng.uniform(0, 3)
        self.counts["broker_outages"] += 1
        return _OUTAGE_SECONDS

    async def _restart_broker(self, down_seconds: float) -> None:
        await self._fell("broker_restarts", self._stage.broker, "stop", down_seconds)

    async def _kill_broker(self, down_seconds: float) -> None:
        self.counts["broker_kills"] += 1
        await self._fell("broker_restarts", self._stage.broker, "kill", down_seconds)

    async def _restart_database(self, down_seconds: float) -> None:
        await self._fell("database_restarts", self._stage.database, "stop", down_seconds)

    async def _kill_database(self, down_seconds: float) -> None:
        self.counts["database_kills"] += 1
        await self._fell("database_restarts", self._stage.database, "kill", down_seconds)

    async def _fell(
        self, counted: str, server: RabbitMQ | PostgreSQL, how: str, down_seconds: float
    ) -> None:
        self._note(counted, f"{how} {type(server).__name__} for {down_seconds:.1f} s")
        await asyncio.to_thread(getattr(server, how))
        await asyncio.sleep(down_seconds)
        await asyncio.to_thread(server.start)
        self._note("servers_back", f"{type(server).__name__} is back")

    # --- the network between them ---

    async def _cut_connections(self, rng: random.Random) -> None:
        networks = _in_rounds(rng, self._stage.networks)
        async for _ in self._troubles(rng, 4, 20, at_least=1):
            if rng.random() < 0.7:
                cut = await asyncio.to_thread(next(networks).cut)
                self._note("cut_connections", f"{cut} connections cut", cut)
            else:
                await self._silence(next(networks), rng.uniform(0.5, 4))

    async def _silence(self, network: Network, seconds: float) -> None:
        self._note("silences", f"silence for {seconds:.1f} s")
        await asyncio.to_thread(network.silence)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(network.resume)

    # --- neighbours ---

    async def _sicken_sources(self, rng: random.Random) -> None:
        async for _ in self._troubles(rng, 0.5, 3):
            terms = {**rng.choice(_SOURCE_FAULTS), "seconds": rng.uniform(1, 8)}
            await self._sicken("source_faults", rng.choice(self._units), terms)

    async def _sicken_providers(self, rng: random.Random) -> None:
        async for _ in self._troubles(rng, 5, 20):
            target, terms = rng.choice(_PROVIDER_FAULTS)
            if target != "index" or await self._ingest_has_rested():
                await self._sicken("provider_faults", target, terms)

    async def _sicken(self, counted: str, target: str, terms: dict[str, Any]) -> None:
        self._note(counted, f"{target}: {terms}")
        await asyncio.to_thread(requests.post, self._faults(target), json=terms, timeout=_TIMEOUT)

    async def _heal(self, target: str) -> None:
        await asyncio.to_thread(requests.delete, self._faults(target), timeout=_TIMEOUT)

    def _faults(self, target: str) -> str:
        return f"{self._stage.sandbox['control']}/faults/{quote(target)}"

    # --- operators ---

    async def _replay_dead_letters(self, rng: random.Random) -> None:
        async for _ in self._troubles(rng, 10, 40):
            await self._replay()

    async def _replay(self) -> None:
        number = await asyncio.to_thread(replay_all, self._stage.broker_url)
        self._note("replayed", f"{number} dead letters replayed", number)

    def _note(self, counted: str, what: str, number: int = 1) -> None:
        """Count it, and write down when it was, for whoever reads the logs beside it."""
        self.counts[counted] += number
        with self._diary.open("a") as diary:
            diary.write(f"{utcnow().isoformat()} {what}\n")

    async def _troubles(
        self, rng: random.Random, least: float, most: float, *, at_least: int = 0
    ) -> AsyncIterator[int]:
        """Numbers from 0, each when it is time for a trouble, until it is enough."""
        for number in count():
            hasty = time.monotonic() < self._calm_from
            seconds = rng.uniform(least, most) * (_HASTE if hasty else 1)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), seconds)
            if self._enough.is_set() and number >= at_least:
                return
            yield number


def _in_rounds(rng: random.Random, things: Sequence[T]) -> Iterator[T]:
    """Without end, in another order each round: each has its turn."""
    while True:
        yield from rng.sample(things, len(things))
