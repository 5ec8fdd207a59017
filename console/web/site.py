"""What all pages of one process share: settings, database, broker, texts, templates, files."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from jinja2 import Environment

from console.findings import find_by
from console.web.background import Background
from console.web.dead_survey import FRESH, Survey, survey_of
from console.web.drawings import Drawings
from console.web.jobs import Jobs
from console.web.looks import FILTERS
from console.web.sampler import Sampler
from console.web.settings import PagesSettings
from shared.relay import open_broker
from shared.relay.broker import Broker
from shared.relay.topology import Place
from shared.store.actions import ActionLog
from shared.store.engine import Database, open_database
from shared.web.rates import RateLimit
from shared.web.static_files import StaticFiles
from shared.web.templates import environment_of
from shared.web.texts import Texts

#: The pages in the navigation: `/NAME`, named by the text `navigation.NAME`.
NAVIGATION = ("live", "sources", "dead", "trace", "report", "actions", "preview")

_HERE = Path(__file__).parent


def _templates() -> Environment:
    environment = environment_of(_HERE / "templates")
    environment.filters.update(FILTERS)
    environment.globals["navigation"] = NAVIGATION
    return environment


@dataclass(frozen=True)
class Site:
    """Made once, at the start of the process. Thread-safe."""

    settings: PagesSettings
    database: Database
    sampler: Sampler
    texts: Texts = field(default_factory=lambda: Texts(_HERE / "texts"))
    templates: Environment = field(default_factory=_templates)
    files: StaticFiles = field(default_factory=StaticFiles)
    jobs: Jobs = field(init=False)
    background: Background = field(default_factory=Background)
    drawings: Drawings = field(default_factory=Drawings)
    searches: RateLimit = field(
        default_factory=lambda: RateLimit(burst=10, spacing=timedelta(seconds=3))
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "jobs", Jobs(lambda: self.actions))

    @property
    def actions(self) -> ActionLog:
        return ActionLog(self.database)

    def close(self) -> None:
        self.sampler.stop()
        self.database.close()

    def survey(self, place: Place, by: str) -> Survey | None:
        """The dead letters in `place`; None while they are read. Raises `BrokerError`."""

        def read() -> Survey:
            with self.broker() as broker:
                return survey_of(broker, place, by)

        found: Survey | None = self.background.get(("dead", place), read, FRESH)
        return found

    def forget_surveys(self) -> None:
        """Letters were moved: what was read before is shown no more."""
        for place in Place:
            self.background.forget(("dead", place))

    @contextmanager
    def broker(self) -> Iterator[Broker]:
        """A connection of one's own, as a command has. Raises `BrokerError`."""
        settings = self.settings
        with closing(
            open_broker(
                settings.broker_url.get_secret_value(),
                settings.topology,
                management_url=settings.broker_management_url.get_secret_value(),
            )
        ) as broker:
            yield broker


def open_site(settings: PagesSettings) -> Site:
    """Its sampler is asked by pages; `start` makes it sample by itself as well."""
    database = open_database(settings.database_url.get_secret_value())
    broker = open_broker(settings.broker_url.get_secret_value(), settings.topology)
    return Site(settings, database, Sampler(lambda: find_by(settings, broker, database)))
