"""Holding requests while the broker is away, so that the index need not spend its attempts on it.

The index waits a minute for an answer, but re-sends only a few times, seconds apart
(docs/domain.md, "Answers and re-sends"). A held request takes no thread, and counts as in flight
until its end.
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

#: How often the broker is asked for while requests wait for it, in seconds.
_EVERY = 0.1
#: How long a request rests after a publish that failed: a broker may be there and refuse (seconds).
_REST = 0.5


class BrokerWait:
    """Stores what could not be stored at once, as soon as the broker takes it.

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
        self._look: asyncio.Task[None] | None = None  # for the broker, on behalf of all that wait

    async def store(self, unstored: Unstored) -> Answer:
        """The answer once it is stored, or a Fault after the time that is set."""
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
        """Whether the broker was there, a moment from now or later, before the deadline."""
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
