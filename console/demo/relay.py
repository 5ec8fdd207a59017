"""What the story reads from the relay: the inbox, dead letters, and the counters of every stage."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import requests
from prometheus_client.parser import text_string_to_metric_families

from shared.base.clock import utcnow
from shared.booking.inbox import InboxMessage
from shared.booking.notices import Channel
from shared.relay import open_broker
from shared.relay.broker import REPLAY, Envelope
from shared.relay.topology import READING_STAGES
from shared.store.contacts import ContactPreferences
from shared.store.engine import open_database
from shared.store.inbox import Inbox
from shared.store.migrate import migrate
from shared.store.sources import SourceRegister, SourceSystem

_TIMEOUT = 10

#: How often each (stage, outcome, reason) was counted.
OutcomeCounts = Counter[tuple[str, str, str]]


class Relay:
    """An operator's actions on the queues and the database in `environment`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._database_url = environment["BUDKAVLE_DATABASE_URL"]
        self._database = open_database(self._database_url)
        self._broker = open_broker(environment["BUDKAVLE_BROKER_URL"])
        self._contacts = ContactPreferences(self._database)

    def close(self) -> None:
        self._broker.close()
        self._database.close()

    def set_up(self) -> None:
        """As `budkavle setup`."""
        migrate(self._database_url)
        self._broker.declare()

    def activate(self, hsa_id: str, name: str) -> None:
        SourceRegister(self._database).add(
            SourceSystem(
                hsa_id=hsa_id,
                name=name,
                environment="qa",
                calls_per_second=20,
                calls_in_flight=4,
                activated_by="demo",
                activated_at=utcnow(),
            )
        )

    def reach(self, patient: str, *, sms: str | None = None, email: str | None = None) -> None:
        """The patient's choices, as `budkavle contact set`."""
        if sms:
            self._contacts.set(patient, Channel.SMS, sms)
        if email:
            self._contacts.set(patient, Channel.EMAIL, email)

    def inbox(self, patient: str) -> list[InboxMessage]:
        return Inbox(self._database).list_for(patient)

    def messages_about(self, patient: str, booking_id: str) -> list[InboxMessage]:
        return [message for message in self.inbox(patient) if message.booking_id == booking_id]

    def dead_letters(self) -> list[Envelope]:
        return [letter for stage in READING_STAGES for letter in self._broker.dead_letters(stage)]

    def replay_dead(self) -> int:
        return sum(
            self._broker.take_dead(stage, lambda _letter: REPLAY) for stage in READING_STAGES
        )


def outcome_counts(stages: Mapping[str, Mapping[str, str]]) -> OutcomeCounts:
    """What each of `stages` counted, from its `/metrics`, without what never happened."""
    counts: OutcomeCounts = Counter()
    for addresses in stages.values():
        page = requests.get(addresses["health"] + "/metrics", timeout=_TIMEOUT).text
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == "budkavle_outcomes_total" and sample.value:
                    labels = sample.labels
                    key = (labels["stage"], labels["outcome"], labels["reason"])
                    counts[key] += int(sample.value)
    return counts


def in_days(days: int, clock: str) -> str:
    """Wall time `days` from now at `clock` (`"0900"`), as the contracts write it."""
    return f"{utcnow() + timedelta(days=days):%Y%m%d}{clock}00"
