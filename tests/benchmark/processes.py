"""What a process has cost: processor time and memory, as Linux tells them."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
#: In /proc/PID/stat after the name: parent; user and system time, own and of ended children.
_PARENT, _TIMES = 1, slice(11, 15)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time of all threads of `pids` up to now, that of their ended children too."""
    return sum(sum(map(int, _stat(pid)[_TIMES])) for pid in pids) / _TICKS


def resident_mib(pid: int) -> float:
    """Memory of a process that stands in RAM, in MiB."""
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"process {pid} has no memory")


def descendants(pid: int, name: str) -> list[int]:
    """The processes below `pid` whose program is called `name`."""
    children: dict[int, list[int]] = {}
    for child in _all_pids():
        children.setdefault(int(_stat(child)[_PARENT]), []).append(child)
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        found += [child for child in below if _name(child) == name]
    return found


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields after the name; of a process that has ended meanwhile, zeroes."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 52
    return text.rpartition(")")[2].split()


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
