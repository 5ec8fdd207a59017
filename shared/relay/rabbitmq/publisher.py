"""Publishes over one connection; many threads wait for their confirms, or are called with them."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from shared.relay.broker import BrokerError, BrokerUnavailable, Outgoing
from shared.relay.rabbitmq.link import Link
from shared.relay.rabbitmq.session import Session

#: With more unconfirmed messages the broker stores nothing: no more are sent.
_MOST_UNANSWERED = 20_000
#: A broker that has confirmed nothing for so long (seconds) is not called ready.
_READY_UNCONFIRMED = 4.0


class _Ticket:
    """One caller, who hears once what came of `messages`, unless it was abandoned before."""

    def __init__(
        self, messages: Sequence[Outgoing], answered: Callable[[BrokerError | None], None]
    ) -> None:
        self.messages = messages
        self.abandoned = False
        self._answered = answered

    def answer(self, error: BrokerError | None) -> None:
        if not self.abandoned:
            self._answered(error)

    def abandon(self) -> None:
        self.abandoned = True


class _Waiting:
    """Where one thread waits for its answer."""

    def __init__(self) -> None:
        self.error: BrokerError | None = None
        self._unanswered = threading.Lock()  # does what an event does here, at a third of the cost
        self._unanswered.acquire()

    def answer(self, error: BrokerError | None) -> None:
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
        self._link.wait_first_try(timeout)
        waiting = _Waiting()
        abandon = self.begin(messages, waiting.answer)
        if not waiting.wait(max(0, deadline - time.monotonic())):
            abandon()
            raise BrokerUnavailable(f"no confirm within {timeout:g} s")
        if waiting.error is not None:
            raise waiting.error

    def begin(
        self, messages: Sequence[Outgoing], answered: Callable[[BrokerError | None], None]
    ) -> Callable[[], None]:
        """Publish without waiting; `answered` is called once, on the I/O thread, and must not fail.

        What is returned abandons the publish. Raises `BrokerUnavailable` when there is no
        connection now.
        """
        if self._link.session is None or self._full:
            raise BrokerUnavailable("not connected, or not storing")
        ticket = _Ticket(messages, answered)
        if not self._link.call(partial(self._cross, ticket)):
            raise BrokerUnavailable("not connected")
        return ticket.abandon

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
