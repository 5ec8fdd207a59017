"""The patients of the sandbox's world under names and opaque ids: no person number gets out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sandbox.clinics import NAMES
from shared.base.ids import new_id


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody who can log in. `id` stands in forms and sessions, `number` goes to the APIs."""

    id: str
    number: str
    name: str

    @property
    def born(self) -> str:
        """The year."""
        return self.number[:4]


class People:
    """From the start the sandbox's own two; others once they are met."""

    def __init__(self) -> None:
        self._by_number: dict[str, Resident] = {}
        self.meet(NAMES)

    def __iter__(self) -> Iterator[Resident]:
        return iter([*self._by_number.values()])

    def meet(self, numbers: Iterable[str]) -> None:
        for number in numbers:
            if number not in self._by_number:
                name = NAMES.get(number, f"Invånare {len(self._by_number) + 1}")
                self._by_number[number] = Resident(new_id(), number, name)

    def with_id(self, resident_id: str) -> Resident | None:
        return next((one for one in self if one.id == resident_id), None)

    def with_number(self, number: str) -> Resident:
        self.meet([number])
        return self._by_number[number]
