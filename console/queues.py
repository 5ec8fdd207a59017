"""`budkavle queues`: how full they are."""

from datetime import timedelta

import typer

from console.opening import load_settings, opened_broker
from console.output import AsJson, print_json, print_rows, say
from shared.relay.broker import QueueState
from shared.relay.topology import delay_name


def register(app: typer.Typer) -> None:
    app.command("queues")(queues)


def queues(*, as_json: AsJson = False) -> None:
    """What waits in the queue of each stage, is in work, waits for a later time, or is dead."""
    with opened_broker() as broker:
        states, delays = broker.states(), broker.delays()
    if as_json:
        print_json(states)
        return
    rows = [_row(state) for state in states]
    print_rows(rows, empty="No queues.", numbers=set(rows[0]) - {"stage"})
    _say_delays(states, delays)
    if any(state.unacknowledged is None for state in states):
        say(_why_unknown())


def _row(state: QueueState) -> dict[str, object]:
    return {
        "stage": state.stage,
        "waiting": state.ready,
        "unacknowledged": state.unacknowledged,
        "delayed": state.delayed,
        "dead": state.dead,
        "parked": state.parked,
        "consumers": state.consumers,
    }


def _say_delays(states: list[QueueState], delays: dict[timedelta, int | None]) -> None:
    """RabbitMQ's delay queues are shared: of which stage a message there is, nobody can tell."""
    total = states[0].delayed_total
    steps = [f"{_short(step)} {count}" for step, count in delays.items() if count]
    say(f"Delayed, all stages together: {total}" + (f" ({', '.join(steps)})" if steps else ""))
    for step in (step for step, count in delays.items() if count is None):
        say(f"The queue {delay_name(step)} is missing; run `budkavle setup`.")


def _short(step: timedelta) -> str:
    return delay_name(step).rpartition(".")[2]


def _why_unknown() -> str:
    if not load_settings().broker_management_url.get_secret_value():
        return (
            "RabbitMQ tells only its management API what is unacknowledged: name it in"
            " BUDKAVLE_BROKER_MANAGEMENT_URL."
        )
    return "The management API does not know of all these queues yet."
