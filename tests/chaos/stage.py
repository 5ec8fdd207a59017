"""The stage of the play: real servers behind proxies, the sandbox, and the fleet between them."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import insert

from console.processes import Child
from console.stack import free_port
from shared.base.clock import utcnow
from shared.booking.contact_points import normalize
from shared.booking.notices import Channel
from shared.relay import open_broker
from shared.stage.settings import CommonSettings
from shared.store.engine import open_database
from shared.store.migrate import migrate
from shared.store.sources import SourceRegister, SourceSystem
from shared.store.tables import contact_preference
from tests.chaos.cases import Source
from tests.chaos.fleet import Fleet
from tests.chaos.indexes import OWNER, RunningIndex, SandboxIndex
from tests.chaos.network import Network
from tests.chaos.plan import Plan
from tests.services import PostgreSQL, RabbitMQ

ADDRESS = "SE165565594230-1000"
_SANDBOX_SECONDS = 60
#: Dead letters, what became of those that were replayed, and what operators note to each other.
_NOT_UNDER_WAY = (".dead", ".replayed", ".operator-note")
#: Behind one address, as two of a real installation.
_INGESTS = 2
_PATIENT = re.compile(r"121212[A-Z]{4}")
#: Post- och telestyrelsen keeps these for fiction: 070-174 06 05 to 99.
_FICTIONAL_NUMBERS = [f"07017406{last:02}" for last in range(5, 100)]

#: Waits short enough to wait for. The rules are the same; only the lengths are not.
IMPATIENT = {
    "BUDKAVLE_DELAY_STEPS": "0.5 1 5",
    # Longer than any of our faults last: nothing may die of them.
    "BUDKAVLE_RETRY_DELAYS": "0.5 1 1 2 2 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5",
    "BUDKAVLE_DRAIN_SECONDS": "10",
    "BUDKAVLE_FETCHER_CONNECT_SECONDS": "2",
    "BUDKAVLE_FETCHER_READ_SECONDS": "4",
    "BUDKAVLE_FETCHER_BREAKER_FIRST_SECONDS": "1",
    "BUDKAVLE_FETCHER_BREAKER_LONGEST_SECONDS": "4",
    "BUDKAVLE_FETCHER_PATIENCE_SECONDS": "2",
    # Longer than any trouble of ours, as 90 s are longer than most: both halves of a rebooking are
    # known before it is over.
    "BUDKAVLE_COMPOSER_PAIRING_SECONDS": "12",
    "BUDKAVLE_NOTIFIER_COLLECT_SECONDS": "1",
    "BUDKAVLE_NOTIFIER_SENDING_SECONDS": "30",
    "BUDKAVLE_SMS_PER_MINUTE": "60000",
    # So that each SMS names its notice. The sandbox sends no report before we are gone.
    "BUDKAVLE_NOTIFIER_REPORT_BIND": "127.0.0.1:0",
    "BUDKAVLE_NOTIFIER_REPORT_URL": "http://127.0.0.1:9",
    "BUDKAVLE_NOTIFIER_REPORT_SECRET": "nobody-is-going-to-report",
    "BUDKAVLE_SANDBOX_SMS_REPORT_SECONDS": "86400",
    # The index merges less than the real one, which waits 5 s; it re-sends as that does.
    "BUDKAVLE_SANDBOX_INDEX_OWNER": OWNER,
    "BUDKAVLE_SANDBOX_INDEX_MERGE_SECONDS": "0.1",
    "BUDKAVLE_SANDBOX_INDEX_MERGE_CALLS": "40",
    "BUDKAVLE_LOG_FORMAT": "json",
}


@dataclass(frozen=True)
class Stage:
    """All that a run stands on. `database_url` and `broker_url` go past the proxies."""

    broker: RabbitMQ
    database: PostgreSQL
    broker_url: str
    database_url: str
    networks: tuple[Network, ...]  # between the fleet and its servers; none where it is direct
    sandbox: dict[str, str]
    index: RunningIndex
    fleet: Fleet
    folder: Path

    def under_way(self) -> dict[str, int]:
        """How many messages stand where, dead letters apart; those handed out are counted too."""
        vhost = urlsplit(self.broker_url).path[1:]
        return {
            queue: number
            for queue, number in self.broker.messages(vhost).items()
            if number and not queue.endswith(_NOT_UNDER_WAY)
        }

    def bugs(self) -> list[str]:
        """Log lines of what no handler expected."""
        return [line for line in self._log_lines() if '"handler_failed"' in line]

    def leaks(self) -> list[str]:
        """Log lines that name a patient."""
        return [line for line in self._log_lines() if _PATIENT.search(line)]

    def _log_lines(self) -> Iterator[str]:
        for file in sorted(self.folder.glob("*.log")):
            with file.open(errors="replace") as lines:
                yield from lines


@asynccontextmanager
async def set_up(
    broker: RabbitMQ,
    database: PostgreSQL,
    plan: Plan,
    folder: Path,
    index: RunningIndex | None,
    ingest_bind: str,
    *,
    direct: bool = False,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Everything runs and is ready; all of it is stopped in the end, whatever happened.

    `index`: one that runs already and notifies `ingest_bind`; None: the sandbox's. `direct`: the
    fleet reaches its servers without a proxy between, and the index one ingest. `settings`: on top
    of `IMPATIENT`.
    """
    broker_url, database_url = broker.fresh_vhost(), database.fresh_database()
    with ExitStack() as cabling:
        networks = () if direct else _cables(cabling, broker.port, database.port)
        urls = _through((broker_url, database_url), networks)
        environment = _environment(*urls, ingest_bind) | dict(settings or {})
        await asyncio.to_thread(_prepare, broker_url, database_url, plan)
        sandbox = Child("sandbox", environment, folder / "sandbox.log")
        binds = (ingest_bind,) if direct else _behind(cabling, ingest_bind)
        fleet = Fleet(environment, folder, binds)
        try:
            addresses = await asyncio.to_thread(sandbox.ready, _SANDBOX_SECONDS)
            for setting in ("platform", "smtp", "sms"):
                environment[f"BUDKAVLE_{setting.upper()}_URL"] = addresses[setting]
            await asyncio.to_thread(fleet.start)
            own = index or SandboxIndex(addresses)
            yield Stage(
                *(broker, database, broker_url, database_url),
                *(networks, addresses, own, fleet, folder),
            )
        finally:
            await asyncio.to_thread(fleet.stop)
            await asyncio.to_thread(sandbox.stop)


def _environment(broker_url: str, database_url: str, ingest_bind: str) -> dict[str, str]:
    return {
        **IMPATIENT,
        "BUDKAVLE_BROKER_URL": broker_url,
        "BUDKAVLE_DATABASE_URL": database_url,
        "BUDKAVLE_INGEST_BIND": ingest_bind,
        "BUDKAVLE_ENVIRONMENT": "qa",
        "BUDKAVLE_LOGICAL_ADDRESS": ADDRESS,
    }


def _cables(cabling: ExitStack, *ports: int) -> tuple[Network, ...]:
    return tuple(cabling.enter_context(closing(Network(port))) for port in ports)


def _behind(cabling: ExitStack, bind: str) -> tuple[str, ...]:
    """Where the ingests listen that are reached at `bind`."""
    ports = [free_port() for _ in range(_INGESTS)]
    cabling.enter_context(closing(Network(*ports, port=int(bind.rpartition(":")[2]))))
    return tuple(f"127.0.0.1:{port}" for port in ports)


def _through(urls: tuple[str, ...], networks: Sequence[Network]) -> tuple[str, ...]:
    """`urls` by way of `networks`, if there are any."""
    return tuple(map(_by_way_of, urls, networks)) if networks else urls


def _by_way_of(url: str, network: Network) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{login}@127.0.0.1:{network.port}").geturl()


def _prepare(broker_url: str, database_url: str, plan: Plan) -> None:
    """As `budkavle setup`, `source add` and `contact set` do it."""
    declare(broker_url)
    migrate(database_url)
    database = open_database(database_url)
    try:
        register = SourceRegister(database)
        for source in plan.sources:
            if source.activated and not source.activates_at:
                register.add(_activated(source.hsa_id))
        with database.begin() as connection:
            connection.execute(insert(contact_preference), list(_choices(plan)))
    finally:
        database.close()


def activate(database_url: str, source: Source) -> None:
    """As `budkavle source add` does it. Raises `Unavailable` while the database is away."""
    database = open_database(database_url, pool_size=1)
    try:
        SourceRegister(database).add(_activated(source.hsa_id))
    finally:
        database.close()


def _choices(plan: Plan) -> Iterator[dict[str, object]]:
    """All at once: one by one they would take longer than all else."""
    for number, (patient, channels) in enumerate(plan.choices.items()):
        for channel in channels:
            address = normalize(channel, _address(channel, number))
            yield {
                "patient": patient,
                "channel": channel,
                "address": address,
                "updated_at": utcnow(),
            }


def declare(broker_url: str) -> None:
    topology = CommonSettings(delay_steps=IMPATIENT["BUDKAVLE_DELAY_STEPS"]).topology
    broker = open_broker(broker_url, topology)
    try:
        broker.declare()
    finally:
        broker.close()


def _activated(hsa_id: str) -> SourceSystem:
    return SourceSystem(
        hsa_id=hsa_id,
        name=f"System {hsa_id}",
        environment="qa",
        calls_per_second=200,
        calls_in_flight=8,
        activated_by="chaos",
        activated_at=utcnow(),
    )


def _address(channel: Channel, number: int) -> str:
    if channel is Channel.EMAIL:
        return f"patient{number}@example.org"
    return _FICTIONAL_NUMBERS[number % len(_FICTIONAL_NUMBERS)]
