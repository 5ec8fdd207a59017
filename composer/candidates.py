"""Who takes part in the search for replacements: what of the history was removed, and what is new.

What is awaited takes part as long as it may still be decided: a source that never answers about one
booking holds nothing else back for ever (`Limits.longest_wait`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from composer.history import History, is_ahead, near
from composer.replacement import New, Removed, Replacements, same_kind
from composer.watermarks import awaited_since, first_seen_at
from shared.booking.identity import BookingKey, hsa_key, same_hsa_id
from shared.booking.inbox import (
    Announcement,
    Awaiting,
    MessageKind,
    Watermark,
)
from shared.booking.messages import BookingDetails, FetchedBooking

#: Longer than a source is usually down, so that an outage makes no two messages of a rebooking.
WINDOWS_OF_WAITING = 10
_GRACES_PER_WINDOW = 5
_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Limits:
    """`window`: how long after a removal the booking that takes its place may come. `patience`: how
    long a source may take to show what it has announced to the index."""

    window: timedelta
    patience: timedelta

    @property
    def grace(self) -> timedelta:
        """How late a window may end before it is known that the relay was away; and for how long
        what it took before is waited for then."""
        return self.window / _GRACES_PER_WINDOW

    @property
    def longest_wait(self) -> timedelta:
        """How long a booking is held back by one about which the source does not answer."""
        return WINDOWS_OF_WAITING * self.window + self.patience


def still_matters(announcement: Announcement, now: datetime) -> bool:
    """A visit that lies ahead, or an open call. A time that has passed can change no more."""
    return not announcement.starts or is_ahead(announcement.starts, now)


@dataclass(frozen=True)
class Candidates:
    """Of one patient's bookings, for the judgement of `fetched`."""

    fetched: FetchedBooking
    history: History
    now: datetime
    limits: Limits

    def replacements(self) -> Replacements:
        removed = {each.booking: each for each in (*self._removed_members(), *self._removed())}
        removed = {
            booking: self._if_proven(self._of_own_request(each))
            for booking, each in removed.items()
        }
        new = {each.booking: each for each in (*self._new_members(), *self._new())}
        return Replacements(
            tuple(self._with_passed(each) for each in removed.values()),
            tuple(self._having_passed(each) for each in new.values()),
            self.now,
            self.limits.window,
        )

    def _with_passed(self, removed: Removed) -> Removed:
        """With the units where the same id was put and removed again: it passed on the way to what
        stands there now."""
        gone = (
            each
            for each in self._unannounced(removed.same_id, removed.removed_at)
            if each.gone or each.awaiting is Awaiting.REMOVAL
        )
        return replace(removed, passed=_units(gone))

    def _having_passed(self, new: New) -> New:
        """With the units where the index put the same id before."""
        before = (
            each
            for each in self._unannounced(new.same_id, new.first_seen_at)
            if each.booking != new.booking
        )
        beside = (
            hsa_key(member.booking.logical_address)
            for member in self.fetched.same_request
            if member.deleted
            and member.booking.same_id == new.same_id
            and self.history.latest(member.booking.digest) is None
        )
        return replace(new, passed=_units(before).union(beside))

    def _unannounced(self, same_id: str, at: datetime) -> Iterator[Watermark]:
        """What had this id about then, and was never announced."""
        same = (each for each in self.history.watermarks if each.same_id == same_id)
        for each in same:
            is_near = near(each.received_at, at, 2 * self.limits.window)
            if is_near and self.history.latest(each.booking) is None:
                yield each

    def _of_own_request(self, removed: Removed) -> Removed:
        """A booking may be removed by several requests. Which of them was noted first, or decided
        it, depends on how fast each was handled; the judged one says what else it did."""
        fetched = self.fetched
        members = {each.booking.digest for each in fetched.same_request if each.deleted}
        if fetched.deleted and fetched.same_request:
            members.add(fetched.booking.digest)
        if removed.booking not in members:
            return removed
        return replace(
            removed,
            requests=removed.requests | {fetched.notification_id},
            removed_at=min(removed.removed_at, fetched.received_at),
        )

    def _if_proven(self, removed: Removed) -> Removed:
        """One about which its unit answers no longer, perhaps since it has closed, is gone all the
        same when its id was created about then where the source has it."""
        fetched = self.fetched
        is_unanswered = removed.is_choice_only and not removed.is_gone
        is_there = fetched.details is not None and not fetched.deleted
        is_same = removed.same_id == fetched.booking.same_id
        if not (is_unanswered and is_there and is_same):
            return removed
        created_at = first_seen_at(fetched.received_at, self._before)
        if not near(created_at, removed.removed_at, self.limits.window):
            return removed
        return replace(removed, is_choice_only=False, is_gone=True)

    @property
    def _before(self) -> Watermark | None:
        return self.history.watermark(self.fetched.booking.digest)

    def unpaired_by(self, booking: str) -> Iterator[Watermark]:
        """Of open removals, once `booking`, which may be in their place, is announced as new."""
        for rival in self.replacements().rivals(booking):
            watermark = self.history.watermark(rival.booking)
            if watermark and watermark.awaiting is Awaiting.REMOVAL:
                yield replace(watermark, unpaired=True)

    def own_removal(self) -> Removed | None:
        """The judged booking, if it was removed and its patient believes in it."""
        standing = self.history.standing(self.fetched.booking.digest)
        if not self.fetched.deleted or standing is None:
            return None
        before = self.history.watermark(standing.booking)
        awaited = before if before and before.awaiting is Awaiting.REMOVAL else None
        since = awaited_since(self.fetched, before, Awaiting.REMOVAL, self.now)
        return Removed(
            booking=standing.booking,
            same_id=standing.key.same_id,
            announcement=standing,
            removed_at=awaited.received_at if awaited else self.fetched.received_at,
            requests=frozenset({(awaited or self.fetched).notification_id}),
            first_seen_at=before.first_seen_at if before else None,
            is_gone=self.fetched.details is None and not self.is_created_again(standing.booking),
            due=since + self.limits.window,
            unpaired=before is not None and before.unpaired,
        )

    def unasked_with_same_id(self) -> tuple[Announcement, Watermark] | None:
        """Another booking with this one's id, in which the patient believes, and of whose removal
        nothing is known since: not even where this one's request removed it, if the removal was
        judged before the creation, as of a booking that nobody knows."""
        own = self.fetched.booking
        for watermark in self.history.watermarks:
            is_other = watermark.same_id == own.same_id and watermark.booking != own.digest
            if not is_other or not self._is_unasked(watermark):
                continue
            standing = self.history.standing(watermark.booking)
            if standing and still_matters(standing, self.now):
                return standing, watermark
        return None

    def _is_unasked(self, watermark: Watermark) -> bool:
        """A question that was noted and then lost with its process is put once more."""
        is_decided = watermark.awaiting is None
        if is_decided and watermark.received_at < self.fetched.received_at:
            return True
        if watermark.awaiting is Awaiting.CREATION or self.fetched.asked_other:
            return False
        members = self.fetched.same_request
        is_removed_here = watermark.booking in {m.booking.digest for m in members if m.deleted}
        if is_decided:
            return is_removed_here
        is_of_request = watermark.notification_id == self.fetched.notification_id
        return is_of_request and not is_removed_here

    def booking_after(self, call: Removed) -> str | None:
        """Digest of a visit that may have come of the open `call`: it was booked about when the
        call went."""
        for watermark in self.history.watermarks:
            seen = watermark.first_seen_at
            is_near = seen is not None and near(seen, call.removed_at, self.limits.window)
            if is_near and watermark.booking != call.booking and self._may_come_of(call, watermark):
                return watermark.booking
        return None

    def _may_come_of(self, call: Removed, watermark: Watermark) -> bool:
        standing = self.history.standing(watermark.booking)
        details = standing.state if standing else watermark.held
        unit = standing.key.logical_address if standing else watermark.held and watermark.held.unit
        if details is None or not details.starts or not unit:
            return False
        is_other_unit = not same_hsa_id(unit, call.announcement.key.logical_address)
        return not is_other_unit and same_kind(call.announcement.state, details) is not False

    # --- removed ---

    def _removed(self) -> Iterator[Removed]:
        own = self.own_removal()
        for watermark in self.history.watermarks:
            if own and watermark.booking == own.booking:
                continue
            if watermark.awaiting is Awaiting.REMOVAL:
                yield from self._awaited_removal(watermark)
            elif watermark.gone and watermark.awaiting is None and watermark.successor is None:
                yield from self._cancelled(watermark)
        if own:
            yield own

    def _awaited_removal(self, watermark: Watermark) -> Iterator[Removed]:
        standing = self.history.standing(watermark.booking)
        if standing is None or not still_matters(standing, self.now):
            return
        is_gone = watermark.gone and not self.is_created_again(watermark.booking)
        is_answered = is_gone or self._may_still_come(watermark.awaiting_since)
        since = watermark.awaiting_since or self.now
        due = since + self.limits.window
        removed = _removed(watermark, standing, due, is_choice_only=not is_answered)
        yield replace(removed, is_gone=is_gone)

    def is_created_again(self, booking: str) -> bool:
        """Whether the index has created `booking` since its removal, and the source may not show
        that yet."""
        at, watermark = self.history.created_again.get(booking), self.history.watermark(booking)
        if at is None:
            return False
        shown = at + self.limits.patience
        if watermark is not None and watermark.fetched_at >= shown:
            return False
        return booking != self.fetched.booking.digest or self.fetched.fetched_at < shown

    def _cancelled(self, watermark: Watermark) -> Iterator[Removed]:
        """Cancelled just now: it can be paired no more, but others may have had this choice."""
        latest = self.history.latest(watermark.booking)
        if latest and latest.kind is MessageKind.CANCELLATION:
            cancelled = _removed(watermark, latest, self.now, is_choice_only=True)
            requests = cancelled.requests | {latest.notification_id}
            yield replace(cancelled, requests=requests, removed_at=latest.received_at)

    def _removed_members(self) -> Iterator[Removed]:
        """Removed in the same request, and not judged yet."""
        for member in self.fetched.same_request:
            standing = self.history.standing(member.booking.digest)
            if not member.deleted or standing is None or self._is_removal_judged(member.booking):
                continue
            if still_matters(standing, self.now):
                before = self.history.watermark(standing.booking)
                yield Removed(
                    booking=standing.booking,
                    same_id=standing.key.same_id,
                    announcement=standing,
                    removed_at=self.fetched.received_at,
                    requests=frozenset({self.fetched.notification_id}),
                    first_seen_at=before.first_seen_at if before else None,
                    is_gone=False,
                    due=self.now + self.limits.window,
                    is_choice_only=not self._request_may_still_come,
                )

    # --- new ---

    def _new(self) -> Iterator[New]:
        own = self.fetched.booking.digest
        for watermark in self.history.watermarks:
            is_other = watermark.awaiting is Awaiting.CREATION and watermark.booking != own
            is_known = watermark.held is not None
            if is_other and (is_known or self._may_still_come(watermark.awaiting_since)):
                yield _held(watermark)
        for announcement in self.history.announced_as_new():
            if heir := self.history.heir(announcement.booking):
                yield self._announced(announcement, heir)
        if self.fetched.details and self.history.standing(own) is None:
            yield self._own_creation(self.fetched.details)

    def _own_creation(self, details: BookingDetails) -> New:
        booking = self.fetched.booking
        return New(
            booking=booking.digest,
            same_id=booking.same_id,
            unit=booking.logical_address,
            details=details,
            first_seen_at=first_seen_at(self.fetched.received_at, self._before),
            request=self.fetched.notification_id,
        )

    def _announced(self, announcement: Announcement, heir: Announcement) -> New:
        """A creation that was sent again since says nothing of when the announced one came."""
        watermark = self.history.watermark(announcement.booking)
        seen = watermark.first_seen_at if watermark else None
        return New(
            booking=announcement.booking,
            same_id=announcement.key.same_id,
            unit=announcement.key.logical_address,
            details=announcement.state,
            first_seen_at=min(seen or announcement.received_at, announcement.received_at),
            request=announcement.notification_id,
            announcement=announcement,
            stands_as=heir.booking,
        )

    def _new_members(self) -> Iterator[New]:
        """Created in the same request, and not judged yet."""
        for member in self.fetched.same_request:
            booking = member.booking
            is_awaited = self._request_may_still_come and not self._is_judged(booking)
            if not member.deleted and is_awaited:
                yield New(
                    booking=booking.digest,
                    same_id=booking.same_id,
                    unit=booking.logical_address,
                    details=None,
                    first_seen_at=self.fetched.received_at,
                    request=self.fetched.notification_id,
                )

    # --- how long they matter ---

    def _is_judged(self, member: BookingKey) -> bool:
        judged = self.history.watermark(member.digest)
        return judged is not None and judged.received_at >= self.fetched.received_at

    def _is_removal_judged(self, member: BookingKey) -> bool:
        """A creation that ingest took after the removal may be the earlier of the two: what the
        source says shows that once it has had time for both."""
        judged, patience = self.history.watermark(member.digest), self.limits.patience
        if judged is None or judged.gone or judged.awaiting:
            return self._is_judged(member)
        is_shortly_after = _NO_TIME < judged.received_at - self.fetched.received_at < patience
        is_shown = judged.fetched_at >= judged.received_at + patience
        return is_shown if is_shortly_after else self._is_judged(member)

    @property
    def _request_may_still_come(self) -> bool:
        own = self._before
        return self._may_still_come(own.awaiting_since if own else None)

    def _may_still_come(self, awaited_since: datetime | None) -> bool:
        return awaited_since is None or self.now <= awaited_since + self.limits.longest_wait


def _units(watermarks: Iterable[Watermark]) -> frozenset[str]:
    return frozenset(hsa_key(each.unit) for each in watermarks if each.unit)


def _removed(
    watermark: Watermark, announcement: Announcement, due: datetime, *, is_choice_only: bool
) -> Removed:
    return Removed(
        booking=watermark.booking,
        same_id=watermark.same_id,
        announcement=announcement,
        removed_at=watermark.received_at,
        requests=frozenset({watermark.notification_id}),
        first_seen_at=watermark.first_seen_at,
        is_gone=watermark.gone,
        due=due,
        is_choice_only=is_choice_only,
        unpaired=watermark.unpaired,
    )


def _held(watermark: Watermark) -> New:
    details = watermark.held
    return New(
        booking=watermark.booking,
        same_id=watermark.same_id,
        unit=details.unit if details else "",
        details=details,
        first_seen_at=watermark.first_seen_at or watermark.received_at,
        request=watermark.notification_id,
    )
