"""The engagement index of a run: the sandbox's, or one that somebody brought."""

from typing import Any, Protocol

import requests

_TIMEOUT = 60

#: HSA-id of the sandbox's index, and so what an Update is addressed to.
OWNER = "SE0000000000-INDEX"


class RunningIndex(Protocol):
    """An index that notifies our ingest.

    `figures`: `requests` that were taken, how often it `sent_again`, engagements that we `refused`
    for good, and notifications in its dead-letter queue (`index_dead`).
    """

    @property
    def url(self) -> str:
        """Where it takes Updates."""
        ...

    @property
    def owner(self) -> str:
        """Its HSA-id."""
        ...

    def pending(self) -> int:
        """What it has yet to send: Updates and notifications."""
        ...

    def figures(self) -> dict[str, int]: ...

    def failed_attempts(self) -> int:
        """Of the notification under way that has most of them; 0 where that is not known."""
        ...

    def journal(self) -> list[dict[str, Any]]:
        """What was taken when, as the sandbox lists it; empty where that is not known."""
        ...


class SandboxIndex:
    """`addresses`: of the sandbox's ready line."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.url = addresses["index"]
        self.owner = OWNER
        self._control = addresses["control"]

    def pending(self) -> int:
        return int(self._summary()["pending"])

    def figures(self) -> dict[str, int]:
        summary = self._summary()
        counts = summary["counts"]
        return {
            "requests": counts.get("OK", 0) + counts.get("INFO", 0),
            "sent_again": counts.get("unanswered", 0),
            "refused": summary["gone"],
            "index_dead": summary["dead"],
        }

    def failed_attempts(self) -> int:
        return int(self._summary()["failedAttempts"])

    def journal(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self._get("/index/journal")
        return listed

    def _summary(self) -> Any:
        return self._get("/index")

    def _get(self, path: str) -> Any:
        return requests.get(self._control + path, timeout=_TIMEOUT).json()
