"""Which bookings were removed by the requests of the last two minutes.

A broker may hold a request back and let later ones pass: RabbitMQ does for as long as it has not
missed a node whose consumers were handed it. What takes the place of a removed booking is then
judged before the relay has seen the removal. So it takes along what ingest knows.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import Lock

from shared.booking.identity import BookingKey
from shared.booking.messages import EarlierRemoval, Engagement

#: Longer than a broker takes to miss a node, and than the composer waits for what takes a place.
_REMEMBERED = timedelta(minutes=2)
#: Of one patient, or of one booking id; a clean-up of old entries removes thousands at once.
_MOST_OF_ONE = 20
#: Of all: those of two minutes at twice the national peak.
_MOST = 20_000


class RecentRemovals:
    """Thread-safe. One process's own: of requests that another ingest took it knows nothing."""

    def __init__(self) -> None:
        self._in_order: deque[EarlierRemoval] = deque()
        self._related: dict[str, deque[EarlierRemoval]] = defaultdict(deque)
        self._guard = Lock()

    def related_to(
        self, engagements: Iterable[Engagement], received_at: datetime
    ) -> tuple[EarlierRemoval, ...]:
        """What may belong to a booking that `engagements` create or update, and is none of them."""
        ours = [one for one in engagements if one.is_scheduling]
        changed = [one.booking for one in ours if not one.deleted]
        with self._guard:
            self._forget_until(received_at - _REMEMBERED)
            found = {
                removal.booking.digest: removal
                for booking in changed
                for key in _keys(booking)
                for removal in self._related.get(key, ())
            }
        if not found:
            return ()
        named = {one.booking.digest for one in ours}
        return tuple(removal for digest, removal in found.items() if digest not in named)

    def remember(
        self, engagements: Iterable[Engagement], notification_id: str, received_at: datetime
    ) -> None:
        """Those of `engagements` that are removals, of the request `notification_id`."""
        removals = [
            EarlierRemoval(
                booking=booking, received_at=received_at, notification_id=notification_id
            )
            for booking in _removed([one for one in engagements if one.is_scheduling])
        ]
        with self._guard:
            for removal in removals:
                self._remember(removal)

    def _remember(self, removal: EarlierRemoval) -> None:
        if len(self._in_order) >= _MOST:
            self._forget_oldest()
        self._in_order.append(removal)
        for key in _keys(removal.booking):
            related = self._related[key]
            related.append(removal)
            if len(related) > _MOST_OF_ONE:
                related.popleft()

    def _forget_until(self, moment: datetime) -> None:
        while self._in_order and self._in_order[0].received_at < moment:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = self._in_order.popleft()
        for key in _keys(oldest.booking):
            related = self._related[key]
            if related and related[0] is oldest:
                related.popleft()
            if not related:
                del self._related[key]


def _keys(booking: BookingKey) -> tuple[str, str]:
    """A rebooking has another booking of the same patient; a new person number, the same id."""
    return booking.patient_bookings, booking.same_id


def _removed(engagements: Sequence[Engagement]) -> Iterator[BookingKey]:
    """The removed bookings, but for those that the same request creates, perhaps for another person
    number: what became of them is said."""
    created = {one.booking.visit for one in engagements if not one.deleted}
    removed = (one.booking for one in engagements if one.deleted)
    return (booking for booking in removed if booking.visit not in created)
