"""The part of docs/benchmarks.md about `make chaos`, written from the figures of a run."""

from collections.abc import Mapping
from typing import Any

_BEGIN, _END = "<!-- chaos: begin -->", "<!-- chaos: end -->"

_HEAD = """## Never lost, never twice, never false

Written by `make chaos T=--publish`. Booking systems act out histories of visits while stages,
broker, database and connections are killed and cut; afterwards every inbox, SMS, mail and dead
letter is held against what the booking systems did, by an oracle that shares no code with the
composer. `make chaos T="--count 500"` takes two minutes.
"""

#: What is published, and its name there; of some of it in docs/failover.md, too.
ROWS = {
    "cases": "visits",
    "lagging": "of them, of booking systems that tell the index before they show a change",
    "inbox": "messages in inboxes",
    "only_one_telling": "visits of which only one telling is accepted",
    "lost": "messages lost",
    "lost_cancellations": "of them, cancellations",
    "duplicated": "messages twice",
    "second_messages": "second messages for one rebooking",
    "false_kinds": "messages that are false, or to somebody else",
    "notices_due": "SMS and mails due",
    "notices_missing": "of them, missing",
    "notices_twice": "SMS and mails twice",
    "uncertain": "of which nobody can know whether they were sent",
    "dead_explained": "dead letters that had to be",
    "dead_unexplained": "dead letters of other reasons",
    "index_dead": "notifications that the index gave up",
    "after_deactivation": "messages of a booking system that was deactivated",
    "kills": "stages killed",
    "broker_restarts": "RabbitMQ stopped or killed",
    "database_restarts": "PostgreSQL stopped or killed",
    "cut_connections": "connections cut",
    "source_faults": "faults of booking systems",
    "replayed": "dead letters replayed",
}
#: The stories that are named, and what they are.
_STORIES = {
    "rebooked": "rebooked in one request",
    "rebooked_apart": "rebooked in two requests",
    "rebooked_late": "rebooked in two requests, further apart than the window",
    "rebooked_twice": "rebooked twice",
    "unrelated": "cancelled or booked close to an unrelated visit",
    "one_of_two": "one of two visits of a kind, of which one is cancelled",
    "ambiguous": "two removed and one created, of a kind",
    "cleaned_up": "beside a clean-up of old entries",
    "old_entry": "old entries cleaned up",
    "clinic_moved": "moved with their clinic",
    "moved_quietly": "moved, and only removed from the index",
    "renumbered": "of patients who got another person number",
    "call_expired": "open calls that are gone",
    "chain_in_haste": "rebooked twice within a second",
    "chain_cancelled": "rebooked, and cancelled at once",
    "crossing": "of two visits of a patient that are rebooked at the same time",
    "undone": "cancelled by mistake, and put back",
    "call_booked_and_moved": "call letters that became a booking, which moved",
    "shared_id": "with an id that another patient's has at another unit",
    "two_systems": "with an id that the patient has in another booking system, too",
    "mixed_up_and_moved": "answered with another patient's number, until they moved",
    "mixed_up_and_mended": "the same, until an operator replayed the dead letter",
}


def section(figures: Mapping[str, Any], *, date: str, commit: str) -> str:
    """Between its markers, in Markdown."""
    head = [
        f"| {date}, commit {commit} | {figures['accepted']:,} notifications |",
        "|---|---:|",
        f"| seed | {figures['seed']} |",
        f"| minutes | {figures['seconds'] / 60:.1f} |",
        f"| load of the machine at the end | {figures['machine_load']} |",
    ]
    rows = [f"| {name} | {figures[key]:,} |" for key, name in ROWS.items()]
    stories = [f"| {name} | {figures['stories'].get(key, 0):,} |" for key, name in _STORIES.items()]
    table = "\n".join([*head, *rows])
    of_visits = "\n".join(["| visits | |", "|---|---:|", *stories])
    return f"{_BEGIN}\n{_HEAD}\n{table}\n\n{of_visits}\n{_END}\n"


def with_section(page: str, of_chaos: str) -> str:
    """`page` with this part in its place, or at the end where it has none."""
    before, begins, rest = page.partition(_BEGIN)
    if not begins:
        return f"{page.rstrip()}\n\n{of_chaos}" if of_chaos else page
    _, _, after = rest.partition(_END)
    return f"{before}{of_chaos.rstrip()}{after}"


def section_of(page: str) -> str:
    """This part of `page`; "" where it has none."""
    _, begins, rest = page.partition(_BEGIN)
    inner, _, _ = rest.partition(_END)
    return f"{_BEGIN}{inner}{_END}\n" if begins else ""
