"""Servers in Docker containers, through testcontainers."""

import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property

from docker.errors import DockerException
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from tests.services.hosts import NoService
from tests.services.ports import free_port


class ContainerHost:
    """One container whose port on this machine stays the same when it is started again."""

    def __init__(
        self,
        image: str,
        *,
        inner_port: int,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
    ) -> None:
        self.port = free_port()
        self._image = image
        self._inner_port = inner_port
        self._environment = environment or {}
        self._command = list(command)
        self._container: DockerContainer | None = None

    @cached_property
    def _running(self) -> Container:
        try:
            self._container = DockerContainer(self._image)
            self._container.with_bind_ports(self._inner_port, self.port)
            for name, value in self._environment.items():
                self._container.with_env(name, value)
            if self._command:
                self._container.with_command(self._command)
            return self._container.start().get_wrapped_container()
        except DockerException as error:
            raise NoService(
                f"Docker cannot start {self._image}: {error}. To use servers installed here,"
                " set BUDKAVLE_TEST_SERVICES=local."
            ) from error

    def start(self) -> None:
        self._running.reload()
        if self._running.status != "running":
            self._running.start()

    def check(self) -> None:
        self._running.reload()
        if self._running.status in {"exited", "dead"}:
            log = self._running.logs(tail=40).decode(errors="replace")
            raise NoService(f"{self._image} ended by itself:\n{log}")

    def stop(self) -> None:
        self._running.stop(timeout=30)

    def kill(self) -> None:
        self._running.kill()

    def pause(self) -> None:
        self._running.pause()

    def resume(self) -> None:
        self._running.unpause()

    def close(self) -> None:
        if self._container is not None:
            self._container.stop()

    def run(self, *command: str) -> str:
        code, output = self._running.exec_run(list(command))
        text: str = output.decode()
        if code != 0:
            raise subprocess.CalledProcessError(code, command, text)
        return text
