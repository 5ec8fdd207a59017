"""Settings that every stage and the console read. Each stage's own stand in its `settings.py`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.base.addresses import place_of
from shared.base.settings import Bind, Settings, words_of
from shared.booking.digests import KeyedDigests
from shared.booking.environment import Environment
from shared.relay.topology import DELAY_STEPS, RETRY_DELAYS, Topology


def split_seconds(text: object) -> object:
    """`"5 30 0.5"` as numbers of seconds; anything else as it is."""
    if not isinstance(text, str):
        return text
    try:
        return [float(word) for word in words_of(text)]
    except ValueError:
        raise ValueError("is no list of seconds") from None


Seconds = Annotated[tuple[timedelta, ...], NoDecode, BeforeValidator(split_seconds)]


_SHORTEST_KEY = 32
_KINDS = {"amqp": "rabbitmq", "amqps": "rabbitmq"}


def _is_embedded(url: SecretStr) -> bool:
    return url.get_secret_value().startswith("sqlite:")


class CommonSettings(Settings):
    """Settings of all stages and the console."""

    #: Settings without which this process would silently lose data in production.
    stores: ClassVar[tuple[str, ...]] = ("broker_url", "database_url")

    broker_url: SecretStr = Field(
        SecretStr("sqlite:///budkavle-queues.sqlite3"),
        description="Queues: `sqlite:///file` (embedded, one machine) or `amqp://…` (RabbitMQ).",
    )
    broker_management_url: SecretStr = Field(
        SecretStr(""),
        description="RabbitMQ's management API, `https://user:password@host:15671`, for what AMQP"
        " does not tell: what is unacknowledged (`budkavle queues`), and how many replicas the"
        " queues have (`budkavle status`). Without a user, the broker's own. Empty: not known.",
    )
    broker_least_replicas: int = Field(
        1,
        ge=1,
        description="Replicas that every queue should have: 3 on a cluster of three. `budkavle"
        " status`, `check` and `setup` name those that have fewer.",
    )
    database_url: SecretStr = Field(
        SecretStr("sqlite:///budkavle.sqlite3"),
        description="Database: `sqlite:///file` or `postgresql+psycopg://…`.",
    )
    environment: Environment = Field(
        "qa", description="`qa` or `prod`: which activated source systems are ours. Never mixed."
    )
    logical_address: str = Field(
        "", description="Our own HSA-id, to which the index addresses us. Empty: not checked."
    )
    log_format: Literal["auto", "json", "pretty"] = Field(
        "auto", description="`json`, `pretty`, or `auto`: pretty on a terminal, else JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe lines that are written."
    )
    health_bind: Bind = Field(
        "127.0.0.1:0",
        description="host:port for `/healthz`, `/readyz` and `/metrics` of a stage; port 0: any"
        " free one, shown in the ready line.",
    )
    drain_seconds: float = Field(
        20, gt=0, description="On SIGTERM: how long started work may take to finish."
    )
    delay_steps: Seconds = Field(
        DELAY_STEPS, description="Delay queues, in seconds; longer waits are made of these."
    )
    retry_delays: Seconds = Field(
        RETRY_DELAYS, description="Waits after failed attempts, in seconds; then a dead letter."
    )

    log_key: SecretStr = Field(
        SecretStr(""),
        description="Secret of at least 32 characters, the same for all processes, for the digests"
        " of bookings in logs and traces. Empty: logs and traces hold none.",
    )
    trace: bool = Field(
        default=True,
        description="Whether what becomes of each change is kept in the database, for `budkavle"
        " trace` and `budkavle report`.",
    )

    @field_validator("log_key")
    @classmethod
    def _key_is_long(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < _SHORTEST_KEY:
            raise ValueError(f"has fewer than {_SHORTEST_KEY} characters")
        return key

    @model_validator(mode="after")
    def _stores_are_named_in_production(self) -> Self:
        """Refuse defaults in production: patients' messages would be stored in a local file."""
        unnamed = [name for name in self.stores if name not in self.model_fields_set]
        if self.environment == "prod" and unnamed:
            names = " and ".join(f"BUDKAVLE_{name.upper()}" for name in unnamed)
            raise ValueError(f"{names}: to be set in environment prod, also when it is sqlite:///…")
        return self

    @property
    def forgotten_stores(self) -> list[str]:
        """Settings left to their default, a local file, though another store is on a server."""
        named = [name for name in self.stores if name in self.model_fields_set]
        if all(_is_embedded(getattr(self, name)) for name in named):
            return []
        return [f"BUDKAVLE_{name.upper()}" for name in self.stores if name not in named]

    @property
    def shows_itself(self) -> bool:
        """Whether a process writes into the database that it lives.

        Not into a database that nobody named in production, and not into an SQLite file that no
        stage has made yet.
        """
        url = self.database_url.get_secret_value()
        named = self.environment != "prod" or "database_url" in self.model_fields_set
        return named and (not url.startswith("sqlite:") or Path(place_of(url)).exists())

    @property
    def places(self) -> dict[str, str]:
        """Kind and place of broker and database, for the ready line; no user, no password."""
        found = {}
        for name in self.stores:
            url = getattr(self, name).get_secret_value()
            kind = url.partition(":")[0].partition("+")[0]
            found[name.removesuffix("_url")] = f"{_KINDS.get(kind, kind)} {place_of(url)}"
        return found

    @property
    def digests(self) -> KeyedDigests | None:
        """None without a key."""
        key = self.log_key.get_secret_value()
        return KeyedDigests(key) if key else None

    @property
    def topology(self) -> Topology:
        return Topology(delay_steps=self.delay_steps, retry_delays=self.retry_delays)


class WatermarkSettings(CommonSettings):
    """The setting that the composer, which needs watermarks, and the purge share."""

    retain_watermark_days: int = Field(
        30,
        ge=2,
        description="Days for which the order of fetches is known of bookings without a message. A"
        " dead letter of the composer that is older cannot be judged any more.",
    )

    @property
    def watermarks_kept(self) -> timedelta:
        return timedelta(days=self.retain_watermark_days)


class WaitSettings(CommonSettings):
    """How long fetcher and composer wait for what explains an answer."""

    composer_pairing_seconds: float = Field(
        90,
        gt=0,
        description="How long the removal of a booking waits for the booking that takes its place,"
        " before the patient is told that it was cancelled.",
    )
    fetcher_patience_seconds: float = Field(
        120,
        ge=0,
        description="How long a source may take to show what it has announced: a booking created,"
        " changed or removed. It is asked again at growing intervals; then it is believed.",
    )

    @property
    def pairing_window(self) -> timedelta:
        return timedelta(seconds=self.composer_pairing_seconds)

    @property
    def patience(self) -> timedelta:
        return timedelta(seconds=self.fetcher_patience_seconds)
