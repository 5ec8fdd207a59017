"""Waiting for something to become true, with a deadline instead of a lucky sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], *, timeout: float = 10, every: float = 0.02) -> T:
    """Call `check` until it answers something true, and return that; fail after `timeout` s.

    An AssertionError raised by `check` counts as "not yet", and is what is raised in the end.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        else:
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(f"not true within {timeout} s; last answer: {answer!r}")
        time.sleep(every)
