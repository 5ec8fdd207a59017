"""Acknowledgements on one channel, in as few commands as will do.

Each command is an entry in the log of the quorum queue. So what becomes due in one pass of the I/O
loop is sent at its end, together: everything up to the oldest delivery still in work is one
command. What lies beyond that is acknowledged singly: `multiple` would take the one in work
along, and waiting for it would stop the deliveries.

Used on the connection's I/O thread only.
"""

from collections.abc import Callable

from pika.channel import Channel

#: Schedules work for the end of this pass of the I/O loop.
Soon = Callable[[Callable[[], None]], None]


class Acknowledgements:
    """Tracks every delivery of its channel that is not acknowledged."""

    def __init__(self, channel: Channel, soon: Soon) -> None:
        self._channel = channel
        self._soon = soon
        self._unacknowledged: dict[int, None] = {}  # delivery tags, oldest first
        self._due: set[int] = set()

    def handed_out(self, tag: int) -> None:
        self._unacknowledged[tag] = None

    def given_back(self, tag: int) -> None:
        """Forget a rejected delivery, which may not be acknowledged any more."""
        self._unacknowledged.pop(tag, None)

    def add(self, tag: int) -> None:
        if not self._due:
            self._soon(self.send)
        self._due.add(tag)

    def send(self) -> None:
        """Acknowledge all that is due, now."""
        due, self._due = self._due, set()
        if not due or not self._channel.is_open:
            return
        if gapless := self._up_to_the_first_in_work(due):
            self._channel.basic_ack(gapless, multiple=True)
        for tag in sorted(due & self._unacknowledged.keys()):
            self._channel.basic_ack(tag)
            del self._unacknowledged[tag]

    def _up_to_the_first_in_work(self, due: set[int]) -> int:
        """The last tag up to which all deliveries are done; 0 if there is none."""
        gapless = 0
        while self._unacknowledged and (oldest := next(iter(self._unacknowledged))) in due:
            del self._unacknowledged[oldest]
            gapless = oldest
        return gapless
