"""The statements about many notices at once, which the databases spell differently.

The rows go along as one JSON parameter, so that a statement is the same however many there are.
"""

from functools import cache

from sqlalchemy import TextClause, bindparam, text

from shared.store.statements import rows_of
from shared.store.tables import Instant

_NEW = ("id", "message_id", "channel", "recipient")
_CLAIMED = ("message_id", "channel", "recipient", "claim_id")
_ENDED = ("notice_id", "claim_id", "status", "detail", "provider_id")


_REGISTER = (
    "INSERT INTO notice"
    " (id, message_id, channel, recipient, status, detail, created_at, updated_at)"
    " SELECT r.id, r.message_id, r.channel, r.recipient, 'pending', '', :now, :now"
    " FROM {rows} WHERE true ON CONFLICT DO NOTHING"
)
# `lower(status)`, so that no database looks for them by their status. PostgreSQL did, and then a
# claim after quiet hours read everything that waits, of all patients. Nor by their channel.
_CLAIM = (
    "UPDATE notice SET status = 'sending', claim_id = r.claim_id, provider_id = NULL,"
    " updated_at = :now FROM {rows}"
    " WHERE notice.recipient = r.recipient AND lower(notice.channel) = r.channel"
    " AND lower(notice.status) = 'pending'"
    " AND EXISTS (SELECT 1 FROM notice AS own WHERE own.message_id = r.message_id"
    " AND own.channel = r.channel AND lower(own.status) = 'pending')"
    " RETURNING notice.message_id, notice.id, notice.claim_id"
)
_END = (
    "UPDATE notice SET status = r.status, detail = r.detail, provider_id = r.provider_id,"
    " updated_at = :now FROM {rows} JOIN notice AS own ON own.id = r.notice_id"
    " WHERE notice.recipient = own.recipient"
    " AND notice.claim_id = r.claim_id AND (notice.status = 'sending'"
    " OR (notice.status = 'uncertain' AND r.status <> 'pending'))"
)


@cache
def register_all(dialect: str) -> TextClause:
    """Insert each as pending, unless its message has one on its channel."""
    return _with_rows(_REGISTER, rows_of(dialect, _NEW))


@cache
def claim_all(dialect: str) -> TextClause:
    """Claim all that waits for each recipient on the channel, if the own notice waits too."""
    return _with_rows(_CLAIM, rows_of(dialect, _CLAIMED))


@cache
def end_all(dialect: str) -> TextClause:
    """Write down what came of each claim that is still the sender's.

    One that was taken for uncertain meanwhile takes the sender's word, but is not given back.
    """
    return _with_rows(_END, rows_of(dialect, _ENDED))


def _with_rows(sql: str, rows: str) -> TextClause:
    return text(sql.format(rows=rows)).bindparams(bindparam("now", type_=Instant()))
