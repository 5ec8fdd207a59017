"""Booking systems and the index: act the plan out, and send what was not taken until it is."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from urllib.parse import quote

from sandbox.deliveries import Answer, Deliveries, Notification
from sandbox.http_client import NoAnswer, call
from sandbox.subscriber import Subscriber
from tests.chaos.accounts import circle_of
from tests.chaos.ledger import Circle
from tests.chaos.plan import Beginning, Plan, Repetition
from tests.chaos.stories import Case, History, Source, Step
from tests.chaos.telling import Booking, State

_CONTROL_SECONDS = 30
_PUT_AT_ONCE = 1000
#: As the index has them: the least time it waits for an answer, and the pause before a re-send.
_ANSWER_SECONDS = 5.0
_RESEND_SECONDS = 1.0
_AT_ONCE = 20
_CROWD = 60
#: The index gives up after five re-sends and people replay; here they do so without end.
_ENDLESS = 1_000_000_000
#: How long a history waits for its messages before it is given up as stuck.
_STUCK_SECONDS = 600
_LOOK_SECONDS = 0.2


class Index:
    """Sends requests one after another for each key, until each is taken."""

    def __init__(self, url: str, address: str) -> None:
        self._subscriber = Subscriber(url, address, _ANSWER_SECONDS)
        self._deliveries = Deliveries(
            self._send, resends=_ENDLESS, pause_seconds=_RESEND_SECONDS, parallel=_AT_ONCE
        )
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._room = asyncio.Event()
        self._room.set()
        self.counts: Counter[str] = Counter()  # accepted, refused, sent_again

    async def room(self) -> None:
        """Return when so few wait to be taken that more would not get in their way."""
        await self._room.wait()

    async def deliver(self, step: Step, source: Source) -> None:
        """Return when the request is taken."""
        correlation_id = f"chaos-{next(self._numbers)}"
        taken = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = taken
        notification = Notification(step.transactions, correlation_id, source.hsa_id)
        self._deliveries.deliver(notification)
        self._make_room()
        await taken

    async def stop(self) -> None:
        await self._deliveries.stop()

    async def _send(self, notification: Notification) -> Answer:
        try:
            answer = await self._subscriber.send(notification)
        except NoAnswer:
            self.counts["sent_again"] += 1
            raise
        self.counts["accepted" if answer.result_code == "OK" else "refused"] += 1
        self._waiting.pop(notification.correlation_id).set_result(None)
        self._make_room()
        return answer

    def _make_room(self) -> None:
        if len(self._waiting) < _CROWD:
            self._room.set()
        else:
            self._room.clear()


class BookingSystems:
    """The sandbox's booking systems, over its control API."""

    def __init__(self, control: str) -> None:
        self._control = control

    async def open(self, plan: Plan) -> None:
        """Have what every history begins with; nobody has been told of it yet."""
        said = [
            {"logicalAddress": booking.unit, "bookingId": booking.booking_id} | fields
            for beginning in plan.beginnings
            for booking, fields in _firsts(beginning.history)
        ]
        for start in range(0, len(said), _PUT_AT_ONCE):
            await self._call("PUT", "/bookings", said[start : start + _PUT_AT_ONCE])
        for case in plan.cases:
            if case.mixed_up:
                booking = case.moments[0][0].booking
                wrong = {"kind": "wrong-patient", "bookingId": booking.booking_id}
                await self._call("POST", f"/faults/{quote(booking.unit)}", wrong)

    async def change(self, step: Step, case: Case) -> None:
        for booking in step.removes:
            await self._call("DELETE", _path(booking))
        for booking, state in step.puts:
            await self._call("PUT", _path(booking), fields_of(state, case.patient))

    async def _call(self, method: str, path: str, said: object = None) -> None:
        body = b"" if said is None else json.dumps(said).encode()
        url = self._control + path
        status, answer = await call(method, url, body, {}, _CONTROL_SECONDS)
        assert status == 200, answer


def fields_of(state: State, patient: str) -> dict[str, object]:
    """As TimeslotType has them; see `sandbox.timeslots`."""
    return {
        "startTimeInclusive": state.starts,
        "subject_of_care": patient,
        "healthcare_facility_name": "Vårdcentralen Påhittet",
        "performerName": state.performer,
        "careTypeName": "Läkarbesök",
        "purpose": "Ta med legitimation.",
        "isInvitation": state.is_call,
        "rebooking_allowed": True,
    }


def _firsts(history: History) -> list[tuple[Booking, dict[str, object]]]:
    patients = {case.moments[0][0].booking: case.patient for case in history.cases}
    return [
        (booking, fields_of(state, patients[booking])) for booking, state in history.steps[0].puts
    ]


def _path(booking: Booking) -> str:
    return f"/bookings/{quote(booking.unit)}/{quote(booking.booking_id)}"


class Load:
    """Acts out a plan. `told` says how many messages a patient has from a booking system.

    `steps_done` holds how far each history came; `stuck` the histories that waited in vain.
    """

    def __init__(
        self,
        plan: Plan,
        index: Index,
        systems: BookingSystems,
        told: Callable[[Circle], int],
        seconds: float,
    ) -> None:
        self._plan = plan
        self._index = index
        self._systems = systems
        self._told = told
        self._bound = seconds
        self._started = 0.0
        self._repetitions: dict[tuple[int, int], list[Repetition]] = {}
        for repetition in plan.repetitions:
            key = id(repetition.history), repetition.step
            self._repetitions.setdefault(key, []).append(repetition)
        self.steps_done: Counter[int] = Counter()  # by id(history)
        self.stuck: list[History] = []

    async def act(self) -> None:
        """Return when everything that began before the bound has been taken."""
        self._started = time.monotonic()
        async with asyncio.TaskGroup() as acting:
            for beginning in self._plan.beginnings:
                await asyncio.sleep(max(0.0, beginning.at - self._elapsed))
                await self._index.room()
                if self._is_over:
                    break
                acting.create_task(self._act(beginning))

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def _is_over(self) -> bool:
        return self._elapsed > self._bound

    async def _act(self, beginning: Beginning) -> None:
        history = beginning.history
        async with asyncio.TaskGroup() as delivering:
            for number, step in enumerate(history.steps):
                await asyncio.sleep(step.pause)
                if not step.at_once and not await self._may_begin(step, history):
                    break
                if number:
                    await self._systems.change(step, history.cases[0])
                self.steps_done[id(history)] += 1
                delivering.create_task(self._tell(history, number))

    async def _may_begin(self, step: Step, history: History) -> bool:
        give_up = time.monotonic() + _STUCK_SECONDS
        while not self._is_over:
            if self._told(circle_of(history.cases[0])) >= step.awaits:
                return True
            if time.monotonic() > give_up:
                self.stuck.append(history)
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return False

    async def _tell(self, history: History, number: int) -> None:
        """Tell of a step, and again as often as the plan says."""
        step, source = history.steps[number], history.cases[0].source
        await self._index.deliver(step, source)
        for repetition in self._repetitions.get((id(history), number), ()):
            await asyncio.sleep(repetition.after)
            await self._index.deliver(step, source)
