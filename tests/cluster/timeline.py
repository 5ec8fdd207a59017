"""What fails when, as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    LEADER_KILLED = "the node that leads the queues, killed"
    NODE_FROZEN = "the node most clients are on, frozen"
    NODE_CUT_OFF = "the node most clients are on, cut off from the others"
    ROLLING_RESTART = "all nodes restarted, one by one"
    DATABASE_FAILOVER = "PostgreSQL's primary killed, its standby promoted"


@dataclass(frozen=True, slots=True)
class Incident:
    """`lasts` seconds, then all is mended and rests for `rest` seconds.

    `aim`: the longest standstill it may cause, in seconds. `behind`: by how many seconds the
    standby is behind when it is promoted.
    """

    failure: Failure
    lasts: float
    aim: float
    rest: float = 15
    behind: float = 0

    @property
    def title(self) -> str:
        return f"{self.failure} for {self.lasts:g} s"


Timeline = Sequence[Incident]

#: A frozen node is left by the watchdog within 13 s; one that is cut off closes its connections
#: after 12 s; a killed one is left at once. PostgreSQL's `lasts` is how long nobody promotes the
#: standby.
LONG: Timeline = (
    Incident(Failure.LEADER_KILLED, lasts=10, aim=5),
    Incident(Failure.NODE_FROZEN, lasts=25, aim=15),
    Incident(Failure.NODE_CUT_OFF, lasts=25, aim=15),
    Incident(Failure.NODE_CUT_OFF, lasts=100, aim=15),  # beyond the 60 s of Erlang's own tick
    Incident(Failure.ROLLING_RESTART, lasts=5, aim=5),
    Incident(Failure.DATABASE_FAILOVER, lasts=5, aim=15),
)
#: What CI runs. A node that is cut off is left because the broker closes its connections, which the
#: long form shows.
SHORT: Timeline = (
    Incident(Failure.LEADER_KILLED, lasts=4, aim=5, rest=5),
    Incident(Failure.NODE_FROZEN, lasts=14, aim=15, rest=5),
    Incident(Failure.DATABASE_FAILOVER, lasts=3, aim=15, rest=5),
)
#: What an asynchronous standby costs. Its losses are counted, and are no fault of the relay's.
ASYNCHRONOUS: Timeline = (Incident(Failure.DATABASE_FAILOVER, lasts=5, aim=15, behind=5),)
