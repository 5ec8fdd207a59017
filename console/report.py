"""`budkavle report`: what each booking system sent, and what became of it."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from console.exits import nothing_found
from console.opening import opened_database
from console.output import AsJson, print_document, print_fields, print_json, print_rows, say
from shared.base.clock import utcnow
from shared.booking.identity import hsa_key
from shared.store.reports import Period, Reports, SourceReport

_SWEDEN = ZoneInfo("Europe/Stockholm")
_UNITS = {"d": "days", "h": "hours", "min": "minutes"}

_MOMENT_HELP = "`2026-11-01`, `2026-11-01T08:00` (Swedish time), or how long ago: `7d`, `12h`."


def register(app: typer.Typer) -> None:
    app.command("report")(report)


def moment(text: str) -> datetime:
    """A date or time in Swedish time, or one that is so long ago."""
    for unit, name in _UNITS.items():
        number = text.removesuffix(unit)
        if number != text and number.isdecimal():
            return utcnow() - timedelta(**{name: int(number)})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"is no such moment: {_MOMENT_HELP}") from None
    return found if found.tzinfo else found.replace(tzinfo=_SWEDEN)


def report(
    *,
    since: Annotated[datetime, typer.Option(parser=moment, metavar="TIME", help=_MOMENT_HELP)],
    until: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME", help="The same; now.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="HSA-ID", help="Only this booking system.")
    ] = None,
    unread_after: Annotated[
        int, typer.Option("--unread-after", min=0, help="Hours after which a message is unread.")
    ] = 72,
    unread: Annotated[
        bool,
        typer.Option("--unread", help="Only the ids of unread messages, for letters on paper."),
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="One line for each figure, comma-separated.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What each booking system sent, and what became of it, in a period."""
    if as_csv and as_json:
        raise typer.BadParameter("give one of --csv and --json")
    period = Period(since, until or utcnow())
    wanted: dict[str, Any] = {
        "unread_after": timedelta(hours=unread_after),
        "source": hsa_key(source) if source else None,
    }
    with opened_database() as database:
        reports = Reports(database)
        if unread:
            _print_unread([*reports.unread(period, **wanted)], as_json=as_json)
            return
        found = reports.of(period, **wanted)
    if as_json:
        print_json({"since": period.since, "until": period.until, "sources": found})
    elif as_csv:
        print_document(csv_of(found))
    elif found:
        _print(found, unread_after)
    else:
        raise nothing_found("no booking system sent anything in that period")


def csv_of(reports: Sequence[SourceReport]) -> str:
    """Columns source, figure, detail, value; a line for each figure that is known."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(("source", "figure", "detail", "value"))
    for each in reports:
        lines.writerows((each.source, *figure) for figure in _figures(each))
    return text.getvalue()


def _figures(of_source: SourceReport) -> Iterator[tuple[str, str, float]]:
    for name, value in asdict(of_source).items():
        match value:
            case int() | float():
                yield name, "", value
            case dict():
                yield from ((name, detail, number) for detail, number in sorted(value.items()))


def _print_unread(ids: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json(ids)
    else:
        print_rows([{"message": each} for each in ids], empty="No unread messages.")


def _print(reports: Sequence[SourceReport], unread_after: int) -> None:
    for each in reports:
        print_fields(
            {
                "booking system": each.source,
                "received": each.received,
                "dropped": _counts(each.dropped),
                "dead letters": _counts(each.dead),
                "failed calls": _counts(each.failed_calls),
                "messages": _counts(each.messages),
                "notices": _counts(each.notices),
                "to the inbox": _delay(each),
                f"unread after {unread_after} h": each.unread,
            }
        )
        say("")


def _counts(counts: Mapping[str, int]) -> str | None:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or None


def _delay(of_source: SourceReport) -> str | None:
    if of_source.p50_seconds is None:
        return None
    return f"p50 {of_source.p50_seconds:g} s, p95 {of_source.p95_seconds:g} s"
