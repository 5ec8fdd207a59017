"""Errors that every room may raise and every process understands."""


class Unavailable(Exception):
    """Something a handler leans on is away (database, register). The message waits for it.

    `reason` is a short snake_case word that is counted; `detail` tells an operator more. The text
    never holds a value of a row.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class CannotStart(Exception):
    """A process cannot start. The text is the one line that an operator reads."""


class WrongSettings(CannotStart, ValueError):
    """A process cannot start as it is set. Names the setting and the reason, never the value."""


class UndecodableMessage(ValueError):
    """The bytes of a queue message are not what its reader takes. Names elements, never values."""
