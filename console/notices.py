"""`budkavle notices`: the statuses of SMS and e-mails. The table holds no person numbers."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from console.opening import opened_database
from console.output import AsJson, print_json, print_rows
from shared.booking.notices import Channel, Notice, NoticeStatus
from shared.store.notices import NoticeStore


def register(app: typer.Typer) -> None:
    app.command("notices")(notices)


def notices(
    *,
    status: Annotated[
        NoticeStatus | None, typer.Option(help="List these, newest first, instead of counting.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="List so many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """How many notices stand where; with --status, which ones.

    An uncertain notice may have been sent, and is never sent again. The patient's message is in
    the inbox either way: `budkavle inbox show` with the id of the message shows it.
    """
    with opened_database() as database:
        store = NoticeStore(database)
        if status is None:
            _show_counts(store.tally(), as_json=as_json)
        else:
            _show_list(store.with_status(status, limit=limit), as_json=as_json)


def _show_counts(tally: Mapping[tuple[Channel, NoticeStatus], int], *, as_json: bool) -> None:
    rows = [
        {"channel": channel, "status": status, "notices": number}
        for (channel, status), number in sorted(tally.items())
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, empty="No notices.", numbers=("notices",))


def _show_list(found: Sequence[Notice], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_rows([_row(notice) for notice in found], empty="None.")


def _row(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.id,
        "message": notice.message_id,
        "channel": notice.channel,
        "since": notice.since,
        "provider's id": notice.provider_id,
        "why": notice.detail or None,
    }
