"""Ends a child process when its parent ends, even when the parent was killed.

The parent gives the child a pipe as standard input, writes nothing to it, and sets an environment
variable. The operating system closes the pipe when the parent ends. The child then sends itself
SIGTERM, and drains as usual.

Linux's own way, `prctl(PR_SET_PDEATHSIG)`, is not used: it signals when the *thread* that started
the child ends, comes too late for a parent that is gone already, and needs code between fork and
exec, which is not safe in a process with threads.
"""

import os
import signal
from contextlib import suppress
from threading import Thread

#: In the environment of a child whose standard input is such a pipe.
PARENT_ON_STDIN = "BUDKAVLE_PARENT_ON_STDIN"

_STDIN = 0


def end_with_parent() -> None:
    """Drain and end when the parent ends, if the parent asked for it.

    The variable is removed from the environment: it does not apply to children of this process.
    """
    if os.environ.pop(PARENT_ON_STDIN, ""):
        Thread(target=_wait_for_parent, name="parent", daemon=True).start()


def _wait_for_parent() -> None:
    """Reads the descriptor itself: a lock of `sys.stdin` would be held at the interpreter's end."""
    with suppress(OSError):
        while os.read(_STDIN, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
