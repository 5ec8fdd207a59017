"""The relay with an empty database and with a full one, by turns within minutes.

Both relays run all the time and only one is loaded, so that a busy moment of the machine strikes
both alike.
"""

from contextlib import closing
from dataclasses import dataclass

from shared.store.engine import open_database
from shared.store.migrate import migrate
from tests.benchmark.percentiles import percentiles
from tests.benchmark.relay.filling import fill
from tests.benchmark.relay.load import Plan
from tests.benchmark.relay.scenes import HEALTHY, Paced, paced_with_cost, warm_relay
from tests.benchmark.relay.world import Servers

_ROUNDS = 3
#: The bookings of each round have numbers of their own.
_APART = 1_000_000


@dataclass(frozen=True)
class EmptyAndFull:
    """The same loads on both."""

    empty: Paced
    full: Paced


def empty_and_full(servers: Servers, *, rows: int, rate: float, seconds: float) -> EmptyAndFull:
    """`rows`: inbox messages and watermarks; half as many contacts. `seconds`: of each round."""
    url = _filled(servers, rows)
    plans = [Plan(round(rate * seconds), _APART * number, HEALTHY, rate=rate)
             for number in range(1, _ROUNDS + 1)]  # fmt: skip
    with warm_relay(servers) as empty, warm_relay(servers, database_url=url) as full:
        rounds = [[paced_with_cost(relay, plan) for relay in (empty, full)] for plan in plans]
    return EmptyAndFull(*(_together(list(of_one)) for of_one in zip(*rounds, strict=True)))


def _filled(servers: Servers, rows: int) -> str:
    url = servers.database()
    migrate(url)
    with closing(open_database(url)) as database:
        fill(database, rows)
    return url


def _together(rounds: list[tuple[list[float], float]]) -> Paced:
    times = [one for seconds, _ in rounds for one in seconds]
    return Paced(percentiles(times), sum(cost for _, cost in rounds) / len(rounds))
