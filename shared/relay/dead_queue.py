"""What both brokers do with dead letters once they hold them."""

from collections.abc import Callable, Iterator

from shared.relay.broker import KEEP, REPLAY, DeadAction, DeadQueue, Envelope, HeldLetter, Outgoing

#: Letters that are published and removed together. A process killed in between leaves as many
#: twice on RabbitMQ: in the stage's queue and in the dead queue.
BATCH = 50

#: How long another operator is waited for, in seconds: as long as a look takes.
HOLD_WITHIN = 10.0

Decide = Callable[[Envelope], DeadAction]


def read_all(queue: DeadQueue) -> Iterator[HeldLetter]:
    while letters := queue.read(BATCH):
        yield from letters


def take_each(queue: DeadQueue, stage: str, decide: Decide, limit: int | None) -> int:
    """As `Broker.take_dead`."""
    taken: set[str] = set()
    while limit is None or len(taken) < limit:
        letters = queue.read(BATCH if limit is None else min(BATCH, limit - len(taken)))
        if not letters:
            break
        _take_batch(queue, stage, decide, letters, taken)
    return len(taken)


def _take_batch(
    queue: DeadQueue, stage: str, decide: Decide, letters: list[HeldLetter], taken: set[str]
) -> None:
    actions = [
        KEEP if letter.envelope.message_id in taken else decide(letter.envelope)
        for letter in letters
    ]
    chosen = [letter for letter, action in zip(letters, actions, strict=True) if action != KEEP]
    replays = [
        Outgoing(stage, letter.envelope.replayed())
        for letter, action in zip(letters, actions, strict=True)
        if action == REPLAY
    ]
    if chosen:
        queue.take(chosen, replays)
        taken.update(letter.envelope.message_id for letter in chosen)
