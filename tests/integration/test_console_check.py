"""`budkavle check`: what would go wrong after a deploy is found before it. Nothing is changed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pika
import pytest
import trustme
from aiosmtpd.controller import Controller
from cryptography import x509
from sqlalchemy import text

from shared.base.expiry import expiries
from shared.relay import broker_faults, open_broker
from shared.relay.topology import Topology
from shared.store.engine import open_database
from shared.store.migrate import migrate
from shared.store.overview import clock_of, may_write
from shared.store.replication import Standbys
from tests.command_line import CommandLine
from tests.services import RabbitMQ
from tests.services.ports import free_port
from tests.unit.test_rabbitmq_management import answering

SECRET = "hunter2-hunter2"
NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
LOGIN = "Basic dTpodW50ZXIyLWh1bnRlcjI="


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch)


@contextmanager
def account_server(*, known: bool) -> Iterator[str]:
    """Answers `GET /a1/me` as 46elks does: 200 for the right login, else 401."""

    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            right = self.headers["Authorization"] == LOGIN
            status = (200 if right else 401) if known and self.path == "/a1/me" else 404
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a1/sms"
    server.shutdown()
    server.server_close()


def verdicts(budkavle: CommandLine, *stages: str) -> dict[str, tuple[str, str]]:
    checks = budkavle.json_of_any("check", *stages)["checks"]
    return {each["what"].partition(" (")[0]: (each["verdict"], each["detail"]) for each in checks}


def test_on_a_machine_that_is_ready_it_exits_with_0(budkavle: CommandLine, tmp_path: Path) -> None:
    budkavle.out("setup")
    budkavle.set("LOG_KEY", "k" * 32)
    shown = budkavle.out("check", "ingest", "filter", "composer")
    assert "5 ok, 0 warning, 0 wrong." in shown
    assert not (tmp_path / "nothing").exists()


def test_settings_are_listed_with_where_they_come_from(
    budkavle: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budkavle.out("setup")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "budkavle_sms_password").write_text(SECRET)
    budkavle.set("SECRETS_DIR", str(secrets))
    budkavle.set("SMS_USERNAME", "u")
    result = budkavle.run("check", "filter", "--json")
    assert SECRET not in result.output
    settings = {each["name"]: each for each in budkavle.json("check", "filter")["settings"]}
    assert settings["BUDKAVLE_SMS_USERNAME"]["value"] == "u"
    assert settings["BUDKAVLE_SMS_USERNAME"]["origin"] == "environment"
    assert settings["BUDKAVLE_SMS_PASSWORD"]["origin"] == str(secrets / "budkavle_sms_password")
    assert settings["BUDKAVLE_SMS_PASSWORD"]["value"] == "(hidden)"
    assert settings["BUDKAVLE_BROKER_URL"]["value"] == "(hidden)"
    assert "BUDKAVLE_SMS_URL" not in settings


def test_settings_that_a_stage_refuses_are_wrong(budkavle: CommandLine) -> None:
    budkavle.out("setup")
    assert budkavle.run("check", "fetcher").exit_code == 4
    assert verdicts(budkavle, "fetcher")["settings of the fetcher"] == (
        "wrong",
        "BUDKAVLE_PLATFORM_URL: Field required",
    )


class TestRabbitMQ:
    def test_what_is_missing_is_named_and_not_made(self, rabbitmq_url: str) -> None:
        for _ in range(2):
            faults = broker_faults(rabbitmq_url, Topology())
            assert "the queue budkavle.filter: is missing" in faults
            assert "the exchange budkavle: is missing" in faults

    def test_before_setup_one_line_says_so(self, rabbitmq_url: str, budkavle: CommandLine) -> None:
        budkavle.set("BROKER_URL", rabbitmq_url)
        verdict, detail = verdicts(budkavle, "filter")["broker"]
        assert verdict == "wrong"
        assert detail.startswith("the exchange budkavle: is missing and ")
        assert detail.endswith(" more; run `budkavle setup`")

    def test_after_setup_all_is_well(self, rabbitmq_url: str) -> None:
        open_broker(rabbitmq_url).declare()
        assert broker_faults(rabbitmq_url, Topology()) == []

    def test_a_queue_that_was_made_otherwise_is_drift(self, rabbitmq_url: str) -> None:
        open_broker(rabbitmq_url).declare()
        with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
            channel = connection.channel()
            channel.queue_delete("budkavle.composer")
            channel.queue_declare("budkavle.composer", durable=True)
        faults = broker_faults(rabbitmq_url, Topology())
        assert faults == ["the queue budkavle.composer: differs from this version"]

    def test_rights_that_our_user_lacks_are_found(
        self, rabbitmq: RabbitMQ, rabbitmq_url: str
    ) -> None:
        open_broker(rabbitmq_url).declare()
        vhost = rabbitmq_url.rpartition("/")[2]
        rabbitmq.ctl("add_user", f"looker-{vhost}", SECRET)
        rabbitmq.ctl("set_permissions", "-p", vhost, f"looker-{vhost}", ".*", "^$", "^$")
        url = f"amqp://looker-{vhost}:{SECRET}@127.0.0.1:{rabbitmq.port}/{vhost}"
        faults = broker_faults(url, Topology())
        assert "reading the queue budkavle.filter: no permission" in faults
        assert "writing to the exchange budkavle: no permission" in faults


class TestDatabase:
    def test_rights_and_clock(self, postgres_url: str) -> None:
        migrate(postgres_url)
        database = open_database(postgres_url)
        assert may_write(database)
        theirs = clock_of(database)
        assert theirs is not None
        assert abs(theirs - datetime.now(UTC)) < timedelta(seconds=5)
        with database.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM unknown_source")).scalar() == 0
            connection.execute(text("DROP ROLE IF EXISTS looker"))
            connection.execute(text("CREATE ROLE looker"))
        looker = open_database(f"{postgres_url}?options=-crole%3Dlooker")
        assert not may_write(looker)
        looker.close()
        database.close()

    def test_a_schema_that_is_missing(self, budkavle: CommandLine, postgres_url: str) -> None:
        budkavle.set("DATABASE_URL", postgres_url)
        verdict, detail = verdicts(budkavle, "filter")["database"]
        assert (verdict, "budkavle setup" in detail) == ("wrong", True)


class TestCertificates:
    def test_their_end_is_what_cryptography_reads(self, tmp_path: Path) -> None:
        authority = trustme.CA()
        early = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
        leaf = authority.issue_cert("a.example", not_after=early)
        late = authority.issue_cert("b.example", not_after=datetime(2061, 5, 6, tzinfo=UTC))
        chain = [leaf.cert_chain_pems[0], late.cert_chain_pems[0], authority.cert_pem]
        expected = [
            x509.load_pem_x509_certificate(pem.bytes()).not_valid_after_utc for pem in chain
        ]
        assert expiries(b"".join(pem.bytes() for pem in chain).decode()) == expected
        assert expected[0] == early

    @pytest.mark.parametrize("content", ["", NO_CERTIFICATE])
    def test_what_is_no_certificate_is_wrong(
        self, content: str, budkavle: CommandLine, tmp_path: Path
    ) -> None:
        file = tmp_path / "ca.pem"
        file.write_text(content)
        budkavle.set("PLATFORM_URL", "http://127.0.0.1:1/")
        budkavle.set("FETCHER_CA", str(file))
        assert verdicts(budkavle, "fetcher")[f"certificate {file}"] == (
            "wrong",
            "holds no certificate",
        )

    @pytest.mark.parametrize(("days", "verdict"), [(-1, "wrong"), (10, "warning"), (100, "ok")])
    def test_one_that_has_ended_is_wrong_and_one_that_ends_soon_a_warning(
        self, days: int, verdict: str, budkavle: CommandLine, tmp_path: Path
    ) -> None:
        now = datetime.now(UTC)
        leaf = trustme.CA().issue_cert(
            "a.example", not_before=now - timedelta(days=2), not_after=now + timedelta(days=days)
        )
        file = tmp_path / "leaf.pem"
        leaf.private_key_and_cert_chain_pem.write_to_path(file)
        budkavle.set("PLATFORM_URL", "http://127.0.0.1:1/")
        budkavle.set("FETCHER_CERTIFICATE", str(file))
        assert verdicts(budkavle, "fetcher")[f"certificate {file}"][0] == verdict


class TestPeers:
    @pytest.mark.parametrize(
        ("username", "known", "expected"),
        [
            ("u", True, ("ok", "the login is right")),
            ("other", True, ("wrong", "the login is refused")),
            ("u", False, ("warning", "answers; the login cannot be tried there")),
        ],
    )
    def test_the_login_at_the_sms_provider(
        self, budkavle: CommandLine, username: str, known: bool, expected: tuple[str, str]
    ) -> None:
        budkavle.set("SMS_USERNAME", username)
        budkavle.set("SMS_PASSWORD", SECRET)
        with account_server(known=known) as url:
            budkavle.set("SMS_URL", url)
            assert verdicts(budkavle, "notifier")["SMS"] == expected

    def test_nobody_there(self, budkavle: CommandLine) -> None:
        nowhere = f"127.0.0.1:{free_port()}"
        budkavle.set("SMS_URL", f"http://{nowhere}/a1/sms")
        budkavle.set("SMTP_URL", f"smtp://{nowhere}")
        budkavle.set("PLATFORM_URL", f"https://{nowhere}/")
        found = verdicts(budkavle, "fetcher", "notifier")
        for what in ("SMS", "e-mail", "platform"):
            assert found[what] == ("wrong", "Connection refused"), what

    def test_a_mail_server_that_answers(self, budkavle: CommandLine) -> None:
        server = Controller(object(), hostname="127.0.0.1", port=free_port())
        server.start()
        try:
            budkavle.set("SMTP_URL", f"smtp://127.0.0.1:{server.port}")
            assert verdicts(budkavle, "notifier")["e-mail"] == ("ok", "answers")
        finally:
            server.stop()


def test_as_a_process_it_tells_a_misspelt_setting_before_anything_else() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "console", "check"],
        env={**os.environ, "BUDKAVLE_BROKER_ULR": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "did you mean BUDKAVLE_BROKER_URL?" in done.stderr
    assert SECRET not in done.stderr


def test_a_missing_log_key_is_a_warning(budkavle: CommandLine) -> None:
    budkavle.out("setup")
    verdict, detail = verdicts(budkavle, "filter")["BUDKAVLE_LOG_KEY"]
    assert verdict == "warning"
    assert "not set" in detail
    assert budkavle.run("check", "filter").exit_code == 0


@pytest.mark.parametrize(
    ("standbys", "verdict"),
    [
        (Standbys.SYNCHRONOUS, "ok"),
        (Standbys.ASYNCHRONOUS, "warning"),
        (Standbys.UNKNOWN, "warning"),
        (Standbys.NONE, None),
    ],
)
def test_standbys_that_a_commit_does_not_wait_for_are_a_warning(
    budkavle: CommandLine, monkeypatch: pytest.MonkeyPatch, standbys: Standbys, verdict: str | None
) -> None:
    budkavle.out("setup")
    monkeypatch.setattr("console.checks.stores.find_standbys", lambda _database: standbys)
    found = verdicts(budkavle, "filter").get("standbys of the database", (None, ""))
    assert found[0] == verdict


def test_a_broker_without_the_plugin_for_metrics_is_a_warning(
    budkavle: CommandLine, rabbitmq_url: str
) -> None:
    budkavle.set("BROKER_URL", rabbitmq_url)
    budkavle.out("setup")
    nodes = [
        {"name": "rabbit@one", "running": True, "enabled_plugins": ["rabbitmq_management"]},
        {"name": "rabbit@two", "running": True, "enabled_plugins": ["rabbitmq_prometheus"]},
        {"name": "rabbit@gone", "running": False},
    ]
    with answering(200, json.dumps(nodes).encode()) as (place, asked):
        budkavle.set("BROKER_MANAGEMENT_URL", f"http://{place}")
        found = verdicts(budkavle, "filter")["broker's plugins"]
    assert found == ("warning", "rabbitmq_prometheus is off on rabbit@one")
    assert asked[0][0].startswith("/api/nodes?")
