"""What broker, database and processes say, for `budkavle status` and the page of the relay."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from console.dead_groups import Group, grouped
from console.dead_letters import describe
from console.operators import looker
from console.replicas import Replicas, count_replicas
from console.state import MOST_LOOKED_AT, DeadFindings, Findings, Store
from shared.base.addresses import place_of
from shared.base.clock import utcnow
from shared.relay import open_broker
from shared.relay.broker import Broker, BrokerError, DeadQueueBusy, NotDeclared, QueueState
from shared.stage.settings import CommonSettings
from shared.store.engine import Database, DatabaseUnavailable, open_database
from shared.store.migrate import has_current_schema
from shared.store.overview import next_slots, uncertain_since
from shared.store.processes import StageProcesses
from shared.store.sources import SourceRegister
from shared.store.unknown_sources import UnknownSources

_LATELY = timedelta(days=1)
#: How long another operator at the dead letters is waited for (seconds).
_HOLD_WITHIN = 0.5


def find(settings: CommonSettings, former: Findings | None = None) -> Findings:
    """The state of broker and database. Their errors are findings and are not raised.

    Dead letters are looked at only when their number is not that of `former`.
    """
    url = settings.database_url.get_secret_value()
    broker = open_broker(settings.broker_url.get_secret_value(), settings.topology)
    with closing(broker), closing(open_database(url)) as database:
        found = find_by(settings, broker, database)
        try:
            return replace(found, dead=dead_by_group(broker, found.queues, former))
        except BrokerError:  # it went away between two questions
            return found


def find_by(settings: CommonSettings, broker: Broker, database: Database) -> Findings:
    """As `find`, by what is open already; dead letters are counted, and not looked at."""
    places = settings.places
    broker_store, queues = _ask_broker(broker, places["broker"])
    database_store, known = _ask_database(settings, database, places["database"])
    return Findings(
        environment=settings.environment,
        now=utcnow(),
        broker=broker_store,
        database=database_store,
        queues=queues,
        replicas=count_replicas(settings) if queues else Replicas(),
        **known,
    )


def _ask_broker(broker: Broker, place: str) -> tuple[Store, Sequence[QueueState]]:
    try:
        return Store(place), broker.states()
    except NotDeclared:
        return Store(place, "lacks queues of this version", "budkavle setup"), ()
    except BrokerError as error:
        return Store(place, f"is unavailable ({error})", "see its log"), ()


def _dead(queues: Sequence[QueueState]) -> list[int]:
    return [state.dead for state in queues]


def dead_by_group(
    broker: Broker, queues: Sequence[QueueState], former: Findings | None
) -> DeadFindings:
    """Of the stages that have dead letters; those of `former` while their numbers are the same.

    Raises `BrokerUnavailable`.
    """
    if former is not None and _dead(former.queues) == _dead(queues):
        return former.dead
    groups: list[Group] = []
    held: list[str] = []
    for state in queues:
        if not state.dead:
            continue
        try:
            groups += _groups_of(broker, state.stage)
        except DeadQueueBusy as busy:
            held.append(str(busy))
    return DeadFindings(sorted(groups, key=lambda group: -group.count), held)


def _groups_of(broker: Broker, stage: str) -> list[Group]:
    with closing(broker.dead_letters(stage, by=looker(), within=_HOLD_WITHIN)) as letters:
        looked_at = islice(letters, MOST_LOOKED_AT)
        return grouped((describe(stage, envelope), envelope) for envelope in looked_at)


def _ask_database(
    settings: CommonSettings, database: Database, place: str
) -> tuple[Store, dict[str, Any]]:
    url = settings.database_url.get_secret_value()
    not_set_up = Store(place, "lacks the schema of this version", "budkavle setup")
    if url.startswith("sqlite:") and not Path(place_of(url)).exists():
        return not_set_up, {}
    try:
        if not has_current_schema(database):
            return not_set_up, {}
        return Store(place), _ask_tables(database, settings)
    except DatabaseUnavailable as error:
        return Store(place, f"is unavailable ({error.detail})", "see its log"), {}


def _ask_tables(database: Database, settings: CommonSettings) -> dict[str, Any]:
    yesterday = utcnow() - _LATELY
    unknown = UnknownSources(database).all(settings.environment)
    return {
        "processes": StageProcesses(database).all(),
        "sources": SourceRegister(database).list_all(settings.environment),
        "next_slots": next_slots(database),
        "unknown": [each for each in unknown if each.last_seen >= yesterday],
        "uncertain": uncertain_since(database, yesterday),
    }
