"""Settings that every process reads. Each stage's own stand in its `settings.py`.

All come from the environment (`BUDKAVLE_…`); any of them may stand instead in a file of that name,
in lower case, in the folder `BUDKAVLE_SECRETS_DIR` (as Docker and Kubernetes mount secrets).
Secrets are never taken from the command line.
"""

import os
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.topology import DELAY_STEPS, RETRY_DELAYS, Topology

Environment = Literal["qa", "prod"]


def words_of(text: str) -> list[str]:
    """The words of `"a b"` or `"a, b"`."""
    return text.replace(",", " ").split()


def split_words(text: object) -> object:
    """A setting of several words as a list of them; anything else as it is."""
    return words_of(text) if isinstance(text, str) else text


def split_seconds(text: object) -> object:
    """`"5 30 0.5"` as numbers of seconds; anything else as it is."""
    return [float(word) for word in words_of(text)] if isinstance(text, str) else text


Seconds = Annotated[tuple[timedelta, ...], NoDecode, BeforeValidator(split_seconds)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_words)]


class Settings(BaseSettings):
    """Read at the start of a process, from the environment or the folder of secrets."""

    model_config = SettingsConfigDict(
        env_prefix="BUDKAVLE_", frozen=True, hide_input_in_errors=True, extra="ignore"
    )

    def __init__(self, **values: object) -> None:
        values.setdefault("_secrets_dir", os.environ.get("BUDKAVLE_SECRETS_DIR") or None)
        super().__init__(**values)  # type: ignore[arg-type]


class CommonSettings(Settings):
    """What all stages and the console need."""

    broker_url: SecretStr = Field(
        SecretStr("sqlite:///budkavle-queues.sqlite3"),
        description="Queues: `sqlite:///file` (embedded, one machine) or `amqp://…` (RabbitMQ).",
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
    health_bind: str = Field(
        "127.0.0.1:0",
        description="host:port for `/healthz`, `/readyz` and `/metrics` of a stage; port 0: any"
        " free one, told in the ready line.",
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

    @property
    def topology(self) -> Topology:
        return Topology(delay_steps=self.delay_steps, retry_delays=self.retry_delays)
