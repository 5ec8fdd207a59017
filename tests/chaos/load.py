"""Booking systems act the plan out and tell the index of it, over SOAP, as real ones do."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from urllib.parse import quote

from sandbox.http_client import NoAnswer, call, post
from sandbox.updates import build_update, update_headers
from tests.chaos.cases import History, Source, Step
from tests.chaos.ledger import PatientBookings
from tests.chaos.plan import Beginning, Plan, Repetition
from tests.chaos.telling import Booking, State

_CONTROL_SECONDS = 30
_PUT_AT_ONCE = 1000
_UPDATE_SECONDS = 30
_RESEND_SECONDS = 1.0
#: How long a history waits for its messages before it is given up as stuck.
_STUCK_SECONDS = 600
_LOOK_SECONDS = 0.2
_PERSON_NUMBER = 12


class Index:
    """An engagement index as booking systems see it. `owner` is its HSA-id."""

    def __init__(self, url: str, owner: str) -> None:
        self._url = url
        self._owner = owner
        self._numbers = count()
        self.accepted = 0  # Updates that it took
        self.odd = 0  # ... about somebody whom nobody can name, of which ERROR is the right answer

    async def update(self, step: Step, source: Source) -> None:
        """Return when it has taken the Update; what refuses it is an error of ours."""
        headers = update_headers(f"chaos-{next(self._numbers)}", source.hsa_id)
        body = build_update(step.transactions, self._owner)
        while True:
            try:
                status, answer = await post(self._url, body, headers, _UPDATE_SECONDS)
            except NoAnswer:
                await asyncio.sleep(_RESEND_SECONDS)
                continue
            assert status == 200, answer
            self.accepted += 1
            self.odd += is_odd(step)
            return


def is_odd(step: Step) -> bool:
    return any(
        len(one.registered_resident_identification) != _PERSON_NUMBER for one in step.transactions
    )


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
                booking = case.first_booking
                wrong = {"kind": "wrong-patient", "bookingId": booking.booking_id}
                await self._call("POST", f"/faults/{quote(booking.unit)}", wrong)

    async def change(self, step: Step) -> None:
        """With a lag: the sandbox shows the change so much later."""
        after = f"?after={step.lag:.3f}" if step.lag else ""
        for booking in step.removes:
            await self._call("DELETE", _path(booking) + after)
        for booking, state in step.puts:
            await self._call("PUT", _path(booking) + after, fields_of(booking, state))

    async def _call(self, method: str, path: str, said: object = None) -> None:
        body = b"" if said is None else json.dumps(said).encode()
        url = self._control + path
        status, answer = await call(method, url, body, {}, _CONTROL_SECONDS)
        assert status == 200, answer


def fields_of(booking: Booking, state: State) -> dict[str, object]:
    """As TimeslotType has them; see `sandbox.timeslots`."""
    unit = state.answers_as or booking.unit
    return {
        "startTimeInclusive": state.starts,
        "subject_of_care": state.patient,
        "healthcare_facility": unit,
        "healthcare_facility_name": f"Mottagning {unit.rpartition('-')[2]}",
        "performerName": state.performer,
        "careTypeName": state.care or None,
        "purpose": "Ta med legitimation.",
        "isInvitation": state.is_call,
        "rebooking_allowed": True,
    }


def _firsts(history: History) -> list[tuple[Booking, dict[str, object]]]:
    first = history.steps[0]
    if first.lag:
        return []
    return [(booking, fields_of(booking, state)) for booking, state in first.puts]


def _path(booking: Booking) -> str:
    return f"/bookings/{quote(booking.unit)}/{quote(booking.booking_id)}"


class Load:
    """Acts out a plan. `told` says how many messages a patient has from a booking system.

    `activate` orders the activation of a booking system and returns when it has taken effect;
    `deactivate` likewise.
    `steps_done` holds how far each history came; `stuck` the histories that waited in vain.
    """

    def __init__(
        self,
        plan: Plan,
        index: Index,
        systems: BookingSystems,
        *,
        told: Callable[[PatientBookings], int],
        activate: Callable[[Source], Awaitable[None]],
        deactivate: Callable[[Source], Awaitable[None]],
        seconds: float,
    ) -> None:
        self._plan = plan
        self._index = index
        self._systems = systems
        self._told = told
        self._activate = activate
        self._deactivate = deactivate
        self._ended: set[str] = set()  # HSA-ids of those that were deactivated
        self._bound = seconds
        self._over = asyncio.Event()
        self._started = 0.0
        self._active = {source: asyncio.Event() for source in plan.late_sources}
        self._repetitions: dict[tuple[int, int], list[Repetition]] = {}
        for repetition in plan.repetitions:
            key = id(repetition.history), repetition.step
            self._repetitions.setdefault(key, []).append(repetition)
        self.steps_done: Counter[int] = Counter()  # by id(history)
        self.stuck: list[History] = []

    def end(self) -> None:
        """Begin nothing more; what was to be activated later is activated now."""
        self._bound = min(self._bound, self._elapsed)
        self._over.set()

    @property
    def activated(self) -> int:
        """How many booking systems were activated so far, while it ran."""
        return sum(event.is_set() for event in self._active.values())

    async def act(self) -> None:
        """Return when everything that began before the bound has been taken."""
        self._started = time.monotonic()
        async with asyncio.TaskGroup() as acting:
            for source in self._active:
                acting.create_task(self._activate_late(source))
            ends = [acting.create_task(self._end(one)) for one in self._plan.ending_sources]
            for beginning in self._plan.beginnings:
                await self._until(beginning.at)
                if self._is_over:
                    break
                acting.create_task(self._act(beginning))
            for end in ends if self._is_over else ():
                end.cancel()

    async def _activate_late(self, source: Source) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), source.activates_at - self._elapsed)
        await self._activate(source)
        self._active[source].set()

    async def _end(self, source: Source) -> None:
        await self._until(source.deactivates_at)
        await self._deactivate(source)
        self._ended.add(source.hsa_id)

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._elapsed))

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def _is_over(self) -> bool:
        return self._elapsed > self._bound

    async def _act(self, beginning: Beginning) -> None:
        history = beginning.history
        case = history.cases[0]
        if case.source in self._active and not case.early:
            await self._active[case.source].wait()
        async with asyncio.TaskGroup() as repeating:
            for number, step in enumerate(history.steps):
                await asyncio.sleep(step.pause)
                if not step.at_once and not await self._may_begin(step, history):
                    break
                if number or step.lag:
                    await self._systems.change(step)
                self.steps_done[id(history)] += 1
                if step.transactions:
                    await self._index.update(step, case.source)
                repeating.create_task(self._tell_again(history, number))

    async def _may_begin(self, step: Step, history: History) -> bool:
        give_up = time.monotonic() + _STUCK_SECONDS
        while not self._is_over:
            if all(self._told(bookings) >= number for bookings, number in step.awaits):
                return True
            if history.cases[0].source.hsa_id in self._ended:
                return True  # nothing is announced any more
            if time.monotonic() > give_up:
                self.stuck.append(history)
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return False

    async def _tell_again(self, history: History, number: int) -> None:
        """Repeat the Update of a step as often as the plan says."""
        step, source = history.steps[number], history.cases[0].source
        for repetition in self._repetitions.get((id(history), number), ()):
            await asyncio.sleep(repetition.after)
            await self._index.update(step, source)
