"""A private RabbitMQ: own folder, node name, cookie, epmd and ports, all of it on loopback."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, field

from tests.services.containers import ContainerHost
from tests.services.hosts import (
    Host,
    NoService,
    choose_host,
    find_programs,
    tail,
    temporary_folder,
)
from tests.services.ports import free_port
from tests.services.processes import LocalServer, ServerProcess
from tests.services.server import Server

_IMAGE = "rabbitmq:4-alpine"
_SBIN = ("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "opt/homebrew/opt/rabbitmq/sbin")
_AMQP_0_9_1 = b"AMQP\x00\x00\x09\x01"
_CTL_SECONDS = 60
_VHOSTS_AT_ONCE = 16
#: Erlang terms: to read rabbitmq.conf, RabbitMQ first compiles all its plugins' schemas, which
#: is half of a start.
_CONFIG = """\
[{{rabbit, [
  {{tcp_listeners, [{{"{address}", {port}}}]}},
  {more}
  {{loopback_users, []}},
  {{disk_free_limit, 50000000}},
  {{log, [{{file, [{{file, "-"}}, {{level, warning}}]}}]}}
]}},
{{rabbitmq_prometheus, [{{tcp_config, [{{ip, "127.0.0.1"}}, {{port, {metrics_port}}}]}}]}},
{{rabbitmq_management, [{{tcp_config, [{{ip, "{address}"}}, {{port, {management_port}}}]}}]}}].
"""
#: One start of rabbitmqctl costs about a second of CPU, so it makes many virtual hosts at once,
#: and removes those that earlier tests are done with.
_RENEW_VHOSTS = """\
lists:foreach(fun(V) -> rabbit_vhost:delete(V, <<"guest">>) end, [{used}]),
lists:foreach(fun(V) ->
  rabbit_vhost:add(V, <<"guest">>),
  rabbit_auth_backend_internal:set_permissions(
    <<"guest">>, V, <<".*">>, <<".*">>, <<".*">>, <<"guest">>)
end, [{fresh}]).
"""


class RabbitMQ(Server):
    """A RabbitMQ server.

    With a `metrics_port` it runs on this machine, and shows its metrics to Prometheus there. With
    a `place` it runs there, on this machine.
    """

    def __init__(self, *, metrics_port: int | None = None, place: "Place | None" = None) -> None:
        self._place = place or Place()
        host: Host = (
            _LocalRabbitMQ(self._place, metrics_port or 0)
            if metrics_port or place
            else choose_host(
                container=lambda: ContainerHost(_IMAGE, inner_port=5672),
                local=lambda: _LocalRabbitMQ(self._place),
            )
        )
        super().__init__(host)
        self._fresh: list[str] = []
        self._used: list[str] = []

    @property
    def address(self) -> str:
        return self._place.address

    @property
    def name(self) -> str:
        """Its node name."""
        return self._local.name

    @property
    def url(self) -> str:
        """The server's default virtual host, for the user guest."""
        return self.vhost_url("%2F")

    def vhost_url(self, vhost: str) -> str:
        return f"amqp://guest:guest@{self.address}:{self.port}/{vhost}"

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints. Raises `CalledProcessError`."""
        return self._host.run("rabbitmqctl", "--quiet", *arguments)

    def queues_tool(self, *arguments: str) -> str:
        """What `rabbitmq-queues` prints. Raises `CalledProcessError`."""
        return self._host.run("rabbitmq-queues", "--quiet", *arguments)

    def messages(self, vhost: str, *, local: bool = False) -> dict[str, int]:
        """How many there are in each queue, those handed out included.

        `local`: only the queues that this node leads.
        """
        listing = self.ctl(
            *("list_queues", "-p", vhost, *(["--local"] if local else [])),
            *("--formatter", "json", "name", "messages", "leader"),
        )
        return {
            one["name"]: one["messages"]
            for one in json.loads(listing)
            if not local or one["leader"] == self.name
        }

    @property
    def version(self) -> tuple[int, ...]:
        """Such as (4, 0, 5)."""
        text = self.ctl("eval", "rabbit_misc:version().").strip().strip('"')
        return tuple(map(int, text.split(".")))

    @property
    def _local(self) -> "_LocalRabbitMQ":
        assert isinstance(self._host, _LocalRabbitMQ)
        return self._host

    def fresh_vhost(self) -> str:
        """The URL of an empty virtual host that nobody else is given."""
        if not self._fresh:
            self._renew_vhosts()
        return self.vhost_url(self._fresh.pop())

    def give_back(self, url: str) -> None:
        """This virtual host is done with: it goes, queues and all, when new ones are made."""
        self._used.append(url.rpartition("/")[2])

    def _renew_vhosts(self) -> None:
        fresh = [f"t{secrets.token_hex(6)}" for _ in range(_VHOSTS_AT_ONCE)]
        self.ctl("eval", _RENEW_VHOSTS.format(used=_binaries(self._used), fresh=_binaries(fresh)))
        self._used.clear()
        self._fresh += fresh

    def _answers(self) -> bool:
        """An open port alone may be Docker's proxy."""
        try:
            with socket.create_connection((self.address, self.port), timeout=2) as connection:
                connection.sendall(_AMQP_0_9_1)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False


@dataclass(frozen=True)
class Place:
    """Where a node runs and how it is reached. By default: by itself, on loopback.

    `address` is for clients, `peer_address` for the other nodes, who must have the same `cookie`
    and `epmd_port`. `enter` is put before each command, such as nsenter. `config`: more terms of
    its application `rabbit`, each followed by a comma. `kernel`: more options of Erlang's.
    `management_port`: where its management API is, if anywhere.
    """

    address: str = "127.0.0.1"
    peer_address: str = "127.0.0.1"
    host: str = "localhost"
    cookie: str = field(default_factory=lambda: secrets.token_hex(16))
    epmd_port: int = field(default_factory=free_port)
    enter: tuple[str, ...] = ()
    config: str = ""
    kernel: str = ""
    management_port: int = 0

    @property
    def interface(self) -> str:
        """Erlang's option to meet other nodes and tools on `peer_address` only."""
        return f"-kernel inet_dist_use_interface {{{self.peer_address.replace('.', ',')}}}"


class _LocalRabbitMQ(LocalServer):
    """The installed rabbitmq-server, run from its own scripts: Debian's wrapper in /usr/sbin would
    change to the user rabbitmq and to the machine's own broker."""

    def __init__(self, place: Place, metrics_port: int = 0) -> None:
        self._place = place
        self._metrics_port = metrics_port
        self._programs = find_programs(
            "rabbitmq-server", _SBIN, ("rabbitmq-server", "rabbitmqctl", "rabbitmq-queues", "epmd")
        )
        self.port = free_port()
        self.name = f"budkavle{self.port}@{place.host}"
        self._folder = temporary_folder("rabbitmq")
        self._log = self._folder / "server.log"
        self._environment = self._prepare()
        self._epmd: ServerProcess | None = None

    def _prepare(self) -> dict[str, str]:
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(self._place.cookie)
        cookie.chmod(0o400)
        config = self._folder / "advanced.config"
        config.write_text(
            _CONFIG.format(
                address=self._place.address,
                port=self.port,
                more=self._place.config,
                metrics_port=self._metrics_port,
                management_port=self._place.management_port,
            )
        )
        ports = {
            "rabbitmq_prometheus": self._metrics_port,
            "rabbitmq_management": self._place.management_port,
        }
        plugins = ",".join(plugin for plugin, port in ports.items() if port)
        (self._folder / "plugins").write_text(f"[{plugins}].\n")
        tools_port = str(free_port())
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(self._place.epmd_port),
            "ERL_EPMD_ADDRESS": self._place.peer_address,
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_USE_LONGNAME": str("." in self._place.host).lower(),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CTL_DIST_PORT_MIN": tools_port,
            "RABBITMQ_CTL_DIST_PORT_MAX": str(int(tools_port) + 9),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{self._place.interface} {self._place.kernel}",
            "RABBITMQ_CTL_ERL_ARGS": self._place.interface,
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self._folder / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
        }

    def start(self) -> None:
        if self._epmd is None:  # our own child, so that no daemon stays behind
            self._epmd = self._run_server("epmd")
        if self._server is None or not self._server.running:
            self.kill()
            self._server = self._run_server("rabbitmq-server")

    def _run_server(self, program: str) -> ServerProcess:
        return ServerProcess(
            [*self._place.enter, self._programs[program]],
            folder=self._folder,
            log=self._log,
            env=self._environment,
        )

    def check(self) -> None:
        if self._server is not None and not self._server.running:
            raise NoService(f"RabbitMQ ended by itself:\n{tail(self._log)}")

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(signal.SIGTERM)
            self._server = None

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server = None

    def close(self) -> None:
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, *command: str) -> str:
        program, *arguments = command
        try:
            return subprocess.run(
                [*self._place.enter, self._programs[program], *arguments],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_CTL_SECONDS,
                check=True,
            ).stdout
        except subprocess.CalledProcessError as error:
            error.add_note(error.stderr)  # not on the terminal: some ask until it is true
            raise


def _binaries(names: list[str]) -> str:
    """`<<"a">>,<<"b">>`, as Erlang writes them."""
    return ",".join(f'<<"{name}">>' for name in names)
