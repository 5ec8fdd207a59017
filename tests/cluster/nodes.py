"""A RabbitMQ cluster of three, each node on a machine of its own as far as the network goes."""

import json
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from subprocess import CalledProcessError, TimeoutExpired
from typing import Self

from tests.cluster.network import CLIENTS, PEERS, Machines, established
from tests.polling import eventually
from tests.services import Place, RabbitMQ
from tests.services.ports import free_port

NODES = (1, 2, 3)
#: What docs/operations.md recommends: a minority stops instead of going its own way, and a message
#: that could not be handed from a delay queue to its stage is handed on again after 15 s (180).
_CONFIG = """\
{cluster_partition_handling, pause_minority},
{dead_letter_worker_publisher_confirm_timeout, 15000},"""
#: ... and how soon it recommends that a node be missed, in seconds (60 without it). Until then
#: RabbitMQ 3.x, whose metadata are in Mnesia, waits for a frozen node with all that changes them.
_KERNEL = "-kernel net_ticktime 10"
#: A node that joins beside much other work took more than 120.
_JOIN_SECONDS = 400
#: ... and how long whoever watches it waits for one that should come back by itself.
_COMES_BACK_SECONDS = 120


class Cluster:
    """Nodes 1, 2 and 3. `fresh_vhost`, `ctl` and `start` are as those of one server."""

    def __init__(self, *, khepri: bool = False) -> None:
        self.machines = Machines(len(NODES))
        self._khepri = khepri
        self._cookie = secrets.token_hex(16)
        self._epmd_port = free_port()
        self._nodes: dict[int, RabbitMQ] = {}
        self._frozen: set[int] = set()

    def __enter__(self) -> Self:
        """One cluster of all three."""
        self.found()
        for number in NODES[1:]:
            self._nodes[number] = self._node(number, joins=self._nodes[1].name)
        with ThreadPoolExecutor() as starting:
            list(starting.map(RabbitMQ.start, self._nodes.values()))
        if self._khepri:
            self.ctl("enable_feature_flag", "--opt-in", "khepri_db")
        return self

    def found(self) -> None:
        """Machines for all, and node 1 on the first of them: a cluster of one."""
        self.machines.start()
        self._nodes[1] = self._node(1)
        self._nodes[1].start()

    def join(self, number: int) -> None:
        """Add a node to a cluster that is at work, as an operator does it."""
        self._nodes[number] = node = self._node(number)
        node.start()
        node.ctl("stop_app")
        node.ctl("join_cluster", self._nodes[1].name)
        node.ctl("start_app")

    def __exit__(self, *_error: object) -> None:
        self.thaw_all()
        for node in self._nodes.values():
            node.close()
        self.machines.close()

    def node(self, number: int) -> RabbitMQ:
        return self._nodes[number]

    @property
    def up(self) -> RabbitMQ:
        """A node that can be asked."""
        return next(self._nodes[number] for number in self._nodes if number not in self._frozen)

    # --- as one server ---

    def ctl(self, *arguments: str) -> str:
        """What the first node that answers prints."""
        for number in self._nodes:
            if number not in self._frozen:
                with suppress(CalledProcessError, TimeoutExpired):
                    return self._nodes[number].ctl(*arguments)
        return self.up.ctl(*arguments)

    def fresh_vhost(self) -> str:
        """Its URL names all three."""
        return self.at_all(self._nodes[1].fresh_vhost())

    def at_all(self, url: str) -> str:
        one = self._nodes[1]
        every = ",".join(f"{node.address}:{node.port}" for node in self._nodes.values())
        return url.replace(f"{one.address}:{one.port}", every)

    def start(self) -> None:
        """All run, and all are reached."""
        self.thaw_all()
        for number, node in self._nodes.items():
            self.machines.reconnect(number)
            node.start()

    # --- what is where ---

    def messages(self, vhost: str) -> dict[str, int]:
        """How many there are in each queue, by the node that leads it.

        One that led it before it was frozen may go on counting what was there then (RabbitMQ
        4.0.5).
        """
        counts: dict[str, int] = {}
        for node in self._nodes.values():
            counts |= node.messages(vhost, local=True)
        return counts

    def leader_of(self, vhost: str, queue: str) -> int:
        listing = self.ctl("list_queues", "-p", vhost, "--formatter", "json", "name", "leader")
        leaders = {one["name"]: one["leader"] for one in json.loads(listing)}
        return next(n for n, node in self._nodes.items() if node.name == leaders[queue])

    def busiest(self) -> int:
        """The node that most clients are connected to."""
        places = {(node.address, node.port): number for number, node in self._nodes.items()}
        counts = established(list(places))
        return places[max(counts, key=lambda place: counts[place])]

    # --- troubles ---

    def freeze(self, number: int) -> None:
        self._frozen.add(number)
        self._nodes[number].pause()

    def thaw(self, number: int) -> None:
        self._nodes[number].resume()
        self._frozen.discard(number)

    def thaw_all(self) -> None:
        for number in list(self._frozen):
            self.thaw(number)

    def wait_until_whole(self, vhost: str, seconds: float = _JOIN_SECONDS) -> None:
        """All nodes run, and each quorum queue has all its members online."""
        eventually(lambda: self._is_whole(vhost), timeout=seconds, every=1)

    def becomes_whole(self, vhost: str) -> bool:
        """The same; False when a node stays away."""
        try:
            self.wait_until_whole(vhost, _COMES_BACK_SECONDS)
        except AssertionError:
            return False
        return True

    def _is_whole(self, vhost: str) -> bool:
        try:
            listing = self.up.ctl(
                "list_queues", "-p", vhost, "--formatter", "json", "name", "members", "online"
            )
        except (CalledProcessError, TimeoutExpired):
            return False
        queues = json.loads(listing)
        return all(len(one["online"]) == len(one["members"]) for one in queues)

    def replicas(self, vhost: str) -> Counter[int]:
        """How many queues have how many replicas."""
        listing = self.ctl("list_queues", "-p", vhost, "--formatter", "json", "name", "members")
        return Counter(len(one["members"]) for one in json.loads(listing))

    @property
    def version(self) -> str:
        version = ".".join(map(str, self.up.version))
        return f"RabbitMQ {version}{', Khepri' if self._khepri else ''}"

    def _node(self, number: int, joins: str = "") -> RabbitMQ:
        peers = f"{{cluster_nodes, {{['{joins}'], disc}}}}," if joins else ""
        place = Place(
            address=f"{CLIENTS}.{number}",
            peer_address=f"{PEERS}.{number}",
            host=f"{PEERS}.{number}",
            cookie=self._cookie,
            epmd_port=self._epmd_port,
            enter=self.machines.enter(number),
            config=_CONFIG + peers,
            kernel=_KERNEL,
        )
        return RabbitMQ(place=place)
