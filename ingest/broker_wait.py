"""Holds requests while the broker is unavailable, so that the index does not spend its attempts.

The index waits a minute for an answer, but re-sends only a few times, seconds apart
(docs/domain.md, "Answers and re-sends"). A held request uses no thread, and counts as in flight
until it is answered.
"""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor

import structlog

from ingest.handler import NOT_STORED, Answer, PublishNotification, Unstored
from ingest.metrics import HELD
from shared.base.errors import Unavailable

log = structlog.get_logger()

#: How often the broker is checked while requests wait for it, in seconds.
_EVERY = 0.1
#: How long a request waits after a failed publish: a broker may answer and refuse (seconds).
_REST = 0.5


class BrokerWait:
    """Stores held requests as soon as the broker accepts them.

    Used on the event loop. `publish` and `ready` may block: they are called in threads.
    """

    def __init__(
        self,
        publish: PublishNotification,
        ready: Callable[[], bool],
        *,
        seconds: float,
        draining_seconds: float,
        threads: Executor,
    ) -> None:
        self._publish = publish
        self._ready = ready
        self._seconds = seconds
        self._draining_seconds = draining_seconds
        self._threads = threads
        self._all_end_by = math.inf  # time of the event loop
        self._look: asyncio.Task[None] | None = None  # checks the broker for all held requests

    async def store(self, unstored: Unstored) -> Answer:
        """The answer once the request is stored, or a Fault after the configured time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        identity = unstored.notification.identity
        log.warning("request_held", notification_id=identity, seconds=self._seconds)
        with HELD.track_inprogress():
            while await self._seen_ready(deadline):
                try:
                    await loop.run_in_executor(self._threads, self._publish, unstored.notification)
                except Unavailable as outage:
                    log.debug("still_not_stored", notification_id=identity, error=str(outage))
                else:
                    return unstored.answer
        return NOT_STORED

    def end_soon(self) -> None:
        """The process is stopping: no request is held beyond `draining_seconds` from now."""
        self._all_end_by = asyncio.get_running_loop().time() + self._draining_seconds

    async def _seen_ready(self, deadline: float) -> bool:
        """Wait until the broker is ready; whether it was before the deadline."""
        loop = asyncio.get_running_loop()
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._until_ready())
        look = self._look
        while (left := min(deadline, self._all_end_by) - loop.time()) > 0:
            await asyncio.wait({look}, timeout=min(left, _EVERY))
            if look.done():
                return True
        return False

    async def _until_ready(self) -> None:
        await asyncio.sleep(_REST)
        while True:
            if await asyncio.to_thread(self._ready):
                return
            await asyncio.sleep(_EVERY)
