"""Holds what stands against what must be."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.booking.identity import hsa_key
from shared.booking.notices import Channel, NoticeStatus
from shared.relay.broker import Envelope
from tests.chaos.ledger import Message, NoticeRow, PatientBookings
from tests.chaos.stories import Case
from tests.chaos.telling import Line, Telling

#: The stages that may find an engagement unreadable.
_JUDGES_OF_ENGAGEMENTS = ("ingest", "filter")
_BOOKING_ID = re.compile(rb"\bB\d+-\d+\b")
_SENT = frozenset({NoticeStatus.ACCEPTED, NoticeStatus.DELIVERED})


@dataclass(frozen=True, slots=True)
class Judged:
    """One case before its inbox. `expected` is the acceptable telling that the inbox is nearest to.

    `lost` lines of it are missing; `duplicated` and `false` lines are not of it, the former being
    repetitions. All zero: the inbox is that telling.
    """

    case: Case
    told: Telling
    expected: Telling
    lost: int
    duplicated: int
    false: int
    only: bool  # it is the only acceptable one

    @property
    def wrongs(self) -> int:
        return self.lost + self.duplicated + self.false


def judge(case: Case, steps: int, messages: Sequence[Message]) -> Judged:
    """`steps` of the case came to pass; `messages` lie in its patient's inbox, in their order."""
    messages = [message for message in messages if message.line.booking_id in case.bookings]
    told = tuple(message.line for message in messages)
    acceptable = case.tellings(steps)
    verdicts = (
        _compare(case, told, expected, messages, only=len(acceptable) == 1)
        for expected in acceptable
    )
    return min(verdicts, key=lambda one: (one.wrongs, one.false, one.duplicated))


def _compare(
    case: Case, told: Telling, expected: Telling, messages: Sequence[Message], *, only: bool
) -> Judged:
    missing = Counter(expected) - Counter(told)
    surplus = Counter(told) - Counter(expected)
    repeated = min(_repetitions(messages), surplus.total())
    out_of_order = not missing and not surplus and told != expected
    false = surplus.total() - repeated + out_of_order
    return Judged(case, told, expected, missing.total(), repeated, false, only)


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


def account_dead(letters: Iterable[Envelope], cases: Iterable[Case]) -> DeadAccount:
    """What explains a dead letter: a reply about another patient, or an unreadable engagement.

    All else passes and is retried.
    """
    account = DeadAccount()
    dying = {case.moments[0][0].booking.booking_id: case for case in cases if case.dies}
    found: set[str] = set()
    for letter in letters:
        bookings = _bookings_of(letter)
        found |= bookings
        if bookings and all(_explains(dying.get(one), letter) for one in bookings):
            account.explained[letter.dead_reason] += 1
        else:
            account.unexplained.append(_described(letter, bookings))
    account.missing = sorted(dying.keys() - found)
    return account


def _explains(case: Case | None, letter: Envelope) -> bool:
    if case is None:
        return False
    if case.mixed_up:
        return letter.dead_reason == "reply_mismatch"
    return letter.origin in _JUDGES_OF_ENGAGEMENTS and letter.dead_reason != "bug"


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
    """Messages about nothing that ever was."""
    known = {booking for case in cases for booking in case.bookings}
    for messages in told.values():
        yield from (message for message in messages if message.line.booking_id not in known)


def patient_bookings_of(case: Case) -> PatientBookings:
    return case.patient, hsa_key(case.source.hsa_id)
