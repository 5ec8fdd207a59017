"""Holds what stands against what must be."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from shared.booking.notices import Channel, NoticeStatus
from shared.relay.broker import Envelope
from tests.chaos.cases import Case, is_of
from tests.chaos.ledger import Message, NoticeRow, PatientBookings
from tests.chaos.rebooking import Takings, entry
from tests.chaos.telling import (
    Booking,
    Line,
    Moment,
    Telling,
    Way,
    Ways,
    tellings,
    third_for_either,
)

#: The stages that may find an engagement unreadable.
_JUDGES_OF_ENGAGEMENTS = ("ingest", "filter")
_BOOKING_ID = re.compile(rb"\bB\d+-\d+\b")
#: Where no index keeps a journal.
NOT_TAKEN = Takings(0)
#: After a deactivation a stage may use what it knew of the register, and begin to write, this long.
_DEACTIVATION_TAKES = timedelta(seconds=6)
#: Bookings of the longest chain in haste.
_OF_A_CHAIN = 3
_SENT = frozenset({NoticeStatus.ACCEPTED, NoticeStatus.DELIVERED})


@dataclass(frozen=True, slots=True)
class Judged:
    """One case before its inbox. `expected` is the acceptable telling that the inbox is nearest to.

    `lost` lines of it are missing. Of those that are not of it, `duplicated` are repetitions,
    `second` are a message too many about one rebooking, and the others are `false`. All zero: the
    inbox is that telling.
    """

    case: Case
    told: Telling
    expected: Telling
    lost: int
    lost_cancellations: int  # of those that are lost
    duplicated: int
    second: int
    false: int
    only: bool  # it is the only acceptable one
    is_begun: bool = True

    @property
    def wrongs(self) -> int:
        return self.lost + self.duplicated + self.second + self.false


def judge(
    case: Case, steps: int, messages: Sequence[Message], takings: Takings = NOT_TAKEN
) -> Judged:
    """`steps` of the case came to pass; `messages` lie in its patient's inbox, in their order."""
    messages = [message for message in messages if message.line.booking_id in case.bookings]
    told = tuple(message.line for message in messages)
    acceptable = _acceptable(case, steps, takings)
    if case.lags and takings.only_removed(case.patient, case.first_booking):
        acceptable |= {()}
    verdicts = (
        _compare(case, told, expected, messages, only=len(acceptable) == 1)
        for expected in acceptable
    )
    best = min(verdicts, key=lambda one: (one.wrongs, one.false, one.second, one.duplicated))
    return replace(best, is_begun=steps > 0)


def _acceptable(case: Case, steps: int, takings: Takings) -> frozenset[Telling]:
    ways = partial(takings.ways, case.patient)
    is_chain = case.is_in_haste and not case.silent and steps > 0
    return _of_chain(case, steps, ways) if is_chain else case.tellings(steps, ways)


def _of_chain(case: Case, steps: int, ways: Ways) -> frozenset[Telling]:
    """Two visits of a kind that are both announced and then both removed leave it open in whose
    place a third one is: then each is announced by itself, unless the halves of one came in one
    request."""
    visits = _distinct(case.moments[steps - 1])
    is_of_three = len(visits) == _OF_A_CHAIN
    told = frozenset(_without_the_second(visits, ways) if is_of_three else ())
    if not _stood_side_by_side(case, ways):
        return told | case.tellings(steps, ways)
    told |= frozenset(third_for_either(visits) if is_of_three else ())
    return told | case.tellings(steps, partial(_or_each_by_itself, ways))


def _stood_side_by_side(case: Case, ways: Ways) -> bool:
    first, second, *_ = _distinct(case.moments[-1])
    is_open_call = not (first.state and first.state.starts)
    between = ways(first.booking, second.booking, is_open_call=is_open_call)
    return Way.NEW_THEN_CANCELLED in between


def _without_the_second(visits: Sequence[Moment], ways: Ways) -> frozenset[Telling]:
    """Where the third is the first booking once more and nobody saw the second: that booking was
    removed and created again, perhaps further apart than the window."""
    first, _, third = visits
    if first.booking != third.booking:
        return frozenset()
    gone = Moment(first.booking, None, undone=True)
    return tellings((first, gone, replace(third, seen_for_sure=True)), ways)


def _distinct(moments: Sequence[Moment]) -> list[Moment]:
    """One of each visit, in the order of their coming."""
    return list({(one.booking, one.state): one for one in moments if one.state}.values())


def _or_each_by_itself(
    ways: Ways, old: Booking, new: Booking, *, is_open_call: bool
) -> frozenset[Way]:
    by_itself = {Way.CANCELLED_THEN_NEW, Way.NEW_THEN_CANCELLED}
    return ways(old, new, is_open_call=is_open_call) | by_itself


def _compare(
    case: Case, told: Telling, expected: Telling, messages: Sequence[Message], *, only: bool
) -> Judged:
    missing = Counter(expected) - Counter(told)
    surplus = Counter(told) - Counter(expected)
    repeated = min(_repetitions(messages), surplus.total())
    too_many = max(0, len(told) - len(expected) - repeated) if case.is_rebooked else 0
    in_order = _by_booking if case.is_in_haste else tuple[Line, ...]
    out_of_order = not missing and not surplus and in_order(told) != in_order(expected)
    return Judged(
        case,
        told,
        expected,
        lost=missing.total(),
        lost_cancellations=sum(n for line, n in missing.items() if line.kind == "cancellation"),
        duplicated=repeated,
        second=too_many,
        false=surplus.total() - repeated - too_many + out_of_order,
        only=only,
    )


def _by_booking(told: Telling) -> Telling:
    """In order for each booking."""
    return tuple(sorted(told, key=lambda line: line.booking_id))


def _repetitions(messages: Sequence[Message]) -> int:
    """Messages that say of a booking what the one before says, or that follow from one change."""
    latest: dict[str, Line] = {}
    changes: set[str] = set()
    number = 0
    for message in messages:
        line = message.line
        number += latest.get(line.booking_id) == line or message.change_id in changes
        latest[line.booking_id] = line
        changes.add(message.change_id)
    return number


@dataclass
class NoticeAccount:
    """What became of the notices that were due. `missing` names those that were not sent."""

    due: int = 0
    sent: int = 0
    uncertain: int = 0
    uncertain_received: int = 0  # those of them that did reach somebody
    twice: int = 0
    missing: list[str] = field(default_factory=list)


def account_notices(
    messages: Iterable[Message],
    choices: Mapping[str, Sequence[Channel]],
    rows: Iterable[NoticeRow],
    caught: Counter[str],
) -> NoticeAccount:
    """Each message, one notice on each channel its patient chose. `caught`: by the notice's id.

    Notices of one claim went out as one, in the name of one of them.
    """
    standing = {(row.message_id, row.channel): row for row in rows}
    account = NoticeAccount(twice=sum(times - 1 for times in caught.values() if times > 1))
    claims = {row.id: row.claim_id or row.id for row in standing.values()}
    account.twice += sum(1 for notice_id in caught if notice_id not in claims)
    received = Counter(claims[notice_id] for notice_id in caught if notice_id in claims)
    account.twice += sum(times - 1 for times in received.values() if times > 1)
    for message in messages:
        for channel in choices.get(message.patient_bookings[0], ()):
            _account_one(account, message, channel, standing.get((message.id, channel)), received)
    return account


def _account_one(
    account: NoticeAccount,
    message: Message,
    channel: Channel,
    row: NoticeRow | None,
    received: Counter[str],
) -> None:
    account.due += 1
    status = row.status if row else None
    got = received[row.claim_id or row.id] if row else 0
    if row and status is NoticeStatus.UNCERTAIN:
        account.uncertain += 1
        account.uncertain_received += got
    elif row and status in _SENT and got:
        account.sent += 1
    else:
        account.missing.append(f"{channel} about message {message.id}: {status}")


@dataclass
class DeadAccount:
    """`missing` names bookings whose changes had to end there and did not."""

    explained: Counter[str] = field(default_factory=Counter)  # by reason
    unexplained: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def account_dead(
    letters: Iterable[Envelope], cases: Sequence[Case], takings: Takings = NOT_TAKEN
) -> DeadAccount:
    """What explains a dead letter: a reply about another patient, or an unreadable engagement.

    All else passes and is retried. A new person number explains one only where its two requests
    were taken further apart than the relay looks for the other.
    """
    account = DeadAccount()
    unreadable = {case.first_booking.booking_id for case in cases if case.unreadable}
    mixed_up = {case.first_booking.booking_id for case in cases if case.mixed_up}
    may_die = {
        case.first_booking.booking_id
        for case in cases
        if case.mended or _may_seem_mixed_up(case, takings)
    }
    ending = {case.first_booking.booking_id for case in cases if case.source.deactivates_at}
    found: set[str] = set()
    for letter in letters:
        bookings = _bookings_of(letter)
        found |= bookings
        if bookings and bookings <= _explained_by(letter, unreadable, mixed_up | may_die):
            account.explained[letter.dead_reason] += 1
        else:
            account.unexplained.append(_described(letter, bookings))
    account.missing = sorted((unreadable | mixed_up) - found - ending)
    return account


def _may_seem_mixed_up(case: Case, takings: Takings) -> bool:
    """Whether a new person number may have come too late to explain the answers, or never: the
    index merged its creation into a removal."""
    booking = case.first_booking
    removed = takings.removed.get(entry(case.former_number, booking))
    created = takings.created.get(entry(case.patient, booking))
    if removed is None or not case.former_number:
        return False
    return created is None or takings.may_be_far(removed, created)


def _explained_by(letter: Envelope, unreadable: set[str], mixed_up: set[str]) -> set[str]:
    """The bookings of which `letter` may be."""
    if letter.dead_reason == "reply_mismatch":
        return mixed_up
    may_judge = letter.origin in _JUDGES_OF_ENGAGEMENTS and letter.dead_reason != "bug"
    return unreadable if may_judge else set()


def _bookings_of(letter: Envelope) -> set[str]:
    """The booking of a message between stages; of what no stage could read, all that it names."""
    try:
        return {str(json.loads(letter.body)["booking"]["booking_id"])}
    except (ValueError, KeyError, TypeError):
        return {found.decode() for found in _BOOKING_ID.findall(letter.body)}


def _described(letter: Envelope, bookings: set[str]) -> str:
    last = f"{letter.history[-1].error}: {letter.history[-1].text}" if letter.history else ""
    return f"{letter.origin} {letter.dead_reason} {letter.message_id} {sorted(bookings)} {last}"


def strangers(
    told: Mapping[PatientBookings, Sequence[Message]], cases: Iterable[Case]
) -> Iterator[Message]:
    """Messages about nothing that ever was, or to somebody else than its patient."""
    known = {(*is_of(case), booking) for case in cases for booking in case.bookings}
    for messages in told.values():
        yield from (
            message
            for message in messages
            if (*message.patient_bookings, message.line.booking_id) not in known
        )


def after_deactivation(
    told: Mapping[PatientBookings, Sequence[Message]], deactivated: Mapping[str, datetime]
) -> Iterator[Message]:
    """Messages of a booking system that was `deactivated` by then; of which and when."""
    for (_, source), messages in told.items():
        if since := deactivated.get(source):
            yield from (one for one in messages if one.created_at > since + _DEACTIVATION_TAKES)
