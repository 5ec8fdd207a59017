"""Inbox messages that tests need only to be there."""

from datetime import UTC, datetime

from shared.store.engine import Database
from shared.store.statements import insert_if_absent
from shared.store.tables import inbox_message

_THEN = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
ROW = {
    "revision": 0,
    "patient": "191212121212",
    "source_system": "SE2321000016-SYS1",
    "logical_address": "SE2321000016-1HZ5",
    "booking_id": "B1",
    "kind": "booking_confirmation",
    "subject": "",
    "body_text": "",
    "body_html": "",
    "calendar": None,
    "calendar_uid": "",
    "starts": "",
    "state": {},
    "received_at": _THEN,
    "fetched_at": _THEN,
    "created_at": _THEN,
    "notification_id": "n",
    "change_id": "c",
    "read": False,
}


def write_messages(database: Database, *message_ids: str) -> None:
    rows = [{**ROW, "id": message_id, "booking": message_id} for message_id in message_ids]
    with database.begin() as connection:
        for row in rows:
            insert_if_absent(connection, inbox_message, row)
