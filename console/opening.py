"""Opens the broker and the database of a command, by the settings.

A command that needs only the queues does not import the database, which takes half a second.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from console.exits import ExitCode, Refused
from shared.base.logging import configure_logging
from shared.relay import open_broker
from shared.relay.broker import Broker
from shared.stage.settings import CommonSettings

if TYPE_CHECKING:
    from shared.store.engine import Database


def load_settings() -> CommonSettings:
    """The settings, with logging set up: warnings only, unless a level was set."""
    settings = CommonSettings()
    if "log_level" not in settings.model_fields_set:
        settings = settings.model_copy(update={"log_level": "warning"})
    configure_logging("console", settings)
    return settings


@contextmanager
def opened_database() -> Iterator["Database"]:
    """The database, known to have the schema of this version."""
    from shared.store.engine import open_database
    from shared.store.migrate import ensure_sqlite, is_current

    url = load_settings().database_url.get_secret_value()
    ensure_sqlite(url)
    if not is_current(url):
        raise Refused(
            "the database lacks the schema of this version; run `budkavle setup`",
            ExitCode.UNAVAILABLE,
        )
    with closing(open_database(url)) as database:
        yield database


@contextmanager
def opened_broker() -> Iterator[Broker]:
    settings = load_settings()
    with closing(
        open_broker(
            settings.broker_url.get_secret_value(),
            settings.topology,
            management_url=settings.broker_management_url.get_secret_value(),
        )
    ) as broker:
        yield broker
