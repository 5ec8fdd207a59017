"""Every table. `migrations/` brings a database to this state, which a test compares.

All instants are UTC. Wall times stand as text, `YYYYMMDDhhmmss`, as the contracts write them.
There is no store of engagements: what a notification says may be used only to make the call to
the source (docs/domain.md, "The legal bound"). What we keep is our own messages and notices.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime on every database; SQLite, which has no zones, stores it naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _partial_index(name: str, column: str, *, where: str) -> Index:
    condition = text(where)
    return Index(name, column, postgresql_where=condition, sqlite_where=condition)


#: SQLite counts up only a column of this very type.
_BIG = BigInteger().with_variant(Integer, "sqlite")

source_system = Table(
    "source_system",
    metadata,
    Column("hsa_key", String(64), primary_key=True),  # upper case: what is matched
    Column("environment", String(4), primary_key=True),  # qa or prod
    Column("hsa_id", String(64), nullable=False),  # as given: what is shown
    Column("name", String(200), nullable=False),
    Column("calls_per_second", Float, nullable=False),
    Column("calls_in_flight", Integer, nullable=False),
    Column("activated_by", String(100), nullable=False),
    Column("activated_at", Instant, nullable=False),
    Column("paused_by", String(100)),  # while it is not called; its changes wait
    Column("paused_at", Instant),
    Column("lagged_at", Instant),  # when it was last seen to show a change late
)

source_system_log = Table(
    "source_system_log",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("hsa_key", String(64), nullable=False, index=True),
    Column("environment", String(4), nullable=False),
    Column("action", String(20), nullable=False),  # added, changed, removed
    Column("by", String(100), nullable=False),
    Column("at", Instant, nullable=False),
    Column("details", JSON, nullable=False),
)

# When the next call to a source may be made, shared by all fetchers: the rate is per source,
# however many processes fetch from it.
source_slot = Table(
    "source_slot",
    metadata,
    Column("hsa_key", String(64), primary_key=True),
    Column("next_slot", Instant, nullable=False),
    Column("reserved_at", Instant, nullable=False),  # in the future: written by a wrong clock
)

inbox_message = Table(
    "inbox_message",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("booking", String(64), nullable=False),  # digest; the successor's, if it took over as is
    Column("revision", Integer, nullable=False),  # rises through rebookings: calendar SEQUENCE
    Column("patient", String(12), nullable=False),
    Column("source_system", String(64), nullable=False),  # upper case
    Column("logical_address", String(64), nullable=False),
    Column("booking_id", String(128), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body_text", Text, nullable=False),
    Column("body_html", Text, nullable=False),
    Column("calendar", Text),  # an .ics file, for messages that announce a time
    Column("calendar_uid", String(80), nullable=False),  # kept through rebookings
    Column("starts", String(14), nullable=False),  # wall time, "" for an open call
    Column("state", JSON, nullable=False),  # what was announced: BookingDetails
    Column("received_at", Instant, nullable=False),  # when ingest took the notification
    Column("fetched_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("notification_id", String(40), nullable=False),
    Column("change_id", String(50), nullable=False),
    Column("read", Boolean, nullable=False, default=False),
    UniqueConstraint("booking", "revision"),
    Index("ix_inbox_message_patient_created_at", "patient", "created_at"),
)

# The watermark of each booking, also of those without a message: how new the newest judged fetch
# is, whether the source still had the booking then, what is awaited, and which booking replaced it.
# Holds digests and times, nothing of the engagement.
booking_watermark = Table(
    "booking_watermark",
    metadata,
    Column("booking", String(64), primary_key=True),  # BookingKey.digest
    Column(
        "patient_bookings", String(64), nullable=False, index=True
    ),  # digest of patient and source
    Column("same_id", String(64), nullable=False, index=True),  # of source and booking id
    # Null until a change of the booking is judged:
    Column("fetched_at", Instant),
    Column("gone", Boolean),
    Column("received_at", Instant),  # when ingest took the newest judged change
    Column("notification_id", String(40)),  # of that request
    Column("awaiting", String(8)),  # shared.booking.inbox.Awaiting: a removal or a creation on hold
    Column("awaiting_since", Instant),
    # What may have taken its place is announced as new:
    Column("unpaired", Boolean, nullable=False, server_default=false()),
    Column("first_seen_at", Instant),  # when ingest first took a creation of it
    Column("removed_at", Instant),  # when ingest took the last judged removal of it
    Column("held", JSON(none_as_null=True)),  # while a creation is awaited: what is compared
    Column("unit", String(64)),  # its logical address: the same id may stand at another one later
    Column("successor", String(64)),  # digest of the booking that took this one's place
    # The first removal and the first creation that were passed on and are not judged yet:
    Column("removal_pending_at", Instant),  # when ingest took it
    Column("removal_pending_request", String(40)),  # its notification's id
    Column("creation_pending_at", Instant),
    Column("creation_pending_request", String(40)),
    # The composer changes each row a moment after the filter has inserted it. In the same page that
    # leaves the indexes as they are.
    postgresql_with={"fillfactor": 60},
)

contact_preference = Table(
    "contact_preference",
    metadata,
    Column("patient", String(12), primary_key=True),
    Column("channel", String(5), primary_key=True),  # sms or email
    Column("address", String(254), nullable=False),  # E.164 or an e-mail address
    Column("updated_at", Instant, nullable=False),
    # Of this address, since it was set: permanent failures, the last one, and since when nothing
    # is sent there because of them.
    Column("bounces", Integer, nullable=False, server_default="0"),
    Column("last_bounce", String(10), nullable=False, server_default=""),  # RFC 3463: 5.1.1
    Column("suppressed_at", Instant),
)

notice = Table(
    "notice",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("message_id", String(40), nullable=False),
    Column("channel", String(5), nullable=False),
    Column("recipient", String(64), nullable=False),  # digest of the patient
    Column("status", String(10), nullable=False),  # shared.booking.notices.NoticeStatus
    Column("claim_id", String(40)),  # the same in all notices sent as one
    Column("provider_id", String(100)),  # the SMS provider's id, for its reports
    Column("detail", String(200), nullable=False, default=""),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("message_id", "channel"),
    # Each row is written three times, so each index three times: few, and small ones.
    Index("ix_notice_recipient", "recipient"),
    _partial_index("ix_notice_provider_id", "provider_id", where="provider_id IS NOT NULL"),
    _partial_index(
        "ix_notice_status",
        "status",
        where="status NOT IN ('pending', 'sending', 'accepted', 'delivered')",
    ),
)

# Each process of a stage, as of its last report; `budkavle status` reads it. A process that ends
# removes its row.
stage_process = Table(
    "stage_process",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("stage", String(10), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String(20), nullable=False),
    Column("environment", String(4), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("beat_at", Instant, nullable=False),
    Column("report", JSON, nullable=False),  # rates of the last minute, open circuit breakers
)

# Booking systems that send and are not activated: how many engagements, and when last.
unknown_source = Table(
    "unknown_source",
    metadata,
    Column("hsa_key", String(64), primary_key=True),
    Column("environment", String(4), primary_key=True),
    Column("engagements", Integer, nullable=False),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
)

# What operators did and looked at: who, when, what, to which, why, and what came of it. Rows are
# only appended; an action that takes time has one when it begins and one when it ends, with the
# same `run`.
operator_action = Table(
    "operator_action",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", String(40), nullable=False),
    Column("at", Instant, nullable=False, index=True),
    Column("by", String(100), nullable=False),
    Column("action", String(40), nullable=False),  # dead replay, dead discard, ...
    Column("subject", Text, nullable=False),  # to which: of a patient at most the keyed digest
    Column("why", Text, nullable=False, default=""),
    Column("outcome", Text, nullable=False),  # begun, or what came of it
)

# What became of each change at each stage: ids of ours, keyed digests, outcomes and times. Nothing
# of the engagement (docs/security.md, "The legal bound on engagement data").
trace_step = Table(
    "trace_step",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("stage", String(10), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("until", Instant),  # of one that waits: when it is handled again
    Column("notification_id", String(50), nullable=False, index=True),
    Column("change_id", String(70), nullable=False),
    Column("correlation_id", String(100)),  # of the filter's steps alone
    Column("received_at", Instant, nullable=False),  # when ingest took the notification
    Column("source_system", String(64)),  # upper case
    Column("booking", String(32)),  # shared.booking.digests; None without a key
    Column("patient", String(32), index=True),  # the same
    Column("message_id", String(40)),
    Column("channel", String(5)),
    _partial_index(
        "ix_trace_step_correlation_id", "correlation_id", where="correlation_id IS NOT NULL"
    ),
    # As small as can be: rows come in the order of their times.
    Index("ix_trace_step_at", "at", postgresql_using="brin"),
)
