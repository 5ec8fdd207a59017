"""The short form of `make chaos-cluster`: a process of its own, since it leaves this network.

Only where CHAOS_CLUSTER=1 asks for it, as .ci/run does: three brokers and two databases want a
machine to themselves. It needs root, for network namespaces, and fails where they cannot be had.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.timeline import SHORT

pytestmark = pytest.mark.timeout(900)


def _refusal() -> str:
    """Why there can be no network namespaces here; "" if there can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "a cluster wants root and iproute2, for network namespaces"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return tried.stderr.decode()


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not os.environ.get("CHAOS_CLUSTER"):
        pytest.skip("CHAOS_CLUSTER=1 runs it, in two to three minutes")
    if refusal := _refusal():
        pytest.fail(refusal)
    file: Path = tmp_path_factory.mktemp("cluster") / "figures.json"
    subprocess.run(
        [sys.executable, "-m", "tests.cluster", "--short", "--seed", "7", "--figures", file],
        check=False,
    )
    runs: list[dict[str, Any]] = json.loads(file.read_text())
    return runs[0]


def test_nothing_is_lost_or_twice_or_false_when_nodes_fail(figures: dict[str, Any]) -> None:
    assert not figures["wrongs"]
    assert figures["expected"] == figures["found"] > 100


def test_every_incident_happened_and_its_standstill_was_measured(
    figures: dict[str, Any],
) -> None:
    """The machine may be busy: how long they may be is for `make chaos-cluster` to judge."""
    assert [one["what"] for one in figures["standstills"]] == [one.title for one in SHORT]
    assert all(0 < one["ingest"] < 60 for one in figures["standstills"])
