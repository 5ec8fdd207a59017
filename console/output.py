"""How listings look: a table for people, one JSON document for scripts."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic import BaseModel
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]

#: Wide enough that no row of a listing is broken when it is piped into another program.
_PIPE_WIDTH = 200
_NARROWEST_PROSE = 20
_NO_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n"), ord("\t")})
_SWEDEN = ZoneInfo("Europe/Stockholm")

Row = Mapping[str, Any]


def console() -> Console:
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_PIPE_WIDTH if piped else None, highlight=False)


def say(text: str) -> None:
    """Plain text, whatever it holds."""
    screen = console()
    screen.print(_plain_text(text), soft_wrap=not screen.is_terminal)


def print_document(text: str) -> None:
    """A document byte for byte, for a file or another program."""
    sys.stdout.write(text)


def print_json(document: Any) -> None:
    """`document`, of plain values, sequences, mappings and dataclasses; instants in ISO 8601."""
    print(json_text(document))  # noqa: T201


def json_text(document: Any, *, indent: int | None = 2) -> str:
    """As `print_json` prints it."""
    return json.dumps(document, default=_json_value, ensure_ascii=False, indent=indent)


def print_rows(rows: Sequence[Row], *, empty: str, numbers: Iterable[str] = ()) -> None:
    """A table with the keys of the rows as headings; `numbers` names the columns of figures.

    Only prose is broken over lines. Where the rest leaves it no room, each row stands by itself,
    a value a line. Says `empty` instead when there are no rows.
    """
    if not rows:
        say(empty)
        return
    screen, table = console(), _table(rows, frozenset(numbers))
    unbounded = screen.options.update(width=sys.maxsize)
    if screen.measure(table, options=unbounded).minimum <= screen.width:
        screen.print(table)
        return
    for row in rows:
        print_fields(row)
        say("")


def _table(rows: Sequence[Row], numbers: frozenset[str]) -> Table:
    texts = [{heading: shown(value) for heading, value in row.items()} for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in texts[0]:
        cells = (heading, *(text[heading] for text in texts))
        table.add_column(
            heading,
            justify="right" if heading in numbers else "left",
            min_width=_narrowest([line for cell in cells for line in cell.splitlines()]),
            overflow="fold",
        )
    for text in texts:
        table.add_row(*map(_plain_text, text.values()))
    return table


def _narrowest(lines: Sequence[str]) -> int:
    """Break prose between words, and nothing else."""
    whole = max((cell_len(line) for line in lines if not _is_prose(line)), default=0)
    words = [word for line in lines if _is_prose(line) for word in line.split()]
    return max(whole, _NARROWEST_PROSE, *map(cell_len, words)) if words else whole


def _is_prose(text: str) -> bool:
    """Whether a value is prose: longer than an instant or a state, and of several words."""
    return len(text) > _NARROWEST_PROSE and " " in text


def print_fields(fields: Row) -> None:
    """Print one value a line."""
    table = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        table.add_row(Text(name, style="bold"), _plain_text(shown(value)))
    console().print(table)


def shown(value: Any) -> str:
    """A value as an operator reads it; instants in Swedish time."""
    match value:
        case None:
            return "–"
        case datetime():
            return f"{value.astimezone(_SWEDEN):%Y-%m-%d %H:%M}"
        case timedelta():
            return _duration(value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _plain_text(text: str) -> Text:
    """Remove escape codes: values from booking systems may hold them."""
    return Text(text.translate(_NO_CONTROLS))


def _duration(length: timedelta) -> str:
    """The two largest units: `3 d 4 h`, `12 min 5 s`."""
    seconds = max(0, int(length.total_seconds()))
    sizes = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    first = next((place for place, (_, size) in enumerate(sizes) if seconds >= size), 3)
    parts = []
    for unit, size in sizes[first : first + 2]:
        count, seconds = divmod(seconds, size)
        parts.append(f"{count} {unit}")
    return " ".join(parts)


def _json_value(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case BaseModel():
            return value.model_dump()
        case _:
            return asdict(value)
