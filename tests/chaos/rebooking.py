"""How a rebooking may be announced, by when ingest took its removal and its creation.

The rules are those of docs/domain.md, "Rules of removal and replacement". What they promise is one
message; where they leave something open, the reason stands here beside what is accepted.

| taken by ingest | other id | same id |
|---|---|---|
| in one request | one message | one message |
| within the window, the removal first | one message | one message |
| within the window, the creation first | one, or new and cancelled | also new and changed |
| further apart, either first | new and cancelled, in any order | also one, or new and changed |
| an open call, within the window | one message: the booking | one message: the booking |
| a chain of which the middle was not seen | one, or two if the units differ | as above |

- *The creation first*: it may be announced before the removal is known to anybody. "Two visits
  stood side by side. What remains to be said is that one of them is gone."
- *The same id*: it is proof "at any unit and any time", so no distance forbids one message, and
  what remains to be said of a visit that was announced already may be said as a change of it.
- *An open call*: "If a booking at the same unit came within the window, before or after, nothing is
  said" of the call. Further apart it is announced as gone, never the booking twice.
- *A chain*, of whose middle booking nothing was seen: where its ends have neither id nor unit in
  common, nothing shows that they are one visit. One message or two, in any order.
- *Further apart*: nearness is no evidence, but evidence is needed *and* nearness: two messages. In
  any order: a removal waits for its window, and longer while something of ours is away.
- When ingest took something is known from the index: not before it first sent the request, and not
  after it had the answer. Where that leaves the order or the distance open, both are accepted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.booking.identity import hsa_key
from tests.chaos.telling import Booking, Way

#: Patient, unit and id of a booking.
Entry = tuple[str, str, str]

_ONE = frozenset([Way.ONE_CHANGE])
_OF_CHAINS = frozenset(Way) - {Way.NEW_THEN_CHANGED}
_OF_FAR_CALLS = _OF_CHAINS
#: By so much the clocks of two processes and their rounding may differ, in seconds.
_SLACK = 0.5


@dataclass(frozen=True, slots=True)
class Taking:
    """Ingest took a request at some time within these two, in seconds since 1970."""

    request: int
    earliest: float
    latest: float


@dataclass(frozen=True)
class Takings:
    """What ingest took first of each booking: its creation and its removal, by the index's journal;
    and its last creation.

    Empty where the index keeps none: all ways are accepted then. `window` is the relay's, in
    seconds.
    """

    window: float
    created: Mapping[Entry, Taking] = field(default_factory=dict)
    removed: Mapping[Entry, Taking] = field(default_factory=dict)
    created_last: Mapping[Entry, Taking] = field(default_factory=dict)

    def ways(
        self, patient: str, old: Booking, new: Booking, *, is_open_call: bool
    ) -> frozenset[Way]:
        """`is_open_call`: `old` is one."""
        removed = self.removed.get(entry(patient, old))
        creations = self.created_last if old == new else self.created
        created = creations.get(entry(patient, new))
        if removed is None or (created is None and not self.created):
            return frozenset(Way)
        if created is None:
            return _ONE  # the index was never told of it: the system itself said that it moved
        if old.booking_id != new.booking_id and hsa_key(old.unit) != hsa_key(new.unit):
            return _OF_CHAINS
        if removed.request == created.request:
            return _ONE
        same_id = old.booking_id == new.booking_id
        ways = self._ways_apart(removed, created, same_id=same_id)
        if not is_open_call:
            return ways
        is_far = self.may_be_far(removed, created)
        return ways & (_OF_FAR_CALLS if is_far else _ONE)

    def _ways_apart(self, removed: Taking, created: Taking, *, same_id: bool) -> frozenset[Way]:
        near, far = self.may_be_near(removed, created), self.may_be_far(removed, created)
        ways: set[Way] = set()
        if near or same_id:
            ways |= {Way.ONE_CHANGE}
        if far:
            ways |= {Way.CANCELLED_THEN_NEW, Way.NEW_THEN_CANCELLED}
        if created.earliest <= removed.latest:  # perhaps the creation first
            ways |= {Way.NEW_THEN_CANCELLED}
        if same_id and (far or Way.NEW_THEN_CANCELLED in ways):
            ways |= {Way.NEW_THEN_CHANGED}
        return frozenset(ways)

    def only_removed(self, patient: str, booking: Booking) -> bool:
        """Whether the index, which merges, passed on nothing but a removal.

        Then a system that lags shows nothing, as the removal has it: no answer to be doubted.
        """
        key = entry(patient, booking)
        return key in self.removed and key not in self.created

    def may_be_near(self, one: Taking, other: Taking) -> bool:
        apart = max(one.earliest, other.earliest) - min(one.latest, other.latest)
        return apart <= self.window + _SLACK

    def may_be_far(self, one: Taking, other: Taking) -> bool:
        apart = max(one.latest, other.latest) - min(one.earliest, other.earliest)
        return apart > self.window - _SLACK


def takings(journal: Iterable[Mapping[str, Any]], window: float) -> Takings:
    """Of what the sandbox's index lists under `/index/journal`."""
    created: dict[Entry, Taking] = {}
    removed: dict[Entry, Taking] = {}
    created_last: dict[Entry, Taking] = {}
    for number, request in enumerate(sorted(journal, key=lambda one: one["sentAt"])):
        taking = Taking(number, request["sentAt"], request["answeredAt"])
        for engagement in request["engagements"]:
            booking = Booking(engagement["logicalAddress"], engagement["bookingId"])
            known = removed if engagement["deleted"] else created
            known.setdefault(entry(engagement["patient"], booking), taking)
            if not engagement["deleted"]:
                created_last[entry(engagement["patient"], booking)] = taking
    return Takings(window, created, removed, created_last)


def entry(patient: str, booking: Booking) -> Entry:
    return patient.upper(), hsa_key(booking.unit), booking.booking_id
