"""Plays a timeline on a stage, and writes down when each incident began and ended."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from shared.base.clock import utcnow
from shared.relay.topology import work_queue
from tests.chaos.stage import Stage
from tests.cluster.database import Pair
from tests.cluster.nodes import NODES, Cluster
from tests.cluster.timeline import Failure, Incident, Timeline

_FIRST_REST = 5


@dataclass(frozen=True, slots=True)
class Happened:
    """An incident, from its beginning until its rest was over."""

    incident: Incident
    began: datetime
    ended: datetime
    node: int | None


class Conductor:
    """A `tests.chaos.havoc.Trouble`."""

    def __init__(
        self,
        stage: Stage,
        _units: Sequence[str],
        *,
        cluster: Cluster,
        database: Pair,
        timeline: Timeline,
        say: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._database = database
        self._timeline = timeline
        self._say = say
        self._vhost = urlsplit(stage.broker_url).path[1:]
        self.counts: Counter[str] = Counter()
        self.happened: list[Happened] = []
        self._failures: dict[Failure, Callable[[Incident], Awaitable[int | None]]] = {
            Failure.LEADER_KILLED: self._kill_leader,
            Failure.NODE_FROZEN: self._freeze,
            Failure.NODE_CUT_OFF: self._cut_off,
            Failure.ROLLING_RESTART: self._restart_all,
            Failure.DATABASE_FAILOVER: self._fail_over,
        }

    async def rage(self) -> None:
        await asyncio.sleep(_FIRST_REST)
        for incident in self._timeline:
            began = utcnow()
            self._say(f"{began:%H:%M:%S} {incident.title}")
            node = await self._failures[incident.failure](incident)
            await asyncio.sleep(incident.rest)
            self.happened.append(Happened(incident, began, utcnow(), node))
            self.counts[incident.failure.name.lower()] += 1

    def stop(self) -> None:
        """The timeline is played to its end."""

    async def mend(self) -> None:
        await asyncio.to_thread(self._cluster.start)
        await asyncio.to_thread(self._cluster.wait_until_whole, self._vhost)

    async def _kill_leader(self, incident: Incident) -> int:
        queue = work_queue("filter")
        number = await asyncio.to_thread(self._cluster.leader_of, self._vhost, queue)
        await asyncio.to_thread(self._cluster.node(number).kill)
        await asyncio.sleep(incident.lasts)
        await asyncio.to_thread(self._cluster.node(number).start)
        await self._whole(number)
        return number

    async def _freeze(self, incident: Incident) -> int:
        number = self._cluster.busiest()
        self._cluster.freeze(number)
        await asyncio.sleep(incident.lasts)
        self._cluster.thaw(number)
        await self._whole(number)
        return number

    async def _cut_off(self, incident: Incident) -> int:
        number = self._cluster.busiest()
        self._cluster.machines.cut_off(number)
        await asyncio.sleep(incident.lasts)
        self._cluster.machines.reconnect(number)
        await self._whole(number)
        return number

    async def _restart_all(self, incident: Incident) -> None:
        """As an upgrade does it: the next one only when the last one has caught up."""
        for number in NODES:
            node = self._cluster.node(number)
            await asyncio.to_thread(node.stop)
            await asyncio.sleep(incident.lasts)
            await asyncio.to_thread(node.start)
            await self._whole(number)

    async def _fail_over(self, incident: Incident) -> None:
        await asyncio.to_thread(
            self._database.fail_over, behind=incident.behind, after=incident.lasts
        )

    async def _whole(self, number: int) -> None:
        """Node `number` is back in each queue. What does not come back by itself is restarted.

        RabbitMQ 3.10, paused as a minority, sometimes hangs when it starts again.
        """
        if not await asyncio.to_thread(self._cluster.becomes_whole, self._vhost):
            self._say(f"node {number} did not come back by itself: killed and started")
            self.counts["nodes_restarted_by_hand"] += 1
            node = self._cluster.node(number)
            await asyncio.to_thread(node.kill)
            await asyncio.to_thread(node.start)
            await asyncio.to_thread(self._cluster.wait_until_whole, self._vhost)
