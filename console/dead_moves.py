"""Dead letters moved from one place to another: parked, discarded, restored. Prints nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from console.dead_letters import Selection
from shared.base.clock import utcnow
from shared.base.redaction import redact
from shared.relay.broker import Aside, Broker, DeadQueue, HeldLetter, Outgoing
from shared.relay.dead_queue import BATCH
from shared.relay.topology import Place, place_key

_DOING = {Place.PARKED: "parking", Place.DISCARDED: "discarding", Place.DEAD: "restoring"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What goes from where to where, who does it, and why."""

    selection: Selection
    source: Place
    target: Place
    by: str
    note: str = ""


def move(broker: Broker, order: Move) -> Counter[str]:
    """How many letters of each stage were moved.

    Raises `BrokerUnavailable` and `DeadQueueBusy`; what was moved before stays moved.
    """
    moved: Counter[str] = Counter()
    for stage in order.selection.stages:
        doing = _DOING[order.target]
        with broker.hold_dead(stage, order.source, by=order.by, doing=doing) as queue:
            while letters := queue.read(BATCH):
                moved[stage] += _move_batch(queue, stage, order, letters)
    return moved


def _move_batch(queue: DeadQueue, stage: str, order: Move, letters: Sequence[HeldLetter]) -> int:
    meant = [one for one in letters if order.selection.takes_envelope(stage, one.envelope)]
    aside = None
    if order.target is not Place.DEAD:
        aside = Aside(at=utcnow(), by=redact(order.by), note=redact(order.note))
    key = place_key(stage, order.target)
    if meant:
        queue.take(meant, [Outgoing(key, one.envelope._replace(aside=aside)) for one in meant])
    return len(meant)
