"""Three machines on one: a network namespace each, and wires between them that can be cut.

All of it stands in a network namespace of its own, which this process must be in (`enter_alone`):
nothing of it can be reached from outside, and it is gone with this process. Root only.
"""

import ctypes
import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.services import NoService

_CLONE_NEWNET = 0x40000000
#: Clients reach node n at 10.77.0.n; the nodes reach each other at 10.78.0.n.
CLIENTS, PEERS = "10.77.0", "10.78.0"


def enter_alone() -> None:
    """Move this process, before it has any thread, into a network namespace with loopback only."""
    if os.geteuid() != 0:
        raise NoService("A cluster needs network namespaces, and so root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise NoService(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    _run("ip", "link", "set", "lo", "up")


class Machines:
    """Namespaces 1 … `number`, each on the network of the clients and on that of the nodes."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._holders: list[subprocess.Popen[bytes]] = []
        self._cleanup = ExitStack()

    def start(self) -> None:
        for bridge in ("clients", "peers"):
            _run("ip", "link", "add", bridge, "type", "bridge")
            _run("ip", "link", "set", bridge, "up")
            self._cleanup.callback(_run, "ip", "link", "delete", bridge)
        _run("ip", "address", "add", f"{CLIENTS}.254/24", "dev", "clients")
        for machine in range(1, self._number + 1):
            self._add(machine)

    def enter(self, machine: int) -> tuple[str, ...]:
        """What is put before a command to run it there."""
        return ("nsenter", f"--net=/proc/{self._holders[machine - 1].pid}/ns/net")

    def cut_off(self, machine: int) -> None:
        """From the other nodes; clients still reach it. What is sent is lost without a word."""
        _run("ip", "link", "set", f"peers{machine}", "down")

    def reconnect(self, machine: int) -> None:
        _run("ip", "link", "set", f"peers{machine}", "up")

    def close(self) -> None:
        for holder in self._holders:
            holder.kill()
            holder.wait()
        with suppress(subprocess.CalledProcessError):
            self._cleanup.close()

    def _add(self, machine: int) -> None:
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
            stdout=subprocess.PIPE,
        )
        self._holders.append(holder)
        assert holder.stdout is not None
        holder.stdout.readline()
        for bridge, network in (("clients", CLIENTS), ("peers", PEERS)):
            outer, inner = f"{bridge}{machine}", f"{bridge}-in"
            # The kernel takes its time to remove the one of a cluster that ended just now.
            subprocess.run(["ip", "link", "delete", outer], capture_output=True, check=False)
            _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns",
                 str(holder.pid))  # fmt: skip
            _run("ip", "link", "set", outer, "master", bridge, "up")
            within = self.enter(machine)
            _run(*within, "ip", "address", "add", f"{network}.{machine}/24", "dev", inner)
            _run(*within, "ip", "link", "set", inner, "up")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoService(f"{' '.join(command)}: {done.stderr.strip()}")


def established(ports: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """How many TCP connections this namespace has to each of these addresses and ports."""
    counts = dict.fromkeys(ports, 0)
    with Path("/proc/net/tcp").open() as table:
        for line in list(table)[1:]:
            remote, state = line.split()[2:4]
            address, port = remote.split(":")
            place = ".".join(str(byte) for byte in bytes.fromhex(address)[::-1]), int(port, 16)
            if state == "01" and place in counts:
                counts[place] += 1
    return counts
