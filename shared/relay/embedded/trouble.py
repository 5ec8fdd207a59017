"""Trouble with the queue file in the log: when it begins, once a minute, and when it is over."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from shared.relay.broker import BrokerUnavailable

log = structlog.get_logger()

_EVERY_SECONDS = 60.0


class TroubleLog:
    """What `user` (a stage, or the publisher) has met. For one thread at a time."""

    def __init__(self, user: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._user = user
        self._monotonic = monotonic
        self._logged_at = -math.inf
        self._logged = ""  # the error in the latest line
        self._lasts = False  # the end of what the latest line says has not been logged

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Log a `BrokerUnavailable` that is raised inside, or that there is none any more."""
        try:
            yield
        except BrokerUnavailable as error:
            self._log(str(error))
            raise
        if self._lasts:
            self._lasts = False
            log.info("broker_available", stage=self._user)

    def _log(self, error: str) -> None:
        now = self._monotonic()
        if error == self._logged and now - self._logged_at < _EVERY_SECONDS:
            return
        self._logged, self._logged_at, self._lasts = error, now, True
        log.warning("broker_unavailable", stage=self._user, error=error)
