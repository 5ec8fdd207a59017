"""The dead letters as they were read last: groups, and some letters of each.

Reading a hundred thousand takes seconds, and on RabbitMQ holds them. So a thread reads, pages show
what it found and when, and it reads again when somebody looks and that was a while ago.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock, Thread

from console.dead_groups import Group, grouped
from console.dead_letters import Letter, Selection
from shared.base.clock import utcnow
from shared.relay.broker import Broker, Envelope
from shared.relay.topology import READING_STAGES, Place

#: So many letters of each group are kept for its page, the oldest.
SHOWN = 50
_FRESH = timedelta(seconds=15)
#: So long a page waits for a reading, before it shows the one before (seconds).
_PATIENCE = 0.06

Found = tuple[Letter, Envelope]


@dataclass(frozen=True, slots=True)
class Survey:
    """One reading. `error` ended it: then nothing else is known."""

    at: datetime
    groups: Sequence[Group] = ()
    letters: Mapping[str, Sequence[Found]] = field(default_factory=dict)
    error: Exception | None = None


class Surveys:
    """Of each place the latest. Thread-safe; one thread reads a place at a time."""

    def __init__(self, opened: Callable[[], AbstractContextManager[Broker]]) -> None:
        self._opened = opened
        self._lock = Lock()
        self._latest: dict[Place, Survey] = {}
        self._readers: dict[Place, Thread] = {}

    def latest(self, place: Place, by: str) -> Survey | None:
        """None while it is read for the first time. Raises what ended the reading."""
        with self._lock:
            reader = self._reader(place, by)
        reader.join(_PATIENCE)
        survey = self._latest.get(place)
        if survey is not None and survey.error is not None:
            raise survey.error
        return survey

    def forget(self) -> None:
        """Something was moved: what was read is not shown again."""
        with self._lock:
            self._latest.clear()

    def _reader(self, place: Place, by: str) -> Thread:
        reader, survey = self._readers.get(place), self._latest.get(place)
        fresh = survey is not None and survey.error is None and utcnow() - survey.at < _FRESH
        if reader is None or not (reader.is_alive() or fresh):
            reader = Thread(target=self._read, args=(place, by), name="survey", daemon=True)
            self._readers[place] = reader
            reader.start()
        return reader

    def _read(self, place: Place, by: str) -> None:
        at, kept = utcnow(), dict[str, list[Found]]()
        try:
            with self._opened() as broker:
                letters = Selection(READING_STAGES).find(broker, place, by=by)
                survey = Survey(at, grouped(_keeping(letters, kept)), kept)
        except Exception as error:  # noqa: BLE001 - raised to whoever looks
            survey = Survey(at, error=error)
        with self._lock:
            self._latest[place] = survey


def _keeping(letters: Iterable[Found], kept: dict[str, list[Found]]) -> Iterator[Found]:
    for found in letters:
        of_group = kept.setdefault(found[0].group, [])
        if len(of_group) < SHOWN:
            of_group.append(found)
        yield found
