"""`make deploy-check`: judges deploy/ by the code of those who will read it.

Helm, the types of Kubernetes, KEDA and the Prometheus Operator, and the loader of Compose are Go
modules, pinned in go.mod beside this file. Go builds them once (minutes) and then has them cached.
`--write` writes the manifests instead (`make manifests`).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.hosts import NoService, find_programs

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HELM = ROOT / "build" / "helm"
MANIFESTS = ROOT / "deploy" / "kubernetes" / "budkavle.yaml"
_GO_AT_LEAST = (1, 26)


def main(arguments: list[str]) -> int:
    try:
        go = find_go()
        promtool = find_programs("prometheus", ["usr/bin"], ["promtool"])["promtool"]
    except NoService as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command for people
        return 1
    environment = {
        **os.environ,
        "HELM": str(HELM),
        "PATH": f"{Path(promtool).parent}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run(
        [go, "build", "-ldflags=-s -w", "-o", HELM, "helm.sh/helm/v3/cmd/helm"],
        cwd=HERE,
        check=True,
    )
    if "--write" in arguments:
        MANIFESTS.write_bytes(rendered())
        return 0
    return subprocess.run(
        [go, "test", "-count=1", "./..."], cwd=HERE, env=environment, check=False
    ).returncode


def find_go() -> str:
    """Raises `NoService` when there is none, or one that is too old."""
    wanted = ".".join(map(str, _GO_AT_LEAST))
    go = shutil.which("go", path=f"{os.environ['PATH']}{os.pathsep}/usr/local/go/bin")
    if go is None:
        raise NoService(f"make deploy-check needs Go {wanted} or later; install it from go.dev")
    version = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if version_of(version) < _GO_AT_LEAST:
        raise NoService(f"make deploy-check needs Go {wanted} or later; {go} is {version}")
    return go


def version_of(text: str) -> tuple[int, ...]:
    """`"go1.26.8"` as numbers, of which the first two count."""
    return tuple(int(number) for number in text.removeprefix("go").split(".")[:2])


def rendered() -> bytes:
    """The chart with its own values, for the latest Kubernetes that the tests know."""
    chart = ROOT / "deploy" / "helm" / "budkavle"
    return subprocess.run(
        [HELM, "template", "budkavle", chart, "--kube-version=1.34.0", "--namespace=budkavle"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    ).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
