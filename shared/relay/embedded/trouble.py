"""Trouble with the queue file in the log: when it begins, once a minute, and when it is over."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from shared.relay.broker import BrokerUnavailable

log = structlog.get_logger()

_EVERY_SECONDS = 60.0


class Trouble:
    """What `user` (a stage, or the publisher) has met. For one thread at a time."""

    def __init__(self, user: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._user = user
        self._monotonic = monotonic
        self._reported: str | None = None
        self._reported_at = 0.0

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Log a `BrokerUnavailable` that is raised inside, or that there is none any more."""
        try:
            yield
        except BrokerUnavailable as error:
            self._log(str(error))
            raise
        if self._reported is not None:
            self._reported = None
            log.info("broker_available", stage=self._user)

    def _log(self, error: str) -> None:
        now = self._monotonic()
        if error != self._reported or now - self._reported_at >= _EVERY_SECONDS:
            self._reported, self._reported_at = error, now
            log.warning("broker_unavailable", stage=self._user, error=error)
