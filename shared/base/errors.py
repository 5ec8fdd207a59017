"""Errors that every room may raise and every process understands."""


class Unavailable(Exception):
    """Something that a handler needs is unavailable (database, register). The message waits for it.

    `reason` is a short snake_case word that is counted; `detail` is for operators. The text
    never holds a value of a row.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class CannotStart(Exception):
    """A process cannot start. The text is the one line that an operator reads."""


class WrongSettings(CannotStart, ValueError):
    """A setting is wrong. The text names the setting and the reason, never the value."""


class UndecodableMessage(ValueError):
    """The body of a queue message cannot be decoded. The text names elements, never values."""
