"""Log lines into a file, several in one write.

A write lets go of the interpreter and then waits to get it back. With a line for every message,
handlers spent most of their time on that; so lines are collected for a moment.
"""

import atexit
import time
from collections import deque
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TextIO

#: How long a line may wait, in seconds. One that warns takes all before it along at once.
_MOMENT = 0.05
#: Characters in one write. Pipes keep 4,096 bytes in one piece, whoever else writes to them.
_PIECE = 4000


class LineWriter:
    """Stands in for structlog's loggers. Thread-safe; what is left is written at exit."""

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
        """Write all lines that there are now. A full disk or a closed pipe stops no message."""
        with self._writing, suppress(OSError, ValueError):
            while piece := self._next_piece():
                self._file.write(piece)
                self._file.flush()

    def _next_piece(self) -> str:
        """Whole lines: as many as keep together, at least one if there is one."""
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
