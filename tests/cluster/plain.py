"""The load of the short form: stories that one announcement after the other tells.

What it is to show is that servers fail and nothing is lost or twice, in minutes and by few
messages. What confuses the composer, such as a rebooking in two requests of which a dying node
holds one, is for `make chaos`, and for the long form.
"""

from dataclasses import replace

from tests.chaos.plan import Beginning, Plan

STORIES = frozenset(
    (
        *("batch", "booked", "called", "called_openly", "cancelled", "changed", "call_moved"),
        *("call_expired", "clinic_moved", "moved", "moved_twice", "not_activated", "odd_elements"),
        *("old_entry", "passed", "rebooked", "several", "too_early"),
    )
)


def plain(plan: Plan) -> Plan:
    """What is told in plain stories, by systems that show a change before they tell of it."""
    told = [each for each in plan.beginnings if _is_plain(each)]
    kept = {id(each.history) for each in told}
    again = (each for each in plan.repetitions if id(each.history) in kept)
    return replace(plan, beginnings=tuple(told), repetitions=tuple(again))


def _is_plain(beginning: Beginning) -> bool:
    cases = beginning.history.cases
    return all(case.story in STORIES and not case.lags for case in cases)
