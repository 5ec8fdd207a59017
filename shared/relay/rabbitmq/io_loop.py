"""pika's I/O loop with fewer wake-ups, system calls and packets, by pika's public interface.

A look for events costs a system call, the interpreter's lock and some of pika's own work, however
little it finds; and pika sends each frame by itself, three for a message. So what comes within
`pace` of the last look is handled together (what network cards call interrupt moderation), and what
is written within one pass leaves in one piece. What comes after a quiet moment is handled at once.
"""

import time
from collections.abc import Callable
from typing import Any

from pika.adapters.select_connection import IOLoop
from pika.adapters.utils.nbio_interface import AbstractStreamProtocol, AbstractStreamTransport
from pika.adapters.utils.selector_ioloop_adapter import SelectorIOServicesAdapter

Work = Callable[[], None]


#: With more messages a second than this, three times the national peak, the processors are what
#: there is too little of, and the loop rests so many times as long.
_BUSY_PER_SECOND, _BUSY_TIMES = 225, 2.5
#: With more than this each look finds enough, and the loop does not rest: rests would hold up
#: whoever works off a long queue, message by message.
_MANY_PER_SECOND = 1000
#: So many at one look lay in the queue already, more than a batch of the stage before. Below a rate
#: of `_MANY_PER_SECOND` rests would be all that keeps them there: each message takes several looks.
_AT_ONCE = 100
#: How long messages are counted for that, in seconds.
_COUNTED_SECONDS = 0.2


class PacedLoop(IOLoop):
    """`pace`: seconds from the end of one wait for events to the next."""

    def __init__(
        self,
        pace: float = 0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self._pace = pace
        self._monotonic = monotonic
        self._sleep = sleep
        self._ended = False
        self._came = self._came_at_once = 0
        self._counted_from = 0.0
        self._rest = pace
        self._at_end: list[Work] = []
        self._flushes: list[Work] = []

    def start(self) -> None:
        """Run until `stop`. Not reentrant, as pika's own."""
        self.activate_poller()
        try:
            while not self._ended:
                self.poll()
                polled_at = self._monotonic()
                self.process_timeouts()
                if not self._end_pass():
                    self._rest_from(polled_at)
        finally:
            self._ended = False
            self.deactivate_poller()

    def stop(self) -> None:
        """From other threads through `add_callback_threadsafe` only, as pika's own."""
        self._ended = True

    def message_came(self) -> None:
        self._came += 1
        self._came_at_once += 1

    def at_end_of_pass(self, work: Work) -> None:
        self._at_end.append(work)

    def flush_after(self, flush: Work) -> None:
        """Call `flush` when all work of this pass is done, and then look for events at once: it
        leaves something to be sent."""
        self._flushes.append(flush)

    def _end_pass(self) -> bool:
        """Whether there is something to be sent."""
        works, self._at_end = self._at_end, []
        for work in works:
            work()
        flushes, self._flushes = self._flushes, []
        for flush in flushes:
            flush()
        return bool(flushes or self._at_end)

    def _rest_from(self, moment: float) -> None:
        now = self._monotonic()
        counted = now - self._counted_from
        lay_there = self._came_at_once >= _AT_ONCE
        if lay_there or counted >= _COUNTED_SECONDS:
            self._rest = 0 if lay_there else self._pace * _times(self._came / counted)
            self._came, self._counted_from = 0, now
        self._came_at_once = 0
        left = moment + self._rest - now
        if left > 0 and not self._ended:
            self._sleep(left)


def _times(per_second: float) -> float:
    """How many times as long as its pace the loop rests when so many messages come."""
    if per_second > _MANY_PER_SECOND:
        return 0
    return _BUSY_TIMES if per_second > _BUSY_PER_SECOND else 1


class GatheringServices(SelectorIOServicesAdapter):
    """Gives each connection a `GatheringTransport`."""

    def __init__(self, loop: PacedLoop) -> None:
        super().__init__(loop)
        self._paced_loop = loop

    def create_streaming_connection(
        self, protocol_factory: Callable[[], AbstractStreamProtocol], *args: Any, **options: Any
    ) -> Any:
        def gathering() -> AbstractStreamProtocol:
            protocol: Any = protocol_factory()
            made = protocol.connection_made
            protocol.connection_made = lambda transport: made(
                GatheringTransport(transport, self._paced_loop)
            )
            return protocol  # type: ignore[no-any-return]

        return super().create_streaming_connection(gathering, *args, **options)


class GatheringTransport(AbstractStreamTransport):
    """What is written within one pass of the loop is one write."""

    def __init__(self, transport: AbstractStreamTransport, loop: PacedLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.flush_after(self._flush)
        self._pieces.append(data)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + sum(map(len, self._pieces))

    def get_protocol(self) -> AbstractStreamProtocol:
        return self._transport.get_protocol()

    def abort(self) -> None:
        self._transport.abort()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        self._transport.write(b"".join(pieces))
