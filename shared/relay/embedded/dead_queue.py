"""The dead letters of a stage in the queue file. To look at them needs no hold."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from shared.base.ids import new_id
from shared.relay.broker import (
    BrokerUnavailable,
    DeadQueueBusy,
    Envelope,
    HeldLetter,
    Holder,
    Outgoing,
    PublishRefused,
)
from shared.relay.embedded.queue_file import QueueFile
from shared.relay.topology import Place, place_key, reports_key

#: How long a hold lasts that nobody renews: its process was killed (seconds).
_HOLD_SECONDS = 30.0
_RENEW_EVERY = 5.0
#: A hold that ends later than any clock of ours could have said was written by a wrong one.
_CLOCK_SLACK_SECONDS = 5.0
_ASK_EVERY = 0.1


class EmbeddedOperatorLock:
    """A row in the queue file, renewed while it is held.

    Taken by its construction. Raises `DeadQueueBusy` when another has it for more than `within` s.
    """

    def __init__(self, store: QueueFile, stage: str, *, by: str, doing: str, within: float) -> None:
        self._store = store
        self._stage = stage
        self._token = new_id()
        self._holder = Holder(by=by or "somebody", doing=doing, since=datetime.now(UTC))
        self._renew_at = 0.0
        deadline = time.monotonic() + within
        while (other := self._acquire()) is not None:
            if time.monotonic() > deadline:
                raise DeadQueueBusy(stage, _holder_of(other))
            time.sleep(_ASK_EVERY)

    def note(self, doing: str) -> None:
        self._holder = self._holder.model_copy(update={"doing": doing})
        self._renew_at = 0.0
        self.renew()

    def renew(self) -> None:
        """Raises `BrokerUnavailable` when another has it by now: this process slept too long."""
        if time.monotonic() < self._renew_at:
            return
        with self._store.transaction():
            self.check()
            self._write()

    def check(self) -> None:
        """Inside a transaction."""
        found = self._store.operator(self._stage)
        if found is None or found[0] != self._token:
            raise BrokerUnavailable(f"the hold on the dead letters of {self._stage} was lost")

    def release(self) -> None:
        with self._store.transaction():
            self._store.drop_operator(self._stage, self._token)

    def _acquire(self) -> str | None:
        """None when it is ours, else the note of who has it."""
        now = time.time()
        with self._store.transaction():
            found = self._store.operator(self._stage)
            if found is not None and now < found[2] < now + _HOLD_SECONDS + _CLOCK_SLACK_SECONDS:
                return found[1]
            self._write()
        return None

    def _write(self) -> None:
        until = time.time() + _HOLD_SECONDS
        note = self._holder.model_dump_json()
        self._store.set_operator(self._stage, self._token, note, until)
        self._renew_at = time.monotonic() + _RENEW_EVERY


class EmbeddedDeadQueue:
    """`store` is its own connection. `published` is called when something was."""

    def __init__(
        self,
        store: QueueFile,
        lock: EmbeddedOperatorLock,
        stage: str,
        place: Place,
        *,
        routable: Callable[[Outgoing], bool],
        published: Callable[[], None],
    ) -> None:
        self._store = store
        self._lock = lock
        self._stage = stage
        self._place = place
        self._routable = routable
        self._published = published
        self._after = 0
        self._upto = store.newest_row()

    def read(self, most: int) -> list[HeldLetter]:
        self._lock.renew()
        key = place_key(self._stage, self._place)
        found = self._store.letters(key, self._stage, after=self._after, upto=self._upto, most=most)
        if found:
            self._after = found[-1][0]
        return [HeldLetter(envelope, row) for row, envelope in found]

    def take(self, letters: Sequence[HeldLetter], publish: Sequence[Outgoing] = ()) -> None:
        if not all(map(self._routable, publish)):
            raise PublishRefused("unroutable")
        self._store.file.require()
        with self._store.transaction():
            self._lock.check()
            for letter in letters:
                assert isinstance(letter.token, int)  # noqa: S101 - it was read here
                self._store.remove(letter.token)
            self._store.insert(publish, time.time())
        self._store.file.require()
        self._published()

    def reports(self) -> list[Envelope]:
        self._lock.renew()
        key = reports_key(self._stage)
        newest = self._store.newest_row()
        with self._store.transaction():
            found = self._store.letters(key, self._stage, after=0, upto=newest, most=1000)
            for row, _ in found:
                self._store.remove(row)
        return [envelope for _, envelope in found]

    def doing(self, what: str) -> None:
        self._lock.note(what)

    def rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _RENEW_EVERY))
            self._lock.renew()


def _holder_of(note: str) -> Holder | None:
    try:
        return Holder.model_validate_json(note)
    except ValidationError:
        return None
