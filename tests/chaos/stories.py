"""What may become of one visit, and how often it does. Several visits: `tests.chaos.visits`."""

from collections.abc import Callable

from tests.chaos.clinic import Clinic

#: Further apart than the relay looks for the other half of a rebooking, in seconds.
LATE_SECONDS = 17.0

Story = Callable[[Clinic], None]


def _recreated(clinic: Clinic) -> None:
    """Of what is created, removed and created again within one window, the index passes on the
    removal alone. While its booking system is behind, nobody can tell that from a clean-up of an
    old entry (docs/decisions.md, "A source that is behind, and reordering").
    """
    clinic.waits = clinic.waits or clinic.lag > 0
    clinic.books()
    clinic.cancels()
    clinic.moves()


def _rebooked_apart(clinic: Clinic) -> None:
    clinic.waits = True
    clinic.books()
    clinic.rebooks_apart()


def _rebooked_late(clinic: Clinic) -> None:
    clinic.waits = True
    clinic.books()
    clinic.rebooks_late(LATE_SECONDS)


def _call_followed(clinic: Clinic) -> None:
    clinic.waits = True
    clinic.calls_openly()
    clinic.call_is_followed(apart=False)


def _call_followed_apart(clinic: Clinic) -> None:
    clinic.waits = True
    clinic.calls_openly()
    clinic.call_is_followed(apart=True)


def _moved_quietly(clinic: Clinic) -> None:
    """Announced before it moves: a removal of what was never announced says nothing."""
    clinic.waits = True
    clinic.books()
    elsewhere = [unit for unit in clinic.source.units if unit != clinic.booking.unit]
    clinic.moves_quietly(clinic.rng.choice(elsewhere))


def _not_activated(clinic: Clinic) -> None:
    """Some of it odd: what a system that is not activated sends is nobody's dead letter."""
    clinic.rng.choice((Clinic.books, Clinic.books_for_odd_person))(clinic)


def _in_order(*doings: Story) -> Story:
    def story(clinic: Clinic) -> None:
        for doing in doings:
            doing(clinic)

    return story


#: Each story, and how often it happens among a hundred.
STORIES: dict[str, tuple[int, Story]] = {
    "booked": (12, Clinic.books),
    "called": (5, Clinic.calls),
    "called_openly": (4, Clinic.calls_openly),
    "moved": (11, _in_order(Clinic.books, Clinic.moves)),
    "moved_twice": (4, _in_order(Clinic.books, Clinic.moves, Clinic.moves)),
    "changed": (4, _in_order(Clinic.books, Clinic.changes_performer)),
    "call_moved": (3, _in_order(Clinic.calls, Clinic.moves)),
    "call_answered": (4, _in_order(Clinic.calls_openly, Clinic.call_is_answered)),
    "call_expired": (2, _in_order(Clinic.calls_openly, Clinic.cancels)),
    "call_followed": (2, _call_followed),
    "call_followed_apart": (2, _call_followed_apart),
    "cancelled": (10, _in_order(Clinic.books, Clinic.cancels)),
    "recreated": (3, _recreated),
    "corrected": (4, _in_order(Clinic.books, Clinic.corrects)),
    "corrected_and_cancelled": (2, _in_order(Clinic.books, Clinic.corrects, Clinic.cancels)),
    "rebooked": (7, _in_order(Clinic.books, Clinic.rebooks)),
    "rebooked_twice": (3, _in_order(Clinic.books, Clinic.rebooks, Clinic.rebooks)),
    "rebooked_and_cancelled": (3, _in_order(Clinic.books, Clinic.rebooks, Clinic.cancels)),
    "rebooked_apart": (5, _rebooked_apart),
    "rebooked_late": (1, _rebooked_late),
    "moved_quietly": (2, _moved_quietly),
    "passed": (1, Clinic.books_in_the_past),
    "not_activated": (1, _not_activated),
    "odd_elements": (2, Clinic.books_oddly),
    "odd_person": (1, Clinic.books_for_odd_person),
    "mixed_up": (1, Clinic.books),
}
