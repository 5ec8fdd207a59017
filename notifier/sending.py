"""Sends notices side by side: claims them, hands them to their providers, records what came of it.

A notice is in doubt from its claim until its result is stored: if the process dies in between, it
is uncertain. So no more are claimed than are sent at once, by all threads together, and results are
stored as soon as they are there, several in one statement.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple, Protocol

from notifier.channels import OutgoingChannel
from notifier.pacing import Bulkhead
from notifier.results import SendResult
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, Claim, Notice, Wanted
from shared.relay.outcomes import Outcome

#: How long results wait for those of others, to be stored with them.
_TOGETHER_SECONDS = 0.05


class ReadyNotice(NamedTuple):
    """A notice that may be sent now. `number`: of its order in the batch."""

    number: int
    order: NoticeOrder
    channel: Channel
    address: str

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.order.message_id, self.channel, self.order.patient)


class Sent(NamedTuple):
    """A notice that a provider has answered about."""

    ready: ReadyNotice
    claim: Claim
    result: SendResult


class Claims(Protocol):
    """As `shared.store.notices.NoticeStore`."""

    def claim_all(self, several: Sequence[Wanted]) -> list[Claim | Notice]: ...


#: Stores results; the outcomes, in the same order.
Conclude = Callable[[Sequence[Sent]], Sequence[Outcome]]
#: The outcome for a notice that is not to be sent (again).
Stand = Callable[[Notice], Outcome]
#: The outcome for what is to go out on a channel that sends nothing now; None when it sends.
Pause = Callable[[Channel], Outcome | None]


class Rules(NamedTuple):
    """What is decided elsewhere."""

    pause: Pause
    stand: Stand
    conclude: Conclude


class Sendings:
    """At most `most` sendings at once, whatever their channels. Thread-safe."""

    def __init__(
        self, channels: Mapping[Channel, OutgoingChannel], claims: Claims, most: int
    ) -> None:
        self._channels = channels
        self._claims = claims
        self._places = Bulkhead(most)
        self._threads = ThreadPoolExecutor(most, "sending")

    def send_all(self, ready: Sequence[ReadyNotice], rules: Rules) -> dict[int, Outcome]:
        """Send them, no two of which go to one patient on one channel; the outcomes by number.

        One without an outcome found no place in time. An error is raised when all that was begun
        has ended, and what could be stored is.
        """
        return _Course(self, ready, rules).run()

    def enter(self, left: Sequence[ReadyNotice], *, patient: bool) -> list[ReadyNotice]:
        """Those of `left` that got a place."""
        of_channel = defaultdict(list)
        for each in left:
            of_channel[each.channel].append(each)
        entered: list[ReadyNotice] = []
        for channel, several in of_channel.items():
            waits = patient and not entered
            taken = self._channels[channel].enter(len(several), patient=waits)
            both = self._places.enter_some(taken, patient=waits) if taken else 0
            self._channels[channel].leave(taken - both)
            entered += several[:both]
        return entered

    def leave(self, several: Sequence[ReadyNotice]) -> None:
        """All at once: who waits would otherwise begin with the first place alone."""
        for channel, places in Counter(each.channel for each in several).items():
            self._channels[channel].leave(places)
        self._places.leave(len(several))

    def claim(self, several: Sequence[ReadyNotice]) -> list[Claim | Notice]:
        return self._claims.claim_all([each.wanted for each in several])

    def send(self, each: ReadyNotice, claim: Claim) -> SendResult:
        sender = self._channels[each.channel].sender
        return sender.send(claim.notice_id, each.address, several=claim.count > 1)

    def start(self, each: ReadyNotice, claim: Claim, *, alone: bool) -> "Future[SendResult]":
        """Send in a thread; in this one if it is `alone`, so that nothing waits for it."""
        if not alone:
            return self._threads.submit(self.send, each, claim)
        ended: Future[SendResult] = Future()
        try:
            ended.set_result(self.send(each, claim))
        except Exception as error:  # noqa: BLE001 - as the threads do
            ended.set_exception(error)
        return ended


class _Course:
    """One batch, from its first claim to its last result."""

    def __init__(self, sendings: Sendings, ready: Sequence[ReadyNotice], rules: Rules) -> None:
        self._sendings = sendings
        self._left = list(ready)
        self._rules = rules
        self._running: dict[Future[SendResult], tuple[ReadyNotice, Claim]] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._errors: list[Exception] = []

    def run(self) -> dict[int, Outcome]:
        while self._begin_some() or self._running:
            self._end_some()
        if self._errors:
            raise self._errors[0]
        return self._outcomes

    def _begin_some(self) -> bool:
        """Claim and start what finds a place; whether anything did."""
        self._pause_some()
        if self._errors or not self._left:
            return False
        entered = self._sendings.enter(self._left, patient=not self._running)
        if not entered:
            return False
        numbers = {each.number for each in entered}
        self._left = [each for each in self._left if each.number not in numbers]
        waiting = list(entered)
        try:
            found = self._sendings.claim(entered)
            alone = len(entered) == 1 and not self._left and not self._running
            while waiting:
                self._begin(waiting[0], found[len(entered) - len(waiting)], alone=alone)
                del waiting[0]
        except Exception as error:  # noqa: BLE001 - raised when nothing is under way
            self._errors.append(error)
        finally:
            self._sendings.leave(waiting)
        return True

    def _pause_some(self) -> None:
        """Results of this batch may have opened the breaker of a channel."""
        channels = {each.channel for each in self._left}
        paused = {channel: self._rules.pause(channel) for channel in channels}
        for each in self._left:
            if outcome := paused[each.channel]:
                self._outcomes[each.number] = outcome
        self._left = [each for each in self._left if not paused[each.channel]]

    def _begin(self, each: ReadyNotice, found: Claim | Notice, *, alone: bool) -> None:
        if isinstance(found, Claim):
            self._running[self._sendings.start(each, found, alone=alone)] = (each, found)
        else:
            self._outcomes[each.number] = self._rules.stand(found)
            self._sendings.leave([each])

    def _end_some(self) -> None:
        """Store what has ended, and give the places back."""
        done, _ = wait(self._running, _TOGETHER_SECONDS)
        if not done and not self._left:
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        ended = [(future, *self._running.pop(future)) for future in done]
        try:
            self._store([sent for one in ended if (sent := self._sent(*one))])
        finally:
            self._sendings.leave([each for _, each, _ in ended])

    def _sent(self, future: "Future[SendResult]", each: ReadyNotice, claim: Claim) -> Sent | None:
        try:
            return Sent(each, claim, future.result())
        except Exception as error:  # noqa: BLE001 - raised when nothing is under way
            self._errors.append(error)
            return None

    def _store(self, sent: Sequence[Sent]) -> None:
        if not sent:
            return
        try:
            outcomes = self._rules.conclude(sent)
        except Exception as error:  # noqa: BLE001 - raised when nothing is under way
            self._errors.append(error)
        else:
            numbers = [each.ready.number for each in sent]
            self._outcomes.update(zip(numbers, outcomes, strict=True))
