"""How long the operator's pages take with 100,000 dead letters and 2 million messages.

`python -m tests.benchmark.pages`: fills embedded queues and database in a temporary folder (two
minutes), asks for each page, and prints the best, the median and the slowest of 20 answers in
milliseconds.
"""

import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from console.web.site import Site, open_site
from shared.base.addresses import place_of
from shared.base.ids import new_id
from tests.dead_letters import bury, change, letter
from tests.pages import Browser, settings_in

_MESSAGES = 2_000_000
_LETTERS = 100_000
_AT_ONCE = 5_000
_TIMES = 20
_PAGES = ("/live", "/sources", "/dead", "/trace", "/report?since=1d", "/actions", "/preview")

_COUNTED = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_MESSAGES})"
#: Spread over two years, of 40 booking systems.
_AT = f"datetime('now', '-' || (i * 731 * 86400 / {_MESSAGES}) || ' seconds')"
_FILL = (
    f"""{_COUNTED} INSERT INTO inbox_message SELECT 'm' || i, 'b' || i, 1, '191212121212',
    'SE-' || (i % 40), 'SE-unit', 'b' || i, 'booking_confirmation', 'Bokad tid', 'text', 'html',
    NULL, 'uid', '20261203090000', '{{}}', {_AT}, {_AT}, {_AT}, 'n' || i, 'n' || i || '-a',
    i % 3 = 0 FROM n""",
    f"""{_COUNTED} INSERT INTO trace_step (at, stage, outcome, reason, attempt, notification_id,
    change_id, received_at, source_system) SELECT {_AT}, 'filter', 'publish', '', 1, 'n' || i,
    'n' || i || '-a', {_AT}, 'SE-' || (i % 40) FROM n""",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder))
        with closing(open_site(settings)) as site:
            fill(site)
            for path, milliseconds in measure(Browser(site)).items():
                figures = (min(milliseconds), statistics.median(milliseconds), max(milliseconds))
                print(path, *(f"{each:8.1f}" for each in figures), flush=True)  # noqa: T201


def fill(site: Site) -> None:
    file = place_of(site.settings.database_url.get_secret_value())
    with closing(sqlite3.connect(f"/{file.lstrip('/')}")) as connection, connection:
        for statement in _FILL:
            connection.execute(statement)
    with site.broker() as broker:
        for _ in range(_LETTERS // _AT_ONCE):
            letters = (letter(new_id(), change(), reason="source_fault") for _ in range(_AT_ONCE))
            bury(broker, "fetcher", *letters)


def measure(browser: Browser) -> dict[str, list[float]]:
    return {path: [timed(browser, path) for _ in range(_TIMES)] for path in _PAGES}


def timed(browser: Browser, path: str) -> float:
    began = time.perf_counter()
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
