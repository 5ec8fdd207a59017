"""What became of a replayed letter at its stage, reported to the operator who follows the replay.

Only letters that carry a run are reported: those that somebody replayed by `budkavle dead replay`.
The report travels as a queue message of its own, published with what the stage publishes anyway.
"""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.relay.broker import Envelope, Outgoing
from shared.relay.topology import reports_key


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str
    outcome: str
    reason: str


class ReplayReport(NamedTuple):
    """`outcome` is one of the dashboard's: publish, done, drop, retry, postpone, dead."""

    run: str
    message_id: str
    outcome: str
    reason: str


def report_of(stage: str, envelope: Envelope, outcome: str, reason: str) -> Outgoing:
    body = _Body(run=envelope.run, outcome=outcome, reason=reason)
    return Outgoing(
        reports_key(stage), Envelope(envelope.message_id, body.model_dump_json().encode())
    )


def read_report(envelope: Envelope) -> ReplayReport | None:
    """None for what is no report."""
    try:
        body = _Body.model_validate_json(envelope.body)
    except ValidationError:
        return None
    return ReplayReport(body.run, envelope.message_id, body.outcome, body.reason)
