"""Run the composer: `python -m composer`."""

import sys
from datetime import timedelta

from composer.handler import Composer
from composer.lagging import LaggingSources
from composer.metrics import report_mismatch
from composer.settings import ComposerSettings
from composer.wording import BrokenTemplate, Wording
from shared.base.errors import WrongSettings
from shared.base.ids import new_id
from shared.stage.process import run_stage, start
from shared.store.clock import DatabaseClock
from shared.store.engine import open_database
from shared.store.inbox import Inbox
from shared.store.migrate import ensure_sqlite
from shared.store.sources import CachedRegister, SourceRegister

#: How old the copy of the register may be: after a deactivation nothing is announced.
_REGISTER_AGE = timedelta(seconds=0.5)
#: How long after the former batch the next one begins, while changes keep coming: five statements
#: and one flush to the disk are shared by all in it.
_LINGER_SECONDS = 0.03


def run(settings: ComposerSettings) -> int:
    wording = sound_wording(settings)
    url = settings.database_url.get_secret_value()
    ensure_sqlite(url)
    database = open_database(url, pool_size=settings.composer_concurrency, by_index=True)
    register = SourceRegister(database)
    sources = CachedRegister(lambda: register.snapshot(settings.environment), _REGISTER_AGE)
    clock = DatabaseClock(database)
    lagging = LaggingSources(
        lambda seen: register.set_lagged(seen, settings.environment), clock=clock
    )
    composer = Composer(
        Inbox(database),
        sources,
        wording,
        report_mismatch,
        lagging,
        limits=settings.limits,
        memory=settings.watermarks_kept,
        clock=clock,
        new_id=new_id,
    )
    return run_stage(
        "composer",
        composer,
        settings,
        concurrency=settings.composer_concurrency,
        prefetch=settings.composer_prefetch,
        handle_batch=composer.handle_batch,
        linger=_LINGER_SECONDS,
        report=lagging.report,
        checks={"database": database.ready, "register": sources.ready, "clock": clock.agrees},
        closers=[database.close],
    )


def sound_wording(settings: ComposerSettings) -> Wording:
    """The templates in force. Raises `WrongSettings` when one of them is at fault."""
    try:
        return Wording(settings.composer_templates)
    except BrokenTemplate as error:
        raise WrongSettings(f"BUDKAVLE_COMPOSER_TEMPLATES: {error}") from error


if __name__ == "__main__":
    sys.exit(start("composer", ComposerSettings, run))
