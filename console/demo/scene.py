"""Prints the steps of the demo. Each is a claim that comes true, or the demo fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel

T = TypeVar("T")

_POLL_SECONDS = 0.05


class NotTrue(Exception):
    """A claim of the story did not come true in time."""


@dataclass
class Scene:
    """Prints the story; counts the claims that came true."""

    console: Console
    claims: int = field(default=0, init=False)
    _started: float = field(default_factory=time.monotonic, init=False)

    def chapter(self, title: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{title}[/bold]", align="left")

    def say(self, text: str) -> None:
        self.console.print(text)

    def show(self, title: str, text: str) -> None:
        """Print a document in a frame: a message, an SMS."""
        panel = Panel(escape(text.strip()), title=escape(title), title_align="left", width=84)
        self.console.print(Padding(panel, (0, 0, 0, 4)))

    def expect(self, claim: str, check: Callable[[], T], *, timeout: float = 20) -> T:
        """Wait until `check` returns something true. Raises `NotTrue` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (answer := check()):
            if time.monotonic() > deadline:
                self.console.print(f"  [red]✗ {claim}[/red]  (last answer: {answer!r})")
                raise NotTrue(claim)
            time.sleep(_POLL_SECONDS)
        self.claims += 1
        elapsed = time.monotonic() - self._started
        self.console.print(f"  [green]✓[/green] {claim} [dim]{elapsed:.1f} s[/dim]")
        return answer
