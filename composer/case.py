"""What is judged, and the forms of a judgement, each with the watermarks that it changes."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from composer.candidates import Candidates, Limits, still_matters
from composer.history import History
from composer.noticeable import changed_aspects
from composer.other_numbers import OtherNumbers
from composer.patience import (
    is_after_removal,
    is_doubtful,
    is_early,
    may_be_an_earlier_state,
    may_be_the_later,
    newest_may_be_of_this_state,
    next_look,
)
from composer.replacement import Found
from composer.verdict import (
    Announce,
    CarryOver,
    Judgement,
    Question,
    Reason,
    kind_of_change,
    kind_of_new,
)
from composer.watermarks import Watermarks, awaited_since, replaced_watermark
from shared.booking.identity import BookingKey
from shared.booking.inbox import Announcement, Awaiting, MessageKind, Watermark
from shared.booking.messages import BookingDetails, FetchedBooking

_NO_TIME = timedelta(0)


@dataclass(frozen=True)
class Case:
    """One fetched state, before all that is known of its patient's bookings.

    `lags`: whether the source was seen lately to show a change later than the index knew of it.
    """

    fetched: FetchedBooking
    history: History
    now: datetime
    limits: Limits
    lags: bool

    @property
    def booking(self) -> str:
        return self.fetched.booking.digest

    @cached_property
    def before(self) -> Watermark | None:
        return self.history.watermark(self.booking)

    @cached_property
    def standing(self) -> Announcement | None:
        return self.history.standing(self.booking)

    @property
    def got_back(self) -> Announcement | None:
        """What was announced before the booking got another person number, which it has no more."""
        successor = self.before.successor if self.before else None
        others = self.history.same_id_elsewhere
        if self.fetched.deleted or not any(each.booking == successor for each in others):
            return None
        latest = self.history.latest(self.booking)
        return latest if latest and latest.kind is not MessageKind.CANCELLATION else None

    @property
    def is_overtaken(self) -> bool:
        """A later notification of the booking was judged, or is awaited."""
        return self.before is not None and self.before.received_at > self.fetched.received_at

    @property
    def watermarks(self) -> Watermarks:
        return Watermarks(self.fetched, self.before, self.now)

    @property
    def awaits_removal(self) -> bool:
        return self.before is not None and self.before.awaiting is Awaiting.REMOVAL

    @property
    def candidates(self) -> Candidates:
        return Candidates(self.fetched, self.history, self.now, self.limits)

    @property
    def partner(self) -> Found:
        is_gone = self.fetched.details is None
        return self.candidates.replacements().found_for(self.booking, removed=is_gone)

    def as_new(self, details: BookingDetails) -> Announce:
        return Announce(self.fetched.booking, kind_of_new(details), details)

    def change(self, old: Announcement, booking: BookingKey, details: BookingDetails) -> Announce:
        if not still_matters(old, self.now):
            return Announce(booking, kind_of_new(details), details)
        aspects = changed_aspects(old.state, details)
        return Announce(booking, kind_of_change(old, details, aspects), details, old, aspects)

    # --- a removal that is not decided ---

    @cached_property
    def other_numbers(self) -> OtherNumbers:
        fetched = self.fetched
        own_id = (each.booking for each in fetched.same_request)
        units = {
            each.logical_address for each in own_id if each.booking_id == fetched.booking.booking_id
        }
        return OtherNumbers(
            self.history,
            fetched.booking,
            frozenset(units | {fetched.moved_to} - {""}),
            self.removed_at,
            self.limits.window,
        )

    @property
    def removed_at(self) -> datetime:
        before = self.before
        return before.received_at if before and self.awaits_removal else self.fetched.received_at

    @property
    def removal_awaited_since(self) -> datetime:
        return awaited_since(self.fetched, self.before, Awaiting.REMOVAL, self.now)

    @property
    def waited_too_long(self) -> bool:
        last = self.removal_awaited_since + self.limits.window + self.limits.longest_wait
        return self.now >= last

    @property
    def waited_for_the_other(self) -> bool:
        """Where nobody was told of this one there is little to wait for; and of two removals each
        might wait for the other."""
        if self.standing is not None:
            return self.waited_too_long
        return self.now >= self.removal_awaited_since + self.limits.window

    @property
    def is_answer_old(self) -> bool:
        """It was judged before, and waited since: the booking may be back, or gone. Of what is
        removed and created again within its window the index passes on the removal alone. What the
        source says later than the relay's window shows that already."""
        is_early = self.fetched.fetched_at < self.removed_at + self.limits.window
        return bool(is_early and self.before and self.fetched.fetched_at <= self.before.fetched_at)

    @property
    def comes_late(self) -> bool:
        """The relay was away when the window ended: what it took before is on its way, too."""
        late = self.now - self.removal_awaited_since - self.limits.window
        is_forgotten = self.now > self.removed_at + self.limits.longest_wait
        return late > self.limits.grace and not is_forgotten

    # --- a source that may be behind the index ---

    @property
    def is_doubtful(self) -> bool:
        return is_doubtful(self.fetched, self.before, self.limits.patience)

    @property
    def may_be_an_earlier_state(self) -> bool:
        return may_be_an_earlier_state(
            self.fetched, self.before, self.limits.patience, lags=self.lags
        )

    @property
    def newest_may_be_of_this_state(self) -> bool:
        latest = self.history.latest(self.booking)
        return newest_may_be_of_this_state(self.fetched, self.before, latest, self.limits.patience)

    @property
    def may_be_the_later(self) -> bool:
        return may_be_the_later(self.fetched, self.before, self.limits.patience)

    @property
    def may_be_removed_after_all(self) -> bool:
        """The creation after it, which is looked into now, knows of no removal before."""
        return self.after_removal and is_early(self.fetched, self.before, self.limits.patience)

    @property
    def may_be_overtaken_by_its_removal(self) -> bool:
        """At a source that lags. Where another number has or had it, more than the order of two
        requests is open."""
        has_other_number = bool(self.history.same_id_elsewhere)
        return self.lags and self.may_be_removed_after_all and not has_other_number

    @property
    def after_removal(self) -> bool:
        return is_after_removal(self.fetched, self.before, self.limits.patience)

    @property
    def is_removed_after_all(self) -> bool:
        """A creation whose booking was announced, and is gone as a removal said: one shortly before
        it, or in its own request. A system that is careless with letter case has two entries of one
        booking in the index, which sends the removal of one beside the creation of the other."""
        is_gone = self.fetched.details is None and not self.is_doubtful
        is_removed = self.after_removal or self._is_removed_in_its_request
        return is_gone and self.standing is not None and is_removed

    @property
    def _is_removed_in_its_request(self) -> bool:
        return self.fetched.corrected and not self.fetched.asked_other

    def look_again(self, *watermarks: Watermark) -> Judgement:
        delay = next_look(self.fetched, self.before, self.limits.patience) - self.now
        if delay > _NO_TIME:
            return Judgement(Reason.NOT_SHOWN_YET, wait=delay, watermarks=watermarks)
        return Judgement(Reason.NOT_SHOWN_YET, look_again=True, watermarks=watermarks)

    def ask_once_more(self, watermark: Watermark) -> Judgement:
        return Judgement(Reason.ASKED_ONCE_MORE, look_again=True, watermarks=(watermark,))

    def ask(self, question: Question, *watermarks: Watermark) -> Judgement:
        """Ask about another booking, and about this one once more, to be judged after it."""
        return Judgement(
            Reason.ASKED_ABOUT_OTHER, look_again=True, question=question, watermarks=watermarks
        )

    # --- the judgements, with the watermarks that they change ---

    def silent(self, reason: Reason) -> Judgement:
        return Judgement(reason, watermarks=(self.watermarks.decided(),))

    def silently_replaced(self, reason: Reason, successor: str) -> Judgement:
        return Judgement(reason, watermarks=(self.watermarks.replaced_by(successor),))

    @property
    def _is_to_be_seen_again(self) -> bool:
        """Whether the source may show another state soon than what is made known now."""
        return self.may_be_an_earlier_state or self.newest_may_be_of_this_state

    def announce(self, announce: Announce, replaced: Announcement | None = None) -> Judgement:
        return Judgement(
            announce.kind,
            announce=announce,
            look_again=self._is_to_be_seen_again,
            watermarks=self.after(announce.booking, replaced),
        )

    def announce_as_new(self, details: BookingDetails) -> Judgement:
        """Removals whose place it may have taken are decided by this, too: they are no longer."""
        announced = self.announce(self.as_new(details))
        rivals = self.candidates.unpaired_by(self.booking)
        return replace(announced, watermarks=(*announced.watermarks, *rivals))

    def carry_over(self, carried: CarryOver, replaced: Announcement) -> Judgement:
        return Judgement(
            Reason.CARRIED_OVER,
            carry_over=carried,
            look_again=self._is_to_be_seen_again,
            watermarks=self.after(carried.booking, replaced),
        )

    def after(self, announced: BookingKey, replaced: Announcement | None) -> tuple[Watermark, ...]:
        """The judged booking is the announced one, or the one whose place that took."""
        if replaced is not None and replaced.booking == self.booking:
            return (self.watermarks.replaced_by(announced.digest),)
        own = self.watermarks.stands()
        other = self.history.watermark(replaced.booking) if replaced else None
        return (own, replaced_watermark(other, announced.digest)) if other else (own,)

    def wait_for_pair(self, watermark: Watermark, delay: timedelta) -> Judgement:
        return Judgement(Reason.WAITING_FOR_PAIR, wait=delay, watermarks=(watermark,))
