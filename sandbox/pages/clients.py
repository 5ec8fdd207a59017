"""The pages' ways to the read API of the inbox and to the sandbox's control API."""

from typing import Any

import httpx

from sandbox.pages.people import Resident

_SECONDS = 10.0


class Unreachable(Exception):
    """The other side does not answer, or refuses."""


class NotThere(Exception):
    """There is no such message, booking or page."""


class _Client:
    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, timeout=_SECONDS, transport=transport, trust_env=False
        )

    async def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer. Raises `NotThere` for 404, and `Unreachable` for other errors."""
        try:
            answer = await self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise Unreachable(type(error).__name__) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotThere
        if answer.is_error:
            raise Unreachable(f"HTTP {answer.status_code}")
        return answer


class InboxClient(_Client):
    """A patient's inbox by the read API. Methods raise `Unreachable` or `NotThere`."""

    async def page(self, resident: Resident, cursor: str | None = None) -> Any:
        query = {"cursor": cursor} if cursor else {}
        return (await self._of(resident, "GET", "/v1/messages", params=query)).json()

    async def message(self, resident: Resident, message_id: str) -> Any:
        return (await self._of(resident, "GET", f"/v1/messages/{message_id}")).json()

    async def calendar(self, resident: Resident, message_id: str) -> bytes:
        path = f"/v1/messages/{message_id}/calendar"
        return (await self._of(resident, "GET", path)).content

    async def mark_read(self, resident: Resident, message_id: str) -> None:
        await self._of(resident, "PUT", f"/v1/messages/{message_id}/read")

    async def _of(
        self, resident: Resident, method: str, path: str, **arguments: Any
    ) -> httpx.Response:
        headers = {"Budkavle-Patient": resident.number}
        return await self.ask(method, path, headers=headers, **arguments)


class WorldClient(_Client):
    """Booking systems, index and phones by the control API. Raises as `InboxClient`."""

    async def json(self, method: str, path: str, said: Any = None) -> Any:
        return (await self.ask(method, path, json=said)).json()

    async def bookings(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = await self.json("GET", "/bookings")
        return found

    async def booking(self, unit: str, booking_id: str) -> dict[str, str]:
        found: dict[str, str] = await self.json("GET", f"/bookings/{unit}/{booking_id}")
        return found

    async def hold(self, source_system: str, booking: dict[str, Any]) -> None:
        """The booking system books, or changes what it booked, and updates the index."""
        fields = {name: value for name, value in booking.items() if name != "logicalAddress"}
        unit, booking_id = booking["healthcare_facility"], booking["bookingId"]
        await self.json("PUT", f"/bookings/{unit}/{booking_id}", fields)
        await self.json("POST", "/updates", [transaction(source_system, booking)])

    async def remove(self, source_system: str, booking: dict[str, Any]) -> None:
        unit, booking_id = booking["healthcare_facility"], booking["bookingId"]
        await self.json("DELETE", f"/bookings/{unit}/{booking_id}")
        await self.json("POST", "/updates", [transaction(source_system, booking, removed=True)])


def transaction(
    source_system: str, booking: dict[str, Any], *, removed: bool = False
) -> dict[str, Any]:
    """What a booking system says of `booking` to the engagement index."""
    starts = booking.get("startTimeInclusive")
    return {
        "deleteFlag": removed,
        "registeredResidentIdentification": booking["subject_of_care"],
        "logicalAddress": booking["healthcare_facility"],
        "businessObjectInstanceIdentifier": booking["bookingId"],
        "sourceSystem": source_system,
        **({"mostRecentContent": starts} if starts and not removed else {}),
    }
