"""glibc's heaps."""

import ctypes
from contextlib import suppress

_ARENA_MAX = -8  # mallopt's M_ARENA_MAX, as malloc.h has it
_ARENAS = 2


def limit_heaps() -> None:
    """Have all threads share two heaps, before there are threads.

    By default glibc gives a thread one of its own, up to eight for each processor, and each keeps
    what it has once used. The interpreter's lock lets one thread allocate at a time anyway.
    Does nothing on other C libraries.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)
