"""`make image-test`: builds deploy/Dockerfile, looks at the image and tells the demo's story in it.

RabbitMQ 4 and PostgreSQL 17 are those of Debian 13 (tests/debian13). Root only. The bill of
materials is written to build/budkavle-image.cdx.json.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from typer.testing import CliRunner

from console.__main__ import app

_HERE = Path(__file__).parent
_FOLDER = Path(os.environ.get("IMAGE_ROOT", "/var/tmp/budkavle-image"))
_SBOM = Path("build/budkavle-image.cdx.json")
#: Unpacked. What is pulled is a third of it.
_MOST_MB = 200
_STAGES = ["-m", "console", "run", "all"]
#: What builds programs, installs packages or plays the outside world has no place in it.
_UNWANTED = ("cc", "gcc", "ld", "make", "pip", "pip3", "git", "curl", "apt-get", "perl", "openssl")
_UNWANTED_MODULES = ("pip", "sandbox", "console.demo", "aiosmtpd", "pytest", "tests")


def main() -> int:
    subprocess.run([_HERE / "build", _FOLDER], check=True, stdout=subprocess.DEVNULL)
    image = Image()
    try:
        objections = list(image.objections())
        _SBOM.parent.mkdir(exist_ok=True)
        _SBOM.write_text(image.bill_of_materials())
        say(f"{image.megabytes} MB, {len(json.loads(_SBOM.read_text())['components'])} components")
        objections += _tell_the_story(image)
    finally:
        image.close()
    for objection in objections:
        say(f"WRONG: {objection}")
    return 1 if objections else 0


def say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


class Image:
    """The built image, and a container of it that commands run in, as its user."""

    def __init__(self) -> None:
        self._container = _buildah("from", "budkavle")

    @property
    def megabytes(self) -> int:
        mounted = _buildah("mount", self._container)
        blocks = subprocess.run(["du", "-sxb", mounted], capture_output=True, text=True, check=True)
        return int(blocks.stdout.split()[0]) // 1_000_000

    def command(self, *command: str, environment: dict[str, str] | None = None) -> list[str]:
        settings = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        return [*_words("run", "--isolation", "chroot", *settings, self._container, "--"), *command]

    def run(self, *command: str) -> str:
        done = subprocess.run(self.command(*command), capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr if done.returncode else done.stdout).strip()

    def objections(self) -> Iterator[str]:
        if self.megabytes >= _MOST_MB:
            yield f"{self.megabytes} MB, not under {_MOST_MB}"
        if (user := self.run("id", "-u")) != "10001":
            yield f"runs as user {user}"
        yield from (f"holds {found}" for found in self._unwanted())
        if written := self._find("/opt /srv /etc /usr -writable ! -type l"):
            yield f"its user may write {written}"
        if setuid := self._find("/ -type f -perm /6000"):
            yield f"holds what runs as another user: {setuid}"
        for command in (("--version",), ("settings",), ("run", "--help")):
            if "Traceback" in (said := self.run("budkavle", *command)):
                yield f"budkavle {' '.join(command)}: {said}"

    def _unwanted(self) -> Iterator[str]:
        look = f"for one in {' '.join(_UNWANTED)}; do command -v $one; done; :"
        yield from self.run("sh", "-c", look).split()
        for module in _UNWANTED_MODULES:
            if self.run("python", "-c", _CAN_IMPORT, module) != "False":
                yield f"the module {module}"

    def _find(self, what: str) -> str:
        """What `find` finds in the image's own file system."""
        return self.run("sh", "-c", f"find {what} -xdev 2>/dev/null; :")

    def bill_of_materials(self) -> str:
        program = Path("deploy/sbom.py").read_text()
        return self.run("python", "-c", program)

    def close(self) -> None:
        _buildah("rm", self._container)


_CAN_IMPORT = """\
import importlib.util, sys
try:
    print(importlib.util.find_spec(sys.argv[1]) is not None)
except ModuleNotFoundError:
    print(False)
"""


def _tell_the_story(image: Image) -> Iterator[str]:
    """`budkavle demo`, whose stages all run in the image; the world around them does not."""
    with _servers() as servers:
        say(f"The demo's story on {servers['versions']}")
        arguments = ["demo", "--broker", servers["broker"], "--database", servers["database"]]
        with patch("console.processes.subprocess.Popen", _inside(image, subprocess.Popen)):
            told = CliRunner().invoke(app, arguments)
    if told.exit_code:
        yield f"the demo's story broke:\n{told.output}"
    else:
        say(told.output.strip().splitlines()[-1])


def _inside(image: Image, start: Any) -> Any:
    """As `subprocess.Popen`; what would start the stages here starts them in the image."""

    def popen(command: list[str], *, env: dict[str, str], **rest: Any) -> Any:
        if command[1:] == _STAGES:
            ours = {name: value for name, value in env.items() if name.startswith("BUDKAVLE_")}
            ours["BUDKAVLE_HEALTH_BIND"] = "127.0.0.1:0"
            command = image.command("budkavle", "run", "all", environment=ours)
        return start(command, env=env, **rest)

    return popen


@contextmanager
def _servers() -> Iterator[dict[str, Any]]:
    inside = ".ci/venv && exec .venv/bin/python -m tests.image.servers"
    with subprocess.Popen(
        ["tests/debian13/run", "sh", "-c", inside],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.communicate()


def _words(*command: str) -> list[str]:
    return [str(_HERE / "buildah"), str(_FOLDER), *command]


def _buildah(*command: str) -> str:
    done = subprocess.run(_words(*command), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
