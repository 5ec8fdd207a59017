"""Publishes from many threads over one connection; each thread waits for its own confirms."""

import threading
import time
from collections.abc import Sequence
from functools import partial

from shared.relay.broker import BrokerError, BrokerUnavailable, Outgoing
from shared.relay.rabbitmq.link import Link
from shared.relay.rabbitmq.session import Session

#: With more unconfirmed messages the broker stores nothing: no more are sent.
_MOST_UNANSWERED = 20_000
#: A broker that has confirmed nothing for so long (seconds) is not called ready.
_READY_UNCONFIRMED = 4.0


class _Ticket:
    """One caller that waits."""

    def __init__(self, messages: Sequence[Outgoing]) -> None:
        self.messages = messages
        self.abandoned = False
        self.error: BrokerError | None = None
        self._unanswered = threading.Lock()  # does what an event does here, at a third of the cost
        self._unanswered.acquire()

    def answer(self, error: BrokerError | None) -> None:
        """Once."""
        self.error = error
        self._unanswered.release()

    def wait(self, timeout: float) -> bool:
        return self._unanswered.acquire(timeout=timeout)


class Publisher:
    """Fails fast while the broker is unavailable, and needs no restart when it returns."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def publish(self, messages: Sequence[Outgoing], *, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        ticket = _Ticket(messages)
        if not self._link.wait_first_try(timeout) or self._full:
            raise BrokerUnavailable("not connected, or not storing")
        if not self._link.call(partial(self._cross, ticket)):
            raise BrokerUnavailable("not connected")
        if not ticket.wait(max(0, deadline - time.monotonic())):
            ticket.abandoned = True
            raise BrokerUnavailable(f"no confirm within {timeout:g} s")
        if ticket.error is not None:
            raise ticket.error

    def ready(self, timeout: float) -> bool:
        up = self._link.wait_first_try(timeout)
        session = self._link.session
        if not up or session is None or self._full or self._link.stalled:
            return False
        return not session.blocked and session.unconfirmed_seconds < _READY_UNCONFIRMED

    def close(self) -> None:
        self._link.close()

    @property
    def _full(self) -> bool:
        session = self._link.session
        return session is not None and session.unanswered > _MOST_UNANSWERED

    def _cross(self, ticket: _Ticket, session: Session | None) -> None:
        if session is None:
            self._send(ticket, None)
        else:
            session.unless_blocked(partial(self._send, ticket))

    def _send(self, ticket: _Ticket, session: Session | None) -> None:
        if ticket.abandoned:
            return
        if session is None or not session.channel.is_open:
            ticket.answer(BrokerUnavailable("connection lost before the publish"))
        else:
            session.publish(ticket.messages, ticket.answer)
