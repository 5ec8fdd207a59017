"""What the relay asks of a message. What a message says is its stage's business."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol


class Message(Protocol):
    """A message that can be published and handled."""

    @property
    def queue(self) -> str:
        """The stage that reads it."""

    @property
    def identity(self) -> str:
        """The same for the same event, however often it is delivered or published."""

    @property
    def received_at(self) -> datetime:
        """When the relay accepted what it stems from; ages are counted from here."""

    @property
    def log_context(self) -> Mapping[str, str]:
        """The ids that every log line about this message carries."""

    def encode(self) -> bytes:
        """The body of a queue message."""
