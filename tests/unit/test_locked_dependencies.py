"""The lock files hold what pyproject.toml asks for, at the same versions, with hashes."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {
    "deploy/requirements.lock": PROJECT["dependencies"],
    "deploy/requirements-sandbox.lock": PROJECT["dependencies"] + EXTRAS["sandbox"],
    "requirements.lock": PROJECT["dependencies"] + EXTRAS["sandbox"] + EXTRAS["dev"],
    "requirements-bench.lock": [
        *PROJECT["dependencies"],
        *(one for extra in ("sandbox", "dev", "bench") for one in EXTRAS[extra]),
    ],
}


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def locked(path: str) -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / path).read_text(), re.MULTILINE)
    return {name_of(name): version for name, version in pins}


@pytest.mark.parametrize("path", LOCKS)
def test_every_dependency_is_locked(path: str) -> None:
    assert {name_of(wanted) for wanted in LOCKS[path]} <= locked(path).keys(), "run `make lock`"


@pytest.mark.parametrize("path", LOCKS)
def test_every_pin_has_hashes_and_no_lock_names_a_registry(path: str) -> None:
    text = (ROOT / path).read_text()
    for pin in re.split(r"\n(?=[a-z0-9])", text):
        assert "--hash=sha256:" in pin, pin.splitlines()[0]
    assert "://" not in text


@pytest.mark.parametrize("path", sorted(LOCKS.keys() - {"requirements.lock"}))
def test_what_runs_and_what_is_measured_is_what_is_tested(path: str) -> None:
    tested, other = locked("requirements.lock"), locked(path)
    differing = {name for name in tested.keys() & other.keys() if tested[name] != other[name]}
    assert differing == set()


@pytest.mark.parametrize("path", ["deploy/requirements.lock", "deploy/requirements-sandbox.lock"])
def test_the_container_gets_nothing_that_only_tests_need(path: str) -> None:
    only_tests = {"pytest", "mypy", "ruff", "testcontainers", "hypothesis", "import-linter"}
    assert not only_tests & locked(path).keys()


def test_the_image_in_production_holds_no_mail_server() -> None:
    assert "aiosmtpd" not in locked("deploy/requirements.lock")
    assert "aiosmtpd" in locked("deploy/requirements-sandbox.lock")
