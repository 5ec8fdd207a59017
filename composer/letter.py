"""A decided message: its words, its calendar entry, and its place among those told before."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from composer.calendar_file import Entry, calendar_file
from composer.decision import Tell
from composer.history import History
from shared.booking.inbox import InboxMessage, MessageKind
from shared.booking.messages import BookingDetails, FetchedBooking


@dataclass(frozen=True, slots=True)
class Letter:
    """What a patient reads. `html` is a fragment, to be put under a heading with the subject."""

    subject: str
    text: str
    html: str


class Writer(Protocol):
    """Finds the words."""

    def letter(
        self, kind: MessageKind, details: BookingDetails, previous: BookingDetails | None = None
    ) -> Letter:
        """The message of `kind` about `details`, which were `previous` until now."""


def compose(
    tell: Tell,
    fetched: FetchedBooking,
    history: History,
    writer: Writer,
    message_id: str,
    now: datetime,
) -> InboxMessage:
    """The message, with its place in the chain of messages about this visit."""
    earlier = history.latest(tell.booking.digest)
    chain = [told for told in (earlier, tell.previous) if told]
    revision = 1 + max((told.revision for told in chain), default=0)
    uid = chain[0].calendar_uid if chain else f"{message_id}@budkavle"
    previous = tell.previous.state if tell.previous else None
    letter = writer.letter(tell.kind, tell.details, previous)
    return InboxMessage(
        id=message_id,
        key=tell.booking,
        revision=revision,
        kind=tell.kind,
        state=tell.details,
        calendar_uid=uid,
        received_at=fetched.received_at,
        fetched_at=fetched.fetched_at,
        created_at=now,
        notification_id=fetched.notification_id,
        change_id=fetched.change_id,
        subject=letter.subject,
        body_text=letter.text,
        body_html=letter.html,
        calendar=calendar_of(tell, uid, revision, now),
    )


def calendar_of(tell: Tell, uid: str, revision: int, now: datetime) -> str | None:
    """The entry of the visit; and what became of the previous one, if it has an entry to mend."""
    is_cancelled = tell.kind is MessageKind.CANCELLATION
    entries = []
    if tell.details.starts:
        entries.append(Entry(uid, revision, tell.details, cancelled=is_cancelled))
    old = tell.previous
    if old and old.state.starts and (old.calendar_uid != uid or not tell.details.starts):
        entries.append(Entry(old.calendar_uid, revision, old.state, cancelled=True))
    return calendar_file(entries, now) if entries else None
