"""The first schema: register, inbox, what was judged, contact preferences, notices, actions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    create_register()
    create_inbox_message()
    create_booking_watermark()
    create_contact_preference()
    create_notice()
    create_operator_action()
    create_stage_process()
    create_unknown_source()
    create_trace_step()


def create_register() -> None:
    op.create_table(
        "source_system",
        sa.Column("hsa_key", sa.String(64), nullable=False),
        sa.Column("environment", sa.String(4), nullable=False),
        sa.Column("hsa_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("calls_per_second", sa.Float(), nullable=False),
        sa.Column("calls_in_flight", sa.Integer(), nullable=False),
        sa.Column("activated_by", sa.String(100), nullable=False),
        sa.Column("activated_at", INSTANT, nullable=False),
        sa.Column("paused_by", sa.String(100)),
        sa.Column("paused_at", INSTANT),
        sa.Column("lagged_at", INSTANT),
        sa.PrimaryKeyConstraint("hsa_key", "environment", name="pk_source_system"),
    )
    op.create_table(
        "source_system_log",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hsa_key", sa.String(64), nullable=False),
        sa.Column("environment", sa.String(4), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("by", sa.String(100), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source_system_log"),
    )
    op.create_index("ix_source_system_log_hsa_key", "source_system_log", ["hsa_key"])
    op.create_table(
        "source_slot",
        sa.Column("hsa_key", sa.String(64), nullable=False),
        sa.Column("next_slot", INSTANT, nullable=False),
        sa.Column("reserved_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("hsa_key", name="pk_source_turn"),
    )


def create_inbox_message() -> None:
    op.create_table(
        "inbox_message",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("booking", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("patient", sa.String(12), nullable=False),
        sa.Column("source_system", sa.String(64), nullable=False),
        sa.Column("logical_address", sa.String(64), nullable=False),
        sa.Column("booking_id", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body_text", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=False),
        sa.Column("calendar", sa.Text()),
        sa.Column("calendar_uid", sa.String(80), nullable=False),
        sa.Column("starts", sa.String(14), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("fetched_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("notification_id", sa.String(40), nullable=False),
        sa.Column("change_id", sa.String(50), nullable=False),
        sa.Column("read", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inbox_message"),
        sa.UniqueConstraint("booking", "revision", name="uq_inbox_message_booking_revision"),
    )
    op.create_index(
        "ix_inbox_message_patient_created_at", "inbox_message", ["patient", "created_at"]
    )


def create_booking_watermark() -> None:
    op.create_table(
        "booking_watermark",
        sa.Column("booking", sa.String(64), nullable=False),
        sa.Column("patient_bookings", sa.String(64), nullable=False),
        sa.Column("same_id", sa.String(64), nullable=False),
        sa.Column("fetched_at", INSTANT),
        sa.Column("gone", sa.Boolean()),
        sa.Column("received_at", INSTANT),
        sa.Column("notification_id", sa.String(40)),
        sa.Column("awaiting", sa.String(8)),
        sa.Column("awaiting_since", INSTANT),
        sa.Column("unpaired", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("first_seen_at", INSTANT),
        sa.Column("removed_at", INSTANT),
        sa.Column("held", sa.JSON(none_as_null=True)),
        sa.Column("unit", sa.String(64)),
        sa.Column("successor", sa.String(64)),
        sa.Column("removal_pending_at", INSTANT),
        sa.Column("removal_pending_request", sa.String(40)),
        sa.Column("creation_pending_at", INSTANT),
        sa.Column("creation_pending_request", sa.String(40)),
        sa.PrimaryKeyConstraint("booking", name="pk_booking_watermark"),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index(
        "ix_booking_watermark_patient_bookings", "booking_watermark", ["patient_bookings"]
    )
    op.create_index("ix_booking_watermark_same_id", "booking_watermark", ["same_id"])


def create_contact_preference() -> None:
    op.create_table(
        "contact_preference",
        sa.Column("patient", sa.String(12), nullable=False),
        sa.Column("channel", sa.String(5), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("bounces", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_bounce", sa.String(10), nullable=False, server_default=""),
        sa.Column("suppressed_at", INSTANT),
        sa.PrimaryKeyConstraint("patient", "channel", name="pk_contact_preference"),
    )


def create_notice() -> None:
    op.create_table(
        "notice",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("message_id", sa.String(40), nullable=False),
        sa.Column("channel", sa.String(5), nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("claim_id", sa.String(40)),
        sa.Column("provider_id", sa.String(100)),
        sa.Column("detail", sa.String(200), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.UniqueConstraint("message_id", "channel", name="uq_notice_message_id_channel"),
    )
    op.create_index("ix_notice_recipient", "notice", ["recipient"])
    create_partial_index("notice", "provider_id", "provider_id IS NOT NULL")
    usual = "('pending', 'sending', 'accepted', 'delivered')"
    create_partial_index("notice", "status", f"status NOT IN {usual}")


def create_operator_action() -> None:
    op.create_table(
        "operator_action",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("run", sa.String(40), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", sa.String(100), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operator_action"),
    )
    op.create_index("ix_operator_action_at", "operator_action", ["at"])


def create_stage_process() -> None:
    op.create_table(
        "stage_process",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("stage", sa.String(10), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("environment", sa.String(4), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("beat_at", INSTANT, nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stage_process"),
    )


def create_unknown_source() -> None:
    op.create_table(
        "unknown_source",
        sa.Column("hsa_key", sa.String(64), nullable=False),
        sa.Column("environment", sa.String(4), nullable=False),
        sa.Column("engagements", sa.Integer(), nullable=False),
        sa.Column("first_seen", INSTANT, nullable=False),
        sa.Column("last_seen", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("hsa_key", "environment", name="pk_unknown_source"),
    )


def create_trace_step() -> None:
    op.create_table(
        "trace_step",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("stage", sa.String(10), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("until", INSTANT),
        sa.Column("notification_id", sa.String(50), nullable=False),
        sa.Column("change_id", sa.String(70), nullable=False),
        sa.Column("correlation_id", sa.String(100)),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("source_system", sa.String(64)),
        sa.Column("booking", sa.String(32)),
        sa.Column("patient", sa.String(32)),
        sa.Column("message_id", sa.String(40)),
        sa.Column("channel", sa.String(5)),
        sa.PrimaryKeyConstraint("id", name="pk_trace_step"),
    )
    create_partial_index("trace_step", "correlation_id", "correlation_id IS NOT NULL")
    for column in ("notification_id", "patient"):
        op.create_index(f"ix_trace_step_{column}", "trace_step", [column])
    op.create_index("ix_trace_step_at", "trace_step", ["at"], postgresql_using="brin")


def create_partial_index(table: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    name = f"ix_{table}_{column}"
    op.create_index(name, table, [column], postgresql_where=where, sqlite_where=where)
