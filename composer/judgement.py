"""What happened to a booking, and all that follows from it: one pure function, `judge`.

It rests on what the booking system said when it was asked, and on what was announced to the patient
before. The notification's own word, created or removed, decides how long an answer that contradicts
it is doubted, and what may be said of a booking that is gone: never "cancelled" without a removal,
and never on a removal alone (docs/domain.md, "Rules of removal and replacement").

```
judged before, and announced ──────────────────────────────► its order once more
source deactivated ────────────────────────────────────────► silent
a newer state was judged, or a later removal is open ──────► silent
gone ── created, not there yet ────────────────────────────► look again; in the end silent,
     │                                                       or as removed, if it was shortly before
     │                                                       or in the same request
     └─ removed ── created under another person number ────► silent
                ├─ not standing, or passed ────────────────► silent
                ├─ another booking took its place ─────────► announced as changed
                ├─ that, or the booking, may still come ───► wait
                ├─ an open call, and a booking followed ───► silent
                ├─ judged before, and waited since ────────► ask once more
                └─ else ───────────────────────────────────► announced as cancelled
there ── no time to announce, or passed ───────────────────► silent
      ├─ removed, or nothing to notice in a change ────────► look again; in the end believed
      ├─ standing, or its number came back ── unchanged ───► silent
      │                                    └─ else ────────► announced as changed
      └─ else ── another one has the same id ──────────────► ask about that one, and wait
              ├─ it took a removed one's place ────────────► announced as changed
              ├─ that is not known yet ────────────────────► wait
              ├─ removed shortly before, and the source lags ► look again; in the end believed
              ├─ judged before, and waited since ──────────► ask once more
              └─ else ─────────────────────────────────────► announced as new
```
"""

from dataclasses import replace
from datetime import datetime, timedelta

from composer.candidates import Limits, still_matters
from composer.case import Case
from composer.history import History, is_ahead, soon
from composer.noticeable import changed_aspects, says_less_alone
from composer.patience import contradicts_a_removal
from composer.replacement import Found, New, Pair, Removed, Undecided
from composer.verdict import Announce, CarryOver, Judgement, Question, Reason
from shared.booking.identity import BookingKey, same_hsa_id
from shared.booking.inbox import Announcement, Awaiting, MessageKind
from shared.booking.messages import BookingDetails, FetchedBooking

_NO_TIME = timedelta(0)


def judge(
    fetched: FetchedBooking,
    history: History,
    now: datetime,
    limits: Limits,
    *,
    activated: bool,
    lags: bool,
) -> Judgement:
    """What follows from `fetched`, with all that is known in `history`.

    Times of `fetched.details` are wall times or ""; ValueError otherwise. `activated`: whether the
    source still is. `lags`: whether it was seen lately to show a change later than the index knew.
    """
    case = _Judging(fetched, history, now, limits, lags)
    if before := case.announced_before:
        # The look that was to follow may have been lost with what was not published.
        return Judgement(
            Reason.ANNOUNCED_BEFORE, announced_before=before, look_again=case.is_doubtful
        )
    if not activated:
        return Judgement(Reason.SOURCE_NOT_ACTIVATED)
    if case.is_stale:
        return case.stale()
    if case.is_removed_after_all:
        return case.as_removal().removed()
    if fetched.details is None and fetched.deleted and (renumbered := case.renumbered()):
        return renumbered
    if fetched.details is None:
        return case.removed() if fetched.deleted else case.created_but_not_there()
    return case.there(fetched.details)


class _Judging(Case):
    """How it is judged."""

    # --- handed out again, not answered yet, or too late ---

    @property
    def announced_before(self) -> Announcement | None:
        change = self.fetched.change_id
        of_change = [each for each in self.history.announcements if each.change_id == change]
        since = [each for each in of_change if each.fetched_at >= self.fetched.fetched_at]
        return min(since, key=lambda each: each.fetched_at, default=None)

    @property
    def is_stale(self) -> bool:
        """A newer state was judged. That a booking is gone stays true until it is seen again."""
        before = self.before
        if before is None:
            return False
        if self.is_overtaken and self.awaits_removal:
            return True  # what became of it, the later removal will show
        if self.fetched.fetched_at >= before.fetched_at:
            return False
        return not (before.gone and self.fetched.details is None)

    def stale(self) -> Judgement:
        """Unless nobody else will look any more: then its own answer may have been too early."""
        before = self.before
        assert before is not None  # noqa: S101 - it has a newer state
        is_newest = before.received_at < self.fetched.received_at
        is_same = before.received_at == self.fetched.received_at
        deleted = self.fetched.deleted
        is_open = self.awaits_removal if deleted else self.is_doubtful
        is_decided = before.gone and before.awaiting is None
        is_unsaid = deleted and is_decided and self.standing is not None
        if (is_newest and (is_open or deleted)) or (is_same and is_open) or is_unsaid:
            return Judgement(Reason.NOT_SHOWN_YET, look_again=True)
        may_be_newer = self.newest_may_be_of_this_state or self.may_be_the_later
        if may_be_newer or self.may_be_removed_after_all:
            return self.look_again()
        return Judgement(Reason.STALE, watermarks=(self.watermarks.stale(before),))

    # --- the source does not have it ---

    def created_but_not_there(self) -> Judgement:
        if self.awaits_removal:
            # An old creation, sent once more: its removal is still open.
            assert self.before is not None  # noqa: S101 - so it awaits a removal
            watermark = replace(self.before, fetched_at=self.fetched.fetched_at, gone=True)
            if self.is_doubtful or self.may_be_the_later:
                return self.look_again(watermark)
            return Judgement(Reason.GONE_AT_SOURCE, watermarks=(watermark,))
        if self.is_doubtful:
            return self.look_again(self.watermarks.awaiting(Awaiting.CREATION))
        if self.may_be_the_later:
            return self.look_again()
        is_explained = self.is_overtaken or self._is_known_elsewhere
        if self.fetched.of_another_patient and not is_explained:
            return replace(self.silent(Reason.REPLY_MISMATCH), is_dead=True)
        return self.silent(Reason.GONE_AT_SOURCE)

    @property
    def _is_known_elsewhere(self) -> bool:
        """Under another number: for a creation under the new number, one that got it since."""
        others = self.other_numbers
        since = self.fetched.received_at
        return others.has_since(since) if self.fetched.renumbered else bool(others.here)

    def as_removal(self) -> "_Judging":
        return replace(self, fetched=self.fetched.model_copy(update={"deleted": True}))

    def removed(self) -> Judgement:
        if self.standing is None:
            return self._removed_and_unknown()
        if not still_matters(self.standing, self.now):
            return self.silent(Reason.TIME_PASSED)
        if self._just_found_moved:
            moved = self.fetched.booking.replaced(logical_address=self.fetched.moved_to)
            return self.ask(
                Question(moved, deleted=False), self.watermarks.awaiting(Awaiting.REMOVAL)
            )
        partner = self.partner
        if isinstance(partner, Pair) and (successor := self._announced_successor(partner)):
            return self._taken_over(self.standing, partner, successor)
        delay = self._until_decided(partner)
        if delay > _NO_TIME:
            return self.wait_for_pair(self.watermarks.awaiting(Awaiting.REMOVAL), delay)
        if self.comes_late:
            return self._wait_a_little_more()
        return self._removed_for_good(self.standing)

    def _removed_and_unknown(self) -> Judgement:
        if self.history.was_replaced(self.booking):
            return self.silent(Reason.PAIRED)
        if self.fetched.of_another_patient:
            return self._of_another_patient()
        known = self.history.latest(self.booking)
        return self.silent(Reason.ALREADY_CANCELLED if known else Reason.UNKNOWN_BOOKING)

    @property
    def _just_found_moved(self) -> bool:
        """The source has it at another unit, of which the index has said nothing."""
        unit = self.fetched.moved_to
        if not unit or self.fetched.asked_other:
            return False
        others = (member.booking for member in self.fetched.same_request if not member.deleted)
        own_id = self.fetched.booking.booking_id
        return not any(
            other.booking_id == own_id and same_hsa_id(other.logical_address, unit)
            for other in others
        )

    def _announced_successor(self, partner: Pair) -> Announcement | None:
        """What the patient was told of already, as new, and took this one's place; or what took
        the place of that one since."""
        if partner.new.announcement is None:
            return None
        heir = self.history.heir(partner.new.booking)
        watermark = self.history.watermark(heir.booking) if heir else None
        is_open = watermark is not None and watermark.awaiting is not None
        return None if is_open else heir

    def _taken_over(
        self, standing: Announcement, partner: Pair, successor: Announcement
    ) -> Judgement:
        """Where `successor` was announced as the end of another change, it is not announced as the
        end of this one, too: what remains is that this one is gone."""
        if successor.starts and not standing.starts:
            return self.silently_replaced(Reason.CALL_ANSWERED, successor.booking)
        is_end_of_another = successor.booking != partner.new.booking
        change = self.change(standing, successor.key, successor.state)
        if is_end_of_another and _says_something(standing, change):
            return self._removed_for_good(standing, instead=successor)
        return self._replaced(standing, successor.key, successor.state)

    def _until_decided(self, partner: Found) -> timedelta:
        """How long the removal is still open; a held booking that replaces it is judged first."""
        rest = self.removal_awaited_since + self.limits.window - self.now
        if self.waited_too_long:
            return rest
        again = soon(self.limits.window)
        if partner is None:
            is_open = self.candidates.is_created_again(self.booking) or self._is_question_open
            return max(rest, again) if is_open else rest
        return partner.delay if isinstance(partner, Undecided) else again

    @property
    def _is_question_open(self) -> bool:
        """The source was asked about the unit to which it says that the booking moved, and what it
        answered is not judged yet."""
        if not self.fetched.moved_to or not self.fetched.asked_other:
            return False
        moved = self.fetched.booking.replaced(logical_address=self.fetched.moved_to)
        answer = self.history.watermark(moved.digest)
        return answer is None or answer.received_at < self.fetched.received_at

    def _wait_a_little_more(self) -> Judgement:
        grace = self.limits.grace
        since = self.now - self.limits.window + grace
        watermark = replace(self.watermarks.awaiting(Awaiting.REMOVAL), awaiting_since=since)
        return self.wait_for_pair(watermark, grace)

    def _removed_for_good(
        self, standing: Announcement, instead: Announcement | None = None
    ) -> Judgement:
        if renumbered := self._renumbered_since():
            return renumbered
        if self.fetched.of_another_patient and not self.other_numbers.named:
            return self._of_another_patient()
        own = self.candidates.own_removal()
        assert own is not None  # noqa: S101 - it stands, and was removed
        followed_by = self.candidates.booking_after(own) if own.is_open_call else None
        if followed_by:
            return self.silently_replaced(Reason.CALL_ANSWERED, followed_by)
        if self.is_answer_old:
            return self.ask_once_more(self.watermarks.awaiting(Awaiting.REMOVAL))
        return self._cancelled(standing, own, instead)

    def _cancelled(
        self, standing: Announcement, own: Removed, instead: Announcement | None
    ) -> Judgement:
        booked = self.candidates.replacements().booked_instead(own)
        to_come = [new for new in booked if self._is_to_come(new)]
        announced = (self.history.standing(new.booking) for new in to_come)
        stands = [
            each for each in (*announced, instead) if each and is_ahead(each.starts, self.now)
        ]
        cancelled = Announce(
            standing.key,
            MessageKind.CANCELLATION,
            standing.state,
            standing,
            has_new_time=bool(to_come or instead),
            still_booked=tuple(each.state for each in stands),
        )
        return self.announce(cancelled)

    def _is_to_come(self, new: New) -> bool:
        watermark = self.history.watermark(new.booking)
        is_removal_open = watermark is not None and watermark.awaiting is Awaiting.REMOVAL
        has_begun = new.details is None or not is_ahead(new.details.starts, self.now)
        return not is_removal_open and not has_begun

    def renumbered(self) -> Judgement | None:
        """One visit under two numbers: it stands under the other one, whatever the source says.

        None if it was removed there, too, before it was announced.
        """
        if self.fetched.renumbered is None:
            return None
        successor = self.fetched.booking.replaced(patient=self.fetched.renumbered).digest
        if self.before and self.before.successor == successor:
            return None  # handed out again
        if judgement := self._renumbered_since():
            return judgement
        removed = self.other_numbers.removed_since(successor)
        if removed is None:
            return self.silently_replaced(Reason.RENUMBERED, successor)
        is_open = removed.awaiting is not None and not self.waited_for_the_other
        return self._wait_for_another() if is_open else None

    def _renumbered_since(self) -> Judgement | None:
        """None if it did not get another person number about when it was removed."""
        others = self.other_numbers
        if other := others.announced:
            return self.silently_replaced(Reason.RENUMBERED, other.booking)
        if others.unanswered or (others.awaited and not self.waited_too_long):
            return self._wait_for_another()
        return None

    def _wait_for_another(self) -> Judgement:
        awaiting = self.watermarks.awaiting(Awaiting.REMOVAL)
        window = self.limits.window
        is_old = self.now > self.fetched.received_at + self.limits.longest_wait
        return self.wait_for_pair(awaiting, window if is_old else soon(window))

    def _of_another_patient(self) -> Judgement:
        """Until it is clear that no other person number got the booking, it may be no mistake."""
        if renumbered := self._renumbered_since():
            return renumbered
        delay = self.removal_awaited_since + self.limits.window - self.now
        if delay > _NO_TIME:
            return self.wait_for_pair(self.watermarks.awaiting(Awaiting.REMOVAL), delay)
        if self.comes_late:
            return self._wait_a_little_more()
        if self.other_numbers.named:
            return self.silent(Reason.UNKNOWN_BOOKING)
        if self.is_doubtful:
            return self.look_again(self.watermarks.awaiting(Awaiting.REMOVAL))
        return replace(self.silent(Reason.REPLY_MISMATCH), is_dead=True)

    # --- the source has it ---

    def there(self, details: BookingDetails) -> Judgement:
        if not details.starts and not details.is_call_letter:
            return self.silent(Reason.NO_TIME)
        if details.starts and not is_ahead(details.starts, self.now):
            return self.silent(Reason.TIME_PASSED)
        if self.fetched.deleted and self.is_doubtful:
            return self.look_again(self.watermarks.awaiting(Awaiting.REMOVAL))
        if self.standing and self.may_be_the_later:
            return self.look_again(self.watermarks.decided())
        if contradicts_a_removal(self.fetched, self.before, self.limits.patience):
            return self.look_again()
        standing = self.standing or self.got_back
        if standing is None:
            # Even by a removal: of a booking created, removed and created again within its window
            # the index sends the removal alone.
            return self._created(details)
        return self._standing_and_there(standing, details)

    def _standing_and_there(self, standing: Announcement, details: BookingDetails) -> Judgement:
        if changed_aspects(standing.state, details):
            return self.announce(self.change(standing, self.fetched.booking, details))
        if self.fetched.deleted:
            return self.silent(Reason.STILL_BOOKED)
        if self.is_doubtful or self.newest_may_be_of_this_state:
            return self.look_again(self.watermarks.stands())
        return Judgement(Reason.UNCHANGED, watermarks=(self.watermarks.stands(),))

    def _created(self, details: BookingDetails) -> Judgement:
        if other := self.candidates.unasked_with_same_id():
            standing, watermark = other
            return self.ask(
                Question(standing.key, deleted=True),
                self.watermarks.held_back(details),
                self.watermarks.since_now(watermark, Awaiting.REMOVAL),
            )
        partner = self.partner
        if isinstance(partner, Undecided):
            return self.wait_for_pair(self.watermarks.held_back(details), partner.delay)
        if isinstance(partner, Pair):
            old = partner.removed.announcement
            return self._replaced(old, self.fetched.booking, details)
        if self.may_be_overtaken_by_its_removal:
            return self.look_again(self.watermarks.awaiting(Awaiting.CREATION))
        if self.is_answer_old:
            return self.ask_once_more(self.watermarks.held_back(details))
        return self.announce_as_new(details)

    def _replaced(
        self, old: Announcement, booking: BookingKey, details: BookingDetails
    ) -> Judgement:
        """`booking` took the place of the one that `old` announced."""
        change = self.change(old, booking, details)
        if _says_something(old, change):
            return self.announce(change, replaced=old)
        if own := self.history.standing(booking.digest):
            return self.carry_over(CarryOver(own, booking, details), old)
        if self.history.latest(booking.digest):
            return self.announce(self.as_new(details), replaced=old)  # it was cancelled once
        return self.carry_over(CarryOver(old, booking, details), old)


def _says_something(old: Announcement, change: Announce) -> bool:
    return bool(change.aspects) and not says_less_alone(old.state, change.details, change.aspects)
