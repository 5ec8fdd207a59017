"""`budkavle queues`: how full they are."""

import typer

from console.opening import opened_broker
from console.output import AsJson, print_json, print_rows
from shared.relay.broker import QueueState


def register(app: typer.Typer) -> None:
    app.command("queues")(queues)


def queues(*, as_json: AsJson = False) -> None:
    """What waits in the queue of each stage."""
    with opened_broker() as broker:
        states = broker.states()
    if as_json:
        print_json(states)
        return
    rows = [_row(state) for state in states]
    print_rows(rows, empty="No queues.", numbers=set(rows[0]) - {"stage"})


def _row(state: QueueState) -> dict[str, object]:
    return {
        "stage": state.stage,
        "waiting": state.ready,
        "unacknowledged": state.unacknowledged,
        "delayed": state.delayed,
        "dead": state.dead,
        "consumers": state.consumers,
    }
