"""The relay and its world on this machine: sandbox and stages as processes, started and stopped."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

import requests
from sqlalchemy import insert, text

from console.processes import Child, stop_all
from console.stack import free_port
from shared.booking.identity import hsa_key
from shared.relay.topology import STAGES
from shared.store.engine import open_database
from shared.store.tables import contact_preference, source_system
from tests.benchmark.relay import load
from tests.benchmark.relay.depths import Depths
from tests.benchmark.relay.load import Booking, Plan
from tests.benchmark.relay.product import OURS, Product
from tests.notifications import SUBSCRIBER
from tests.services import PostgreSQL, RabbitMQ
from tests.services.postgresql import DURABLE

_READY_SECONDS = 60
_CHUNK = 1000
#: What no source of a benchmark reaches, unless it is to.
UNLIMITED = 10_000.0

_SETTINGS = {
    "BUDKAVLE_ENVIRONMENT": "qa",
    "BUDKAVLE_LOGICAL_ADDRESS": SUBSCRIBER,
    "BUDKAVLE_LOG_FORMAT": "json",
    "BUDKAVLE_SMS_PER_MINUTE": "1000000",
}


@dataclass(frozen=True)
class Limits:
    """What the register says of a source."""

    calls_per_second: float = UNLIMITED
    calls_in_flight: int = 100


class Places(Protocol):
    """Where queues and database of a relay can be."""

    def broker(self) -> str:
        """URL of empty queues."""

    def database(self) -> str:
        """URL of an empty database."""

    def give_back(self, broker_url: str, database_url: str) -> None:
        """Neither is used any more."""


class Servers:
    """A RabbitMQ and a PostgreSQL of our own, for all benchmarks of one run.

    PostgreSQL flushes to disk, and keeps the moment of each commit: that is when a message is in
    the inbox.
    """

    def __init__(self) -> None:
        self.rabbitmq = RabbitMQ()
        self.postgresql = PostgreSQL([*DURABLE, "track_commit_timestamp=on"])
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.rabbitmq)
        self._stack.enter_context(self.postgresql)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def broker(self) -> str:
        return self.rabbitmq.fresh_vhost()

    def database(self) -> str:
        return self.postgresql.fresh_database()

    def give_back(self, broker_url: str, database_url: str) -> None:
        self.rabbitmq.give_back(broker_url)
        self.postgresql.drop_database(database_url)


class Relay:
    """The five stages with `workers` processes each (one, where it does not say), and the sandbox.

    `sources`: by number, those that are activated. Settings are the defaults but for the SMS
    provider's rate limit, which would be all that is measured. `product`: whose stages.
    `database_url`: one that was filled before; an empty one of its own by default.
    """

    def __init__(
        self,
        places: Places,
        sources: Mapping[int, Limits],
        *,
        workers: Mapping[str, int] | None = None,
        product: Product = OURS,
        database_url: str = "",
    ) -> None:
        self._places = places
        self._product = product
        self.broker_url = places.broker()
        database_url = database_url or places.database()
        self._sources = sources
        self._workers = {**dict.fromkeys(STAGES, 1), **(workers or {})}
        self._folder = tempfile.TemporaryDirectory(prefix="budkavle-bench-")
        self._children: list[Child] = []
        self.database = open_database(database_url)
        self._database_url = database_url
        self.ingest = f"127.0.0.1:{free_port()}"
        self.environment = {
            **_SETTINGS,
            "BUDKAVLE_BROKER_URL": self.broker_url,
            "BUDKAVLE_DATABASE_URL": database_url,
            "BUDKAVLE_INGEST_BIND": self.ingest,
        }
        self.pids: dict[str, list[int]] = {}

    @property
    def url(self) -> str:
        return f"http://{self.ingest}/ProcessNotification"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.database.close()
        stop_all(self._children[1:], timeout=30)
        stop_all(self._children[:1])
        self._places.give_back(self.broker_url, self._database_url)
        self._folder.cleanup()

    def prepare(self, plan: Plan) -> None:
        """The sources know the bookings, and the patients have chosen how to be told.

        PostgreSQL gets its statistics of the choices at once: autovacuum would take a minute.
        """
        for some in _chunks(plan.bookings()):
            self.control("PUT", "/bookings", [booking.at_the_source() for booking in some])
            with self.database.begin() as connection:
                connection.execute(insert(contact_preference), [_choice(one) for one in some])
        with self.database.begin() as connection:
            connection.execute(text("ANALYZE contact_preference"))

    def control(self, method: str, path: str, said: Any = None) -> Any:
        """The answer of the sandbox's control API. Raises `requests.HTTPError`."""
        answer = requests.request(method, f"{self._control}{path}", json=said, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def idle(self) -> bool:
        """Whether no work queue holds anything that is ready."""
        with Depths(self.broker_url) as depths:
            return not depths.all()

    def _start(self) -> None:
        self._product.set_up(self.environment)
        self._activate_sources()
        sandbox = self._child("sandbox")
        addresses = sandbox.ready(_READY_SECONDS)
        self._control = addresses["control"]
        for name in ("platform", "smtp", "sms"):
            self.environment[f"BUDKAVLE_{name.upper()}_URL"] = addresses[name]
        self.pids = {"sandbox": [sandbox.process.pid]}
        self.start_stages(self._workers)

    def start_stages(self, workers: Mapping[str, int]) -> None:
        """Return when all of them are ready. Raises `NotReady`."""
        started = {stage: [self.launch(stage) for _ in range(count)]
                   for stage, count in workers.items()}  # fmt: skip
        for stage, children in started.items():
            for child in children:
                child.ready(_READY_SECONDS)
            self.pids[stage] = [child.process.pid for child in children]

    def launch(self, stage: str) -> Child:
        """One process of `stage`, which is stopped with the relay. It is not ready yet."""
        return self._child(self._product.module(stage))

    def _child(self, module: str) -> Child:
        log = Path(self._folder.name) / f"{len(self._children)}-{module.rpartition(' ')[2]}.log"
        child = Child(module, self.environment, log)
        self._children.append(child)
        return child

    def _activate_sources(self) -> None:
        """By one statement that the tables of all commits take."""
        rows = [_activated(number, limits) for number, limits in self._sources.items()]
        if rows:
            with self.database.begin() as connection:
                connection.execute(insert(source_system), rows)


def _activated(number: int, limits: Limits) -> dict[str, Any]:
    hsa_id = load.source_system(number)
    return {
        "hsa_key": hsa_key(hsa_id),
        "environment": "qa",
        "hsa_id": hsa_id,
        "name": f"Booking system {number}",
        "calls_per_second": limits.calls_per_second,
        "calls_in_flight": limits.calls_in_flight,
        "activated_by": "benchmark",
        "activated_at": datetime.now(UTC),
    }


def _choice(booking: Booking) -> dict[str, Any]:
    return {
        "patient": booking.patient,
        "channel": booking.channel,
        "address": booking.address,
        "updated_at": datetime.now(UTC),
    }


def _chunks(bookings: Iterator[Booking]) -> Iterator[Sequence[Booking]]:
    while some := list(islice(bookings, _CHUNK)):
        yield some
