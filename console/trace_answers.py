"""What was announced of a change, or why nothing: the last line of `budkavle trace`.

Pure, for the command and for pages. `{until}` in a text is Swedish time.
"""

from dataclasses import dataclass
from enum import StrEnum

from console.output import shown
from shared.booking.notices import Notice, NoticeStatus
from shared.store.trace_changes import ChangeTrace
from shared.store.traces import TraceStep

_NOTIFIER = "notifier"

#: Why nothing was announced, by the reason of a drop or of what is done with.
SILENT = {
    # filter
    "other_domain": "The notification is of another service domain.",
    "not_activated": "The booking system was not activated in this environment.",
    "corrected": "The same request removed and created the booking: the creation went on.",
    "repeated": "The same request names the booking more than once: another one went on.",
    "nothing_ours": "Nothing in the request was ours.",
    # fetcher and composer
    "source_not_activated": "The booking system was deactivated before the change was handled.",
    "time_passed": "The visit had begun before it could be announced.",
    "announced_before": "The change was announced before; this was a repeated delivery.",
    "renumbered": "The booking stands under another person number.",
    "stale": "A newer state of the booking had been judged already.",
    "unchanged": "Nothing that the patient would notice had changed.",
    "still_booked": "Only the index removed it: the booking system still has the booking.",
    "unknown_booking": "It was removed, and the patient had never been told of it.",
    "already_cancelled": "The patient had been told of the cancellation already.",
    "paired": "The booking that took its place is announced as a change.",
    "call_answered": "The call letter was answered: a booking took its place.",
    "gone_at_source": "The booking system has no such booking.",
    "no_time": "The booking system gave no time, which only a call letter may lack.",
    "carried_over": "The booking got a new id, and nothing else was new.",
}

#: Why a change waits.
WAITING = {
    "rate_limited": "Waits for its place in the booking system's rate until {until}.",
    "source_saturated": "Waits for the booking system, which has as many calls as it may have,"
    " until {until}.",
    "breaker_open": "Waits for the booking system until {until}: its circuit breaker is open.",
    "source_paused": "Waits until {until}: an operator has paused the booking system.",
    "source_unreachable": "Waits for the booking system until {until}: it cannot be reached.",
    "source_timed_out": "Waits for the booking system until {until}: it did not answer in time.",
    "source_bad_status": "Waits for the booking system until {until}: it answered with an HTTP"
    " error.",
    "unreadable_reply": "Waits for the booking system until {until}: its reply could not be read.",
    "source_fault": "Waits for the booking system until {until}: it answered with a Fault.",
    "waiting_for_pair": "Waits until {until} for the booking that may take its place.",
    "not_shown_yet": "Waits until {until}: the booking system may be behind the index.",
    "asked_about_other": "Waits until {until} for what the booking system says of another booking.",
    "asked_once_more": "Waits until {until}: the booking system is asked once more before a"
    " booking that has waited, or its cancellation, is announced.",
    "database_unavailable": "Waits until {until}: the database was unavailable.",
    "register_unavailable": "Waits until {until}: the register could not be read.",
    "bug": "Waits until {until}: it failed by a fault of ours (see the log).",
}

#: Why no notice was sent about a message that is in the inbox.
NO_NOTICE = {
    "not_wanted": "The patient had chosen no notice.",
    "expired": "No notice: what the message announces had passed.",
    "already_notified": "The notice was sent before.",
    "withdrawn": "The notice was withdrawn.",
    "suppressed": "No notice: the patient's address has bounced too often.",
    "channel_off": "The notice is a dead letter: no provider is set for its channel.",
}

#: Why a notice waits.
NOTICE_WAITS = {
    "collecting": "for other messages to the patient",
    "quiet_hours": "quiet hours",
    "rate_limit": "for the channel's rate",
    "breaker_open": "the provider is unavailable",
    "channel_busy": "the provider is slow",
    "being_sent": "another worker is sending it",
    "not_taken": "the provider did not take it",
    "provider_down": "the provider is unavailable",
}

_STATUS = {
    NoticeStatus.PENDING: "waits",
    NoticeStatus.SENDING: "is being sent",
    NoticeStatus.ACCEPTED: "was taken by the provider",
    NoticeStatus.REJECTED: "was refused by the provider",
    NoticeStatus.WITHDRAWN: "was withdrawn",
    NoticeStatus.SUPPRESSED: "was not sent: the address has bounced too often",
    NoticeStatus.UNCERTAIN: "may have been sent; it is never sent again",
    NoticeStatus.DELIVERED: "was delivered",
    NoticeStatus.FAILED: "was taken by the provider and not delivered",
}

_NEXT_QUEUE = {"filter": "fetcher", "fetcher": "composer", "composer": "fetcher"}


class AnswerKind(StrEnum):
    ANNOUNCED = "announced"
    NOT_ANNOUNCED = "not_announced"
    WAITING = "waiting"
    QUEUED = "queued"  # handled by one stage, and by the next one not yet
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """`reason`: the word that logs and metrics have for it; of a message its kind."""

    kind: AnswerKind
    reason: str
    text: str


def answer_of(traced: ChangeTrace) -> Answer:
    """What the patient was told, or why not."""
    if traced.message:
        text = f"{_announced(traced)} {_notices(traced)}"
        return Answer(AnswerKind.ANNOUNCED, traced.message.kind, text)
    judged = [step for step in traced.steps if step.stage != _NOTIFIER]
    if not judged:
        return Answer(AnswerKind.UNKNOWN, "", "Nothing is known of it beyond its notices.")
    return _of_last(judged[-1])


def _of_last(step: TraceStep) -> Answer:
    match step.outcome:
        case "drop" | "done":
            text = SILENT.get(step.reason, f"Not announced: {_words(step.reason)}.")
            return Answer(AnswerKind.NOT_ANNOUNCED, step.reason, text)
        case "retry" | "postpone":
            return Answer(AnswerKind.WAITING, step.reason, _waits(step))
        case "dead":
            text = f"It is a dead letter of the {step.stage}: {_words(step.reason)}."
            show = f"See `budkavle dead show {step.change_id}`."
            return Answer(AnswerKind.DEAD, step.reason, f"{text} {show}")
    stage = _NEXT_QUEUE[step.stage]
    text = f"It is in the queue of the {stage} since {shown(step.at)}."
    return Answer(AnswerKind.QUEUED, step.reason, text)


def _waits(step: TraceStep) -> str:
    text = WAITING.get(step.reason, f"Waits until {{until}}: {_words(step.reason)}.")
    return text.format(until=shown(step.until))


def _announced(traced: ChangeTrace) -> str:
    message = traced.message
    assert message is not None  # noqa: S101 - `answer_of` asked
    read = "read" if message.read else "not read yet"
    at = shown(message.created_at)
    return f"Told in the inbox at {at}: {_words(message.kind)} ({message.id}), {read}."


def _notices(traced: ChangeTrace) -> str:
    if traced.notices:
        return " ".join(_notice(notice, traced) for notice in traced.notices)
    steps = [step for step in traced.steps if step.stage == _NOTIFIER]
    if not steps:
        return "Nothing is known of a notice."
    last = steps[-1]
    known = NO_NOTICE.get(last.reason)
    return known or f"The notice waits until {shown(last.until)}: {_why(last)}."


def _notice(notice: Notice, traced: ChangeTrace) -> str:
    text = f"{notice.channel} {_STATUS[notice.status]}"
    waits = [step for step in traced.steps if step.stage == _NOTIFIER and step.until]
    if notice.status is NoticeStatus.PENDING and waits:
        last = [step for step in waits if step.channel in (None, notice.channel)][-1:] or waits[-1:]
        return f"{text} until {shown(last[0].until)}: {_why(last[0])}."
    return f"{text} ({shown(notice.since)})."


def _why(step: TraceStep) -> str:
    return NOTICE_WAITS.get(step.reason, _words(step.reason))


def _words(reason: str) -> str:
    return str(reason).replace("_", " ")
