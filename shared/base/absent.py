"""Libraries that others import only because they are installed, and that cost a process MiB.

structlog imports rich, with Pygments, to draw tracebacks in colours, and greenlet for programs that
use it. Each stage's package imports this module before all else.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(name: str) -> Iterator[None]:
    """Within the context `name` is not installed, unless it was imported before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with absent("rich"), absent("greenlet"):
    import structlog as structlog
