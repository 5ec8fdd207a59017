"""`python -m sandbox` and `budkavle sandbox`: ready in one line, gone on SIGTERM."""

import json
import os
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import requests
import typer
from typer.testing import CliRunner

from console.sandbox_command import register
from tests.services.ports import free_port

pytestmark = pytest.mark.slow


ADDRESSES = ("platform", "index", "control", "smtp", "sms", "pages", "inbox", "sinch")


def test_it_prints_its_addresses_when_ready_and_stops_on_sigterm() -> None:
    control_port = free_port()
    settings = {"BUDKAVLE_SANDBOX_CONTROL_BIND": f"127.0.0.1:{control_port}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox"],
        stdout=subprocess.PIPE,
        env=os.environ | settings,
        text=True,
    )
    assert process.stdout is not None
    with closing(process.stdout):
        try:
            told = json.loads(process.stdout.readline())
            assert list(told) == [*ADDRESSES]
            assert "<h1>Vem är du?" in requests.get(told["inbox"], timeout=5).text
            assert urlsplit(told["control"]).port == control_port
            assert urlsplit(told["smtp"]).scheme == "smtp"
            assert urlsplit(told["sms"]).path == "/a1/sms"
            assert requests.get(f"{told['control']}/mail", timeout=5).json() == []
            hang_at = f"{told['control']}/faults/sms"
            assert requests.post(hang_at, json={"kind": "hang"}, timeout=5).ok
        finally:
            process.terminate()
            assert process.wait(10) == 0
        assert process.stdout.read() == ""


def test_the_console_has_the_command() -> None:
    app = typer.Typer()
    register(app)
    app.command()(lambda: None)
    assert "sandbox" in CliRunner().invoke(app, ["--help"]).output
