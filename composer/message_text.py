"""An announcement as its patient gets it: its words, its calendar entry, its place in the chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from composer.calendar_file import Entry, calendar_file
from composer.history import History
from composer.verdict import Announce
from shared.booking.inbox import InboxMessage, MessageKind
from shared.booking.messages import BookingDetails, FetchedBooking


@dataclass(frozen=True, slots=True)
class MessageText:
    """What a patient reads. `html` is a fragment, to be put under a heading with the subject."""

    subject: str
    text: str
    html: str


class Writer(Protocol):
    """Finds the words."""

    def render(
        self,
        kind: MessageKind,
        details: BookingDetails,
        previous: BookingDetails | None = None,
        *,
        has_new_time: bool = False,
        still_booked: Sequence[BookingDetails] = (),
    ) -> MessageText:
        """The message of `kind` about `details`, which were `previous` until now.

        Of a cancellation, `has_new_time`: the patient has just been given another time;
        `still_booked`: which was announced before, so that the message can say that it stands.
        """


def compose(
    announce: Announce,
    fetched: FetchedBooking,
    history: History,
    writer: Writer,
    message_id: str,
    now: datetime,
) -> InboxMessage:
    """The message, with its place in the chain of messages about this visit."""
    earlier = history.latest(announce.booking.digest)
    chain = [each for each in (earlier, announce.previous) if each]
    revision = 1 + max((each.revision for each in chain), default=0)
    # The entry of a visit that was replaced is that of what took its place.
    of_entry = [each for each in chain if not history.was_replaced(each.booking)]
    uid = of_entry[0].calendar_uid if of_entry else f"{message_id}@budkavle"
    previous = announce.previous.state if announce.previous else None
    text = writer.render(
        announce.kind,
        announce.details,
        previous,
        has_new_time=announce.has_new_time,
        still_booked=announce.still_booked,
    )
    return InboxMessage(
        id=message_id,
        key=announce.booking,
        revision=revision,
        kind=announce.kind,
        state=announce.details,
        calendar_uid=uid,
        received_at=fetched.received_at,
        fetched_at=fetched.fetched_at,
        created_at=now,
        notification_id=fetched.notification_id,
        change_id=fetched.change_id,
        subject=text.subject,
        body_text=text.text,
        body_html=text.html,
        calendar=calendar_of(announce, uid, revision, now),
    )


def calendar_of(announce: Announce, uid: str, revision: int, now: datetime) -> str | None:
    """The entry of the visit; and what became of the previous one, if it has an entry to mend."""
    is_cancelled = announce.kind is MessageKind.CANCELLATION
    entries = []
    if announce.details.starts:
        entries.append(Entry(uid, revision, announce.details, cancelled=is_cancelled))
    old = announce.previous
    if old and old.state.starts and (old.calendar_uid != uid or not announce.details.starts):
        entries.append(Entry(old.calendar_uid, revision, old.state, cancelled=True))
    return calendar_file(entries, now) if entries else None
