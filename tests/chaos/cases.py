"""What is acted out: booking systems, the steps of a history, and the cases it is judged by."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sandbox.engagements import Transaction
from shared.booking.identity import hsa_key
from tests.chaos.telling import Booking, Moment, State, Telling, Ways, always_one_change, tellings

#: Of these nothing may ever be announced.
SILENT = frozenset({"passed", "mixed_up", "not_activated", "odd_person", "old_entry"})
#: Of these the booking system answers about somebody else at first.
MENDED = frozenset({"mixed_up_and_moved", "mixed_up_and_mended"})
#: Of these several bookings are removed and created at once, so that it may be left open which is
#: in whose place. Then each is announced by itself, in any order.
IN_HASTE = frozenset({"chain_in_haste", "chain_cancelled"})


@dataclass(frozen=True, slots=True)
class Source:
    """A booking system and the units that use it. All are HSA-ids.

    `activates_at`: seconds from the start until it is activated; 0: it is from the start.
    `deactivates_at`: until it is deactivated; 0: never.
    """

    hsa_id: str
    units: tuple[str, ...]
    activated: bool = True
    activates_at: float = 0
    deactivates_at: float = 0


#: Of which patient's bookings at which booking system messages are awaited, and how many.
Awaited = tuple[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Step:
    """First the booking system changes, then it tells the index, in one request.

    `pause` seconds lie before it. `awaits`: how many messages must have been written before it
    begins. `at_once`: it belongs to the step before it, whatever happens. `lag`: so many seconds
    later the booking system shows the change.
    """

    transactions: tuple[Transaction, ...]
    puts: tuple[tuple[Booking, State], ...] = ()
    removes: tuple[Booking, ...] = ()
    pause: float = 0
    awaits: tuple[Awaited, ...] = ()
    at_once: bool = False
    lag: float = 0


@dataclass(frozen=True, slots=True)
class Case:
    """One patient's visit and what may be announced of it."""

    story: str
    patient: str
    source: Source
    moments: tuple[tuple[Moment, ...], ...]  # what is known to be true after 1, 2, … steps
    silent: bool = False  # whatever happens, nothing is to be announced
    mixed_up: bool = False  # the booking system answers about another patient
    unreadable: bool = False  # nobody can say whom its engagement is about
    early: bool = False  # created before its booking system was activated: it may be ignored
    lags: bool = False  # its booking system tells the index before it shows a change
    former_number: str = ""  # of the patient, who had this visit under that number
    #: Under the new number it is cancelled: where it was not announced there, it is so here.
    cancelled_later: bool = False
    mended: bool = False  # the booking system answered about another patient at first

    @property
    def bookings(self) -> frozenset[str]:
        """The ids of all bookings that this visit ever has."""
        return frozenset(moment.booking.booking_id for moment in self.moments[-1])

    @property
    def first_booking(self) -> Booking:
        return self.moments[-1][0].booking

    @property
    def is_in_haste(self) -> bool:
        return self.story in IN_HASTE

    @property
    def is_rebooked(self) -> bool:
        """Whether it is ever another booking than before."""
        return len({moment.booking for moment in self.moments[-1]}) > 1

    def tellings(self, steps: int, ways: Ways = always_one_change) -> frozenset[Telling]:
        """What may be announced when only the first `steps` came to pass."""
        if self.source.deactivates_at and not self.silent:
            told = frozenset(self._begun_tellings(steps, ways))
        else:
            silent = self.silent or steps == 0
            told = tellings(() if silent else self.moments[steps - 1], ways)
        if self.cancelled_later:
            told |= {(*lines, replace(lines[-1], kind="cancellation")) for lines in told if lines}
        return told | {()} if self.early else told

    def _begun_tellings(self, steps: int, ways: Ways) -> Iterator[Telling]:
        """As far as they came before the booking system was deactivated."""
        yield ()
        for moments in self.moments[:steps]:
            for telling in tellings(moments, ways):
                yield from (telling[:end] for end in range(1, len(telling) + 1))


@dataclass(frozen=True, slots=True)
class History:
    """Steps that follow each other, and the cases they belong to."""

    steps: tuple[Step, ...]
    cases: tuple[Case, ...]

    @property
    def updates(self) -> list[int]:
        """The numbers of the steps of which the index is told."""
        return [number for number, step in enumerate(self.steps) if step.transactions]


def is_of(case: Case) -> tuple[str, str]:
    """Patient and booking system: where the case's messages lie."""
    return case.patient, hsa_key(case.source.hsa_id)
