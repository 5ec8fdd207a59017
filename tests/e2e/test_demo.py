"""The story of the demo, which checks its own claims, on both pairs of broker and database."""

import subprocess
import sys

import pytest


def tell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.timeout(180)
def test_the_story_comes_true_on_the_embedded_pair() -> None:
    told = tell()
    assert told.returncode == 0, told.stdout + told.stderr
    assert "claims came true" in told.stdout
    assert "│ 0 " not in told.stdout, "what never happened is not listed"


@pytest.mark.timeout(180)
def test_the_same_story_on_rabbitmq_and_postgresql(rabbitmq_url: str, postgres_url: str) -> None:
    told = tell("--broker", rabbitmq_url, "--database", postgres_url)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "claims came true" in told.stdout
