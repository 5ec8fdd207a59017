"""How long an answer that contradicts the notification is doubted, and when the source is asked
again: booking systems tell the index of a change before their own store shows it.
"""

from datetime import datetime, timedelta

from shared.booking.inbox import Announcement, Awaiting, Watermark
from shared.booking.messages import FetchedBooking

#: The first look after this part of the patience, then each after three times as long as the one
#: before: with 120 s at 5, 15, 45 and 120 s.
_FIRST_LOOK = 24
_GROWTH = 3


def is_doubtful(fetched: FetchedBooking, before: Watermark | None, patience: timedelta) -> bool:
    """Whether the source may not show yet what it has announced.

    Where another notification of the booking came later, the looking again is left to that; and
    where only attributes of its key were corrected there is nothing to show, if the source has it.
    """
    is_overtaken = before is not None and before.received_at > fetched.received_at
    is_settled = fetched.corrected and (fetched.details is not None or fetched.asked_other)
    return is_early(fetched, before, patience) and not is_settled and not is_overtaken


def may_be_an_earlier_state(
    fetched: FetchedBooking, before: Watermark | None, patience: timedelta, *, lags: bool
) -> bool:
    """Whether what the source shows may be of an earlier notification than this one: another came
    shortly before it, or created what it shows now for the first time; or the source showed nothing
    of this one at first, or `lags`: the index sends one notification of what is created and changed
    within its window. Then its own change may still be to come."""
    if fetched.deleted or not is_doubtful(fetched, before, patience):
        return False
    if fetched.looks or lags:
        return True  # the source is behind indeed
    if before is None:
        return False
    apart = fetched.received_at - before.received_at
    is_created = before.awaiting is Awaiting.CREATION
    follows = timedelta(0) < apart and (is_created or apart < patience)
    return follows or is_after_removal(fetched, before, patience)


def shows_late(fetched: FetchedBooking, before: Watermark | None, *, is_changed: bool) -> bool:
    """Whether the source shows what the notification says, and did not at an earlier look.
    `is_changed`: another time or text than what was announced."""
    is_gone = fetched.details is None
    is_as_said = is_gone is fetched.deleted
    is_other = bool(before and before.gone is not is_gone) or is_changed
    return fetched.looks > 0 and is_as_said and is_other


def newest_may_be_of_this_state(
    fetched: FetchedBooking,
    before: Watermark | None,
    latest: Announcement | None,
    patience: timedelta,
) -> bool:
    """Whether the state found for a later notification may be that of `fetched`, an earlier one:
    the later one was judged first, so nobody knew that there were two, and the source may not have
    shown its own change yet. `latest`: the newest message about the booking."""
    if before is None or before.gone or before.awaiting is Awaiting.REMOVAL:
        return False
    if latest is not None and latest.received_at < fetched.received_at:
        return False  # the later one has found nothing new, and is looked into
    return _is_shortly_before(fetched, before, patience)


def contradicts_a_removal(
    fetched: FetchedBooking, before: Watermark | None, patience: timedelta
) -> bool:
    """Whether an earlier notification finds the booking there, which was gone when the source was
    asked about a later one: the source may have shown neither of the two then, and not show the
    removal yet."""
    if before is None or not before.gone or before.awaiting is Awaiting.CREATION:
        return False
    is_earlier = fetched.received_at < before.received_at
    return is_earlier and is_early(fetched, before, patience)


def may_be_the_later(
    fetched: FetchedBooking, before: Watermark | None, patience: timedelta
) -> bool:
    """Whether ingest took the opposite of `fetched` shortly after it: of two requests at once it
    may take the later one first. Which it was shows once the source has had time to show both."""
    if before is None or _is_removal(before) is fetched.deleted:
        return False
    return _is_shortly_before(fetched, before, patience)


def _is_shortly_before(fetched: FetchedBooking, before: Watermark, patience: timedelta) -> bool:
    """Whether ingest took the newest notification shortly after `fetched`, for which the source was
    asked when it need not have shown that one yet."""
    apart = before.received_at - fetched.received_at
    return timedelta(0) < apart < patience and is_early(fetched, before, patience)


def is_after_removal(
    fetched: FetchedBooking, before: Watermark | None, patience: timedelta
) -> bool:
    """Whether `fetched` is a creation, and ingest took a removal shortly before it, perhaps the two
    in the wrong order."""
    if fetched.deleted or before is None or before.removed_at is None:
        return False
    return timedelta(0) <= fetched.received_at - before.removed_at < patience


def _is_removal(before: Watermark) -> bool:
    """Whether the newest that is known of a booking is its removal."""
    is_created = before.awaiting is Awaiting.CREATION
    return before.awaiting is Awaiting.REMOVAL or (before.gone and not is_created)


def is_early(fetched: FetchedBooking, before: Watermark | None, patience: timedelta) -> bool:
    """Whether the source may show another state yet."""
    return fetched.fetched_at < _newest(fetched, before) + patience


def next_look(fetched: FetchedBooking, before: Watermark | None, patience: timedelta) -> datetime:
    """When to ask after `fetched`; the last look is at the end of the patience, which counts from
    the newest notification."""
    newest = _newest(fetched, before)
    age = max(fetched.fetched_at - newest, timedelta(0))
    later = fetched.fetched_at + max(patience / _FIRST_LOOK, age * (_GROWTH - 1))
    return min(later, newest + patience)


def _newest(fetched: FetchedBooking, before: Watermark | None) -> datetime:
    """When ingest took the newest notification of the booking."""
    return max(fetched.received_at, before.received_at) if before else fetched.received_at
