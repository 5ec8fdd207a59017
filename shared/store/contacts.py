"""Where each patient wants notices: the table `contact_preference`."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, delete, select, update

from shared.base.clock import Clock, utcnow
from shared.booking.contact_points import normalize
from shared.booking.notices import Channel, Choice
from shared.store.engine import Database
from shared.store.statements import among, insert_if_absent
from shared.store.tables import contact_preference

_table = contact_preference.c

#: Built once: building a statement costs more than running it.
_OF_PATIENTS = (
    select(
        _table.patient,
        _table.channel,
        _table.address,
        _table.bounces,
        _table.last_bounce,
        _table.suppressed_at,
    )
    .where(among(_table.patient, "patients"))
    .order_by(_table.channel)
)

_UNHARMED = {"bounces": 0, "last_bounce": "", "suppressed_at": None}


class ContactPreferences:
    """The patients' choices. All methods raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, clock: Clock = utcnow) -> None:
        self._database = database
        self._clock = clock

    def set(self, patient: str, channel: Channel, address: str) -> str:
        """Set the patient's address on `channel`; the address in the form it is kept.

        What was known of bounces is forgotten, also when it is the same address.

        Raises ValueError when it is not an address of that channel.
        """
        kept = normalize(channel, address)
        choice = {"address": kept, "updated_at": self._clock(), **_UNHARMED}
        key = {"patient": _key(patient), "channel": channel}
        with self._database.begin() as connection:
            if not insert_if_absent(connection, contact_preference, {**key, **choice}):
                change = update(contact_preference).where(_chosen(patient, channel))
                connection.execute(change.values(choice))
        return kept

    def of(self, patient: str) -> dict[Channel, str]:
        """The patient's address on each channel the patient has chosen, suppressed ones too."""
        return {channel: choice.address for channel, choice in self.choices(patient).items()}

    def choices(self, patient: str) -> dict[Channel, Choice]:
        """What the patient has chosen on each channel."""
        return self.choices_of([patient])[patient]

    def choices_of(self, patients: Collection[str]) -> dict[str, dict[Channel, Choice]]:
        """What each of these patients has chosen on each channel."""
        found: dict[str, dict[Channel, Choice]] = {_key(patient): {} for patient in patients}
        with self._database.single() as connection:
            for row in connection.execute(_OF_PATIENTS, {"patients": list(found)}):
                found[row[0]][Channel(row[1])] = Choice(*row[2:])
        return {patient: found[_key(patient)] for patient in patients}

    def remove(self, patient: str, channel: Channel | None = None) -> int:
        """Remove the choice of `channel`, or all choices; how many were removed."""
        with self._database.begin() as connection:
            chosen = delete(contact_preference).where(_chosen(patient, channel))
            return connection.execute(chosen).rowcount


def _chosen(patient: str, channel: Channel | None = None) -> ColumnElement[bool]:
    of_patient = _table.patient == _key(patient)
    return of_patient if channel is None else and_(of_patient, _table.channel == channel)


def _key(patient: str) -> str:
    """Reserve numbers hold letters, which senders write in either case."""
    return patient.upper()
