"""What the composer's stories share: bookings, states, and a patient who was told of one."""

from datetime import timedelta

from shared.booking.identity import BookingKey
from tests.unit.composer_world import LATER, OTHER_UNIT, VISIT, World, but, key

A, B, C, D = (key(name) for name in "ABCD")
MOVED_A = key("A", OTHER_UNIT)
NEW_NUMBER = "201212121212"
RENUMBERED_A = key("A", patient=NEW_NUMBER)

THERE = but(VISIT, unit=OTHER_UNIT, unit_name="Ögonmottagningen Bergby")
ELSEWHERE = but(LATER, unit=OTHER_UNIT, unit_name="Ögonmottagningen Bergby")
LATER_STILL = but(VISIT, starts="20261215100000", ends="")
OTHER_KIND = but(LATER, care_type_name="Fysioterapi", performer_name="Cia Falk")
OLD_TIME, NEW_TIME = "torsdag 3 december 2026 kl. 09.00", "torsdag 10 december 2026 kl. 13.30"
CANCELLED_AND_NEW = ["booking_confirmation", "cancellation"]  # sorted


def told_of_a() -> World:
    """The patient was told of booking A a day ago."""
    world = World()
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    return world


def announced_beforehand(*bookings: BookingKey) -> World:
    """The patient was told of each of `bookings`, at one time or another, a day ago."""
    world = World()
    for number, booking in enumerate(bookings):
        world.create(booking, but(VISIT, starts=f"202612{number + 3:02}090000", ends=""))
    world.pass_time(timedelta(days=1))
    return world


def announced_as_rebooked(world: World) -> bool:
    text = world.newest.body_text
    return world.newest.kind == "changed_time" and OLD_TIME in text and NEW_TIME in text
