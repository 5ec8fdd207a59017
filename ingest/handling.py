"""Where calls are handled: small ones on the event loop, all others in threads.

A thread for each call costs two changes of thread more, and most calls are small and are handled in
less time than such a change takes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from ingest.calls import Call
from ingest.handler import Answer, NotificationHandler, Unstored
from shared.base.errors import Unavailable
from shared.booking.messages import Notification

#: The largest body (bytes) that is parsed on the event loop: twenty engagements, in half a
#: millisecond.
_SMALL = 16 * 1024

#: Returns when the broker has confirmed; raises `Unavailable`.
Publish = Callable[[Notification], Awaitable[None]]


class CallHandling:
    """Handles calls by `handler`. Without `publish`, which waits in no thread, all in threads."""

    def __init__(
        self, handler: NotificationHandler, threads: Executor, publish: Publish | None
    ) -> None:
        self._handler = handler
        self._threads = threads
        self._publish = publish

    async def __call__(self, call: Call) -> Answer | Unstored:
        if self._publish is None or len(call.body) > _SMALL:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._handler, call)
        answer = self._handler.read(call)
        if not isinstance(answer, Unstored):
            return answer
        try:
            await self._publish(answer.notification)
        except Unavailable:
            return answer
        return answer.answer
