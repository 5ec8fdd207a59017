"""Messages as the API shows them."""

from datetime import datetime
from typing import Any

from console.inbox_api import cursors
from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingDetails
from shared.booking.times import STOCKHOLM, end_moment, instant, is_wall_time, parse_wall
from shared.store.inbox_reading import MessageHead, MessagePage, ReadableMessage


def page_view(page: MessagePage) -> dict[str, Any]:
    last = page.messages[-1].position if page.has_more else None
    return {
        "messages": [head_view(head) for head in page.messages],
        "unread": page.unread,
        "next_cursor": cursors.encode(last) if last else None,
    }


def head_view(head: MessageHead) -> dict[str, Any]:
    return {
        "id": head.id,
        "kind": head.kind,
        "subject": head.subject,
        "created_at": head.created_at.isoformat(timespec="microseconds"),
        "starts": local_time(head.starts),
        "read": head.read,
        "has_calendar": head.has_calendar,
    }


def message_view(message: ReadableMessage, now: datetime) -> dict[str, Any]:
    return {
        **head_view(message),
        "ends": end_time(message.state),
        "text": message.body_text,
        "html": message.body_html,
        "actions": actions(message, now),
        "superseded_by": message.superseded_by,
        "booking": {
            "source_system": message.source_system,
            "logical_address": message.logical_address,
            "booking_id": message.booking_id,
        },
    }


def local_time(wall: str) -> str | None:
    """Swedish wall time in ISO 8601, with its offset; None for none, or none of the calendar.

    The wall time is as the booking system wrote it. In the hour that exists twice, the offset is
    that of the first.
    """
    return parse_wall(wall).replace(tzinfo=STOCKHOLM).isoformat() if is_wall_time(wall) else None


def end_time(state: BookingDetails) -> str | None:
    """As `local_time`, never before the start; None when the booking system says no such end.

    Where the start is in the hour that exists twice or not at all, the offset is that of the start.
    """
    end = end_moment(state.starts, state.ends) if is_wall_time(state.starts) else None
    return end.isoformat() if end else None


def actions(message: ReadableMessage, now: datetime) -> list[str]:
    """What the booking system lets the patient do about the booking, in the order to show it.

    Nothing about a visit that has begun, was cancelled, or that a later message is about.
    """
    is_over = message.kind is MessageKind.CANCELLATION or message.superseded_by is not None
    if is_over or _has_begun(message.starts, now):
        return []
    return _allowed(message.state)


def _has_begun(starts: str, now: datetime) -> bool:
    return is_wall_time(starts) and instant(starts) <= now


def _allowed(state: BookingDetails) -> list[str]:
    """Of a call without a time, to rebook is to book a time, and to cancel is to decline."""
    has_time = bool(state.starts)
    named = {
        "rebook" if has_time else "book": state.rebook_allowed,
        "cancel" if has_time else "decline": state.cancel_allowed,
    }
    return [action for action, allowed in named.items() if allowed]
