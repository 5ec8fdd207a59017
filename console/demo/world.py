"""What the story does in the outside world: clinics book, and phones receive SMS."""

from dataclasses import dataclass, field
from typing import Any

import requests

from sandbox.clinics import Clinic
from sandbox.engagements import read_json
from sandbox.updates import build_update, update_headers
from shared.base.ids import new_id

_TIMEOUT = 10


@dataclass
class ClinicBooking:
    """A booking as the clinic's system holds it; `details` are fields of TimeslotType."""

    clinic: Clinic
    booking_id: str
    patient: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/bookings/{self.clinic.unit}/{self.booking_id}"

    def transaction(self, *, removed: bool) -> dict[str, Any]:
        """The transaction that the booking system sends to the engagement index."""
        transaction = {
            "deleteFlag": removed,
            "registeredResidentIdentification": self.patient,
            "logicalAddress": self.clinic.unit,
            "businessObjectInstanceIdentifier": self.booking_id,
            "sourceSystem": self.clinic.source_system,
        }
        starts = self.details.get("startTimeInclusive")
        if starts and not removed:
            transaction["mostRecentContent"] = starts
        return transaction


@dataclass(frozen=True)
class ForeignIndex:
    """An engagement index that is not the sandbox's: where it takes Update, and its HSA-id."""

    url: str
    hsa_id: str


class DemoWorld:
    """The sandbox, over its control addresses; `index`: used instead of the sandbox's."""

    def __init__(self, control: str, index: ForeignIndex | None = None) -> None:
        self._control = control
        self._index = index
        self._session = requests.Session()

    @property
    def has_own_index(self) -> bool:
        """Whether the sandbox's index is used, whose queues can be read."""
        return self._index is None

    def book(self, booking: ClinicBooking) -> None:
        """The clinic books, or changes what it booked, and updates the index."""
        self.hold(booking)
        self.tell_index(booking.transaction(removed=False))

    def cancel(self, booking: ClinicBooking) -> None:
        self._call("DELETE", booking.path)
        self.tell_index(booking.transaction(removed=True))

    def rebook(self, old: ClinicBooking, new: ClinicBooking) -> None:
        """Rebook as many systems do: a removal and a creation in one Update."""
        self._call("DELETE", old.path)
        self.hold(new)
        self.tell_index(old.transaction(removed=True), new.transaction(removed=False))

    def hold(self, booking: ClinicBooking) -> None:
        """Store the booking in the booking system, without an Update."""
        details = {"subject_of_care": booking.patient, **booking.details}
        self._call("PUT", booking.path, json=details)

    def tell_index(self, *transactions: dict[str, Any]) -> None:
        if self._index is None:
            self._call("POST", "/updates", json=list(transactions))
            return
        update = build_update(read_json(list(transactions)), self._index.hsa_id)
        headers = update_headers(f"demo-{new_id()}", transactions[0]["sourceSystem"])
        answer = self._session.post(self._index.url, update, headers=headers, timeout=_TIMEOUT)
        answer.raise_for_status()

    def break_source(self, clinic: Clinic, kind: str, **how: Any) -> None:
        self._call("POST", f"/faults/{clinic.unit}", json={"kind": kind, **how})

    def mend_source(self, clinic: Clinic) -> None:
        self._call("DELETE", f"/faults/{clinic.unit}")

    def sms_to(self, number: str) -> list[dict[str, Any]]:
        return [sms for sms in self._call("GET", "/sms") if sms["to"] == number]

    def mail_to(self, address: str) -> list[dict[str, Any]]:
        return [mail for mail in self._call("GET", "/mail") if address in mail["envelope"]["to"]]

    def notifications_lost(self) -> int:
        """What the index gave up on, and what it was told that we do not take."""
        summary = self._call("GET", "/index")
        return int(summary["dead"]) + int(summary["gone"])

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._session.request(method, self._control + path, timeout=_TIMEOUT, **arguments)
        answer.raise_for_status()
        return answer.json() if answer.content else None
