"""A file of booking systems, for `budkavle source import`."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from console.exits import ExitCode, Refused
from shared.base.clock import utcnow
from shared.booking.environment import Environment
from shared.store.sources import SourceSystem

#: The default limits of a booking system; by contract it bears at least 1 call a second.
CALLS_PER_SECOND = 5.0
CALLS_IN_FLIGHT = 4
LEAST_RATE = 0.01  # one call in 100 s
MOST_IN_FLIGHT = 1000
LONGEST_HSA_ID, LONGEST_NAME = 64, 200

_NEEDED = {"hsa_id", "name"}
_KNOWN = {*_NEEDED, "calls_per_second", "calls_in_flight"}


def read_sources(file: Path, environment: Environment, by: str) -> list[SourceSystem]:
    """The systems in the file. Raises `Refused` with all faults, each with its line."""
    sources: dict[str, SourceSystem] = {}
    faults = []
    for line, row in _rows(file):
        try:
            source = _source(row, environment, by)
        except ValueError as fault:
            faults.append(f"line {line}: {fault}")
            continue
        if source.key in sources:
            faults.append(f"line {line}: {source.hsa_id} stands there twice")
        sources[source.key] = source
    if faults or not sources:
        raise _refused("; ".join(faults) or "no booking system is in it")
    return [*sources.values()]


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("is not UTF-8") from None
    heading = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in heading else ",")
    columns = {name.strip() for name in reader.fieldnames or ()}
    if not columns >= _NEEDED or columns - _KNOWN:
        raise _refused(f"the heading must name hsa_id and name, and may name {_optional()}")
    for row in reader:
        values = {str(name).strip(): (value or "").strip() for name, value in row.items()}
        if any(values.values()):
            yield reader.line_num, values


def _source(row: Mapping[str, str], environment: Environment, by: str) -> SourceSystem:
    """Raises ValueError."""
    rate = _number(row, "calls_per_second", CALLS_PER_SECOND)
    in_flight = _number(row, "calls_in_flight", CALLS_IN_FLIGHT)
    if not LEAST_RATE <= rate < math.inf:
        raise ValueError(f"calls_per_second must be a number from {LEAST_RATE}")
    if not (1 <= in_flight <= MOST_IN_FLIGHT and in_flight == int(in_flight)):
        raise ValueError(f"calls_in_flight must be a whole number from 1 to {MOST_IN_FLIGHT}")
    return SourceSystem(
        hsa_id=_text(row, "hsa_id", LONGEST_HSA_ID),
        name=_text(row, "name", LONGEST_NAME),
        environment=environment,
        calls_per_second=rate,
        calls_in_flight=int(in_flight),
        activated_by=by,
        activated_at=utcnow(),
    )


def _text(row: Mapping[str, str], column: str, longest: int) -> str:
    text = row[column]
    if not 1 <= len(text) <= longest:
        raise ValueError(f"{column} must have 1 to {longest} characters")
    return text


def _number(row: Mapping[str, str], column: str, default: float) -> float:
    text = row.get(column, "").replace(",", ".")
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{column} is no number") from None


def _optional() -> str:
    return " and ".join(sorted(_KNOWN - _NEEDED))


def _refused(fault: str) -> Refused:
    return Refused(f"the file of booking systems: {fault}", ExitCode.USAGE)
