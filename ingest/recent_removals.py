"""Which bookings were removed by the requests of the last two minutes.

A broker may hold a request back and let later ones pass: RabbitMQ does for as long as it has not
missed a node whose consumers were handed it. What takes the place of a removed booking is then
judged before the relay has seen the removal. So it takes along what ingest knows.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import Lock

from shared.booking.identity import SCHEDULING, BookingKey, hsa_key, service_domain
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

    def related_to(self, engagements: Iterable[Engagement]) -> tuple[EarlierRemoval, ...]:
        """What may belong to a booking that `engagements` create or update, and is none of them."""
        ours = _scheduling(engagements)
        named = {one.booking.digest for one in ours}
        changed = [one.booking for one in ours if not one.deleted]
        with self._guard:
            found = {
                removal.booking.digest: removal
                for booking in changed
                for key in _keys(booking)
                for removal in self._related.get(key, ())
            }
        return tuple(removal for digest, removal in found.items() if digest not in named)

    def remember(
        self, engagements: Iterable[Engagement], notification_id: str, received_at: datetime
    ) -> None:
        """Those of `engagements` that are removals, of the request `notification_id`."""
        removed = list(_removed(_scheduling(engagements)))
        with self._guard:
            self._forget(received_at - _REMEMBERED)
            for booking in removed:
                self._remember(
                    EarlierRemoval(
                        booking=booking, received_at=received_at, notification_id=notification_id
                    )
                )

    def _remember(self, removal: EarlierRemoval) -> None:
        self._in_order.append(removal)
        for key in _keys(removal.booking):
            related = self._related[key]
            related.append(removal)
            if len(related) > _MOST_OF_ONE:
                related.popleft()

    def _forget(self, before: datetime) -> None:
        while (oldest := next(iter(self._in_order), None)) and (
            oldest.received_at < before or len(self._in_order) > _MOST
        ):
            self._in_order.popleft()
            for key in _keys(oldest.booking):
                self._forget_one(key, oldest)

    def _forget_one(self, key: str, oldest: EarlierRemoval) -> None:
        related = self._related.get(key)
        if related and related[0] is oldest:
            related.popleft()
        if not related:
            self._related.pop(key, None)


def _keys(booking: BookingKey) -> tuple[str, str]:
    """A rebooking has another booking of the same patient; a new person number, the same id."""
    return booking.patient_bookings, booking.same_id


def _scheduling(engagements: Iterable[Engagement]) -> list[Engagement]:
    return [one for one in engagements if service_domain(one.service_domain) == SCHEDULING]


def _removed(engagements: Sequence[Engagement]) -> Iterator[BookingKey]:
    """The removed bookings, but for those that the same request creates, perhaps for another person
    number: what became of them is said."""
    created = {_entry(one.booking) for one in engagements if not one.deleted}
    removed = (one.booking for one in engagements if one.deleted)
    return (booking for booking in removed if _entry(booking) not in created)


def _entry(booking: BookingKey) -> tuple[str, str, str]:
    return hsa_key(booking.source_system), hsa_key(booking.logical_address), booking.booking_id
