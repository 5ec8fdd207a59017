"""Writes log lines to a file, several in one write.

A write releases the GIL and then waits to get it back. With one line for each message, handlers
spent most of their time on that, so lines are collected for a moment.
"""

import atexit
import time
from collections import deque
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TextIO

#: How long a line may wait, in seconds. A warning is written at once, with all lines before it.
_MOMENT = 0.05
#: Characters in one write. Writes of up to 4,096 bytes to a pipe are atomic.
_PIECE = 4000


class LineWriter:
    """Used in place of structlog's loggers. Thread-safe; lines left are written at exit."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: deque[str] = deque()
        self._writing = Lock()
        self._waiting = Event()
        Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.flush)

    def info(self, line: str) -> None:
        self._lines.append(line)
        if not self._waiting.is_set():
            self._waiting.set()

    def warning(self, line: str) -> None:
        self._lines.append(line)
        self.flush()

    debug = info
    error = critical = warning

    def flush(self) -> None:
        """Write all lines. A full disk or a closed pipe does not stop the relay."""
        with self._writing, suppress(OSError, ValueError):
            while piece := self._next_piece():
                self._file.write(piece)
                self._file.flush()

    def _next_piece(self) -> str:
        """As many whole lines as fit one write, at least one if there is one."""
        lines: list[str] = []
        size = 0
        while self._lines and (not lines or size + len(self._lines[0]) < _PIECE):
            line = self._lines.popleft()
            size += len(line) + 1
            lines.append(f"{line}\n")
        return "".join(lines)

    def _run(self) -> None:
        while True:
            self._waiting.wait()
            time.sleep(_MOMENT)
            self._waiting.clear()
            self.flush()
