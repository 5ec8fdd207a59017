"""The sandbox's SMS provider and mail server: what they take, list and do wrong on demand."""

import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import trustme
from aiosmtpd.smtp import SMTP

from sandbox.mail_server import MailSession
from shared.booking import gsm
from tests.fake_subscriber import FakeSubscriber, Received, fake_subscriber
from tests.polling import eventually
from tests.sandbox_world import RunningWorld, running_world

pytestmark = pytest.mark.slow

FORM = {"from": "Inkorg1177", "to": "+46701740605", "message": "Du har ett nytt meddelande."}


@pytest.fixture(scope="module")
def shared_world() -> Iterator[RunningWorld]:
    with running_world(sandbox_sms_report_seconds=0.02) as world:
        yield world


@pytest.fixture
def world(shared_world: RunningWorld) -> Iterator[RunningWorld]:
    """A world that has caught nothing and fails in nothing."""
    shared_world.control("DELETE", "/sms")
    shared_world.control("DELETE", "/mail")
    yield shared_world
    shared_world.control("DELETE", "/faults/sms")
    shared_world.control("DELETE", "/faults/smtp")


# SMS


def send_sms(world: RunningWorld, *, timeout: float = 5, **changes: Any) -> requests.Response:
    form = {name: text for name, text in {**FORM, **changes}.items() if text is not None}
    return requests.post(world.addresses.sms, data=form, auth=("user", "pass"), timeout=timeout)


def caught_sms(world: RunningWorld) -> list[dict[str, Any]]:
    caught: list[dict[str, Any]] = world.control("GET", "/sms")
    return caught


def test_an_sms_is_answered_as_46elks_does_and_caught(world: RunningWorld) -> None:
    answer = send_sms(world).json()
    assert (answer["status"], answer["to"], answer["parts"]) == ("created", FORM["to"], 1)
    assert answer["cost"] > 0
    (sms,) = caught_sms(world)
    assert sms["id"] == answer["id"]
    assert (sms["from"], sms["to"], sms["message"]) == tuple(FORM.values())
    assert world.control("DELETE", "/sms") == {"removed": 1}
    assert caught_sms(world) == []


def test_the_newest_stands_last(world: RunningWorld) -> None:
    for text in ("one", "two"):
        send_sms(world, message=text)
    assert [sms["message"] for sms in caught_sms(world)] == ["one", "two"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"from": None}, "from"),
        ({"to": None}, "to"),
        ({"message": ""}, "message"),
        ({"from": "1177"}, "from"),
        ({"from": "Vårdguiden"}, "from"),
        ({"from": "TwelveLetter"}, "from"),
        ({"to": "0701740605"}, "to"),
        ({"unknown": "x"}, "unknown"),
    ],
)
def test_a_form_that_breaks_the_rules_is_refused_by_field(
    world: RunningWorld, changes: dict[str, Any], named: str
) -> None:
    answer = send_sms(world, **changes)
    assert answer.status_code == 400
    assert named in answer.text
    assert caught_sms(world) == []


def test_a_dry_run_is_listed_as_such_and_costs_nothing(world: RunningWorld) -> None:
    answer = send_sms(world, dryrun="yes").json()
    assert "id" not in answer
    assert answer["estimated_cost"] > 0
    assert [sms["dryrun"] for sms in caught_sms(world)] == [True]


def test_dontlog_keeps_the_text_out_of_the_answer(world: RunningWorld) -> None:
    assert "message" not in send_sms(world, dontlog="message").json()
    assert caught_sms(world)[0]["message"] == FORM["message"]


def test_basic_auth_is_demanded_and_checked_where_an_account_is_set(world: RunningWorld) -> None:
    assert requests.post(world.addresses.sms, data=FORM, timeout=5).status_code == 401
    with running_world(sandbox_sms_login="user:secret") as strict:
        assert send_sms(strict).status_code == 401
        answer = requests.post(strict.addresses.sms, data=FORM, auth=("user", "secret"), timeout=5)
        assert answer.status_code == 200


@pytest.fixture
def listener() -> Iterator[FakeSubscriber]:
    with fake_subscriber() as fake:
        yield fake


def reports(listener: FakeSubscriber) -> list[dict[str, list[str]]]:
    return [parse_qs(received.body.decode()) for received in listener.received]


def test_delivery_reports_are_repeated_until_they_are_taken(
    world: RunningWorld, listener: FakeSubscriber
) -> None:
    def busy_first(_: Received) -> tuple[int, bytes]:
        return (503, b"") if len(listener.received) < 3 else (204, b"")

    listener.respond = busy_first
    sms_id = send_sms(world, whendelivered=f"{listener.url}/reports/n1?x=y").json()["id"]
    eventually(lambda: caught_sms(world)[0]["status"] == "delivered")
    eventually(lambda: len(listener.received) == 4)
    told = reports(listener)
    assert [one["status"][0] for one in told] == ["sent", "sent", "sent", "delivered"]
    assert {one["id"][0] for one in told} == {sms_id}
    assert told[-1]["delivered"]
    assert listener.received[0].path == "/reports/n1?x=y"


def test_an_undelivered_sms_is_reported_failed(
    world: RunningWorld, listener: FakeSubscriber
) -> None:
    world.control("POST", "/faults/sms", {"kind": "undelivered", "count": 1})
    send_sms(world, whendelivered=listener.url)
    eventually(lambda: [one["status"] for one in reports(listener)] == [["sent"], ["failed"]])


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"kind": "fault"}, 500),
        ({"kind": "refuse"}, 400),
        ({"kind": "refuse", "status": 403}, 403),
        ({"kind": "429"}, 429),
    ],
)
def test_a_failing_provider_takes_nothing(
    world: RunningWorld, terms: dict[str, Any], status: int
) -> None:
    world.control("POST", "/faults/sms", {**terms, "count": 1})
    assert send_sms(world).status_code == status
    assert caught_sms(world) == []
    assert send_sms(world).status_code == 200


def test_no_answer_may_mean_taken_or_not(world: RunningWorld) -> None:
    """The sender cannot tell these two apart; the catch can."""
    for kind, taken in (("hang", 0), ("timeout-after-accept", 1)):
        world.control("POST", "/faults/sms", {"kind": kind, "count": 1})
        with pytest.raises(requests.ReadTimeout):
            send_sms(world, timeout=0.3)
        assert len(caught_sms(world)) == taken
    world.control("POST", "/faults/sms", {"kind": "hang-up", "count": 1})
    with pytest.raises(requests.ConnectionError):
        send_sms(world)
    assert len(caught_sms(world)) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [("å" * 160, 1), ("å" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("–" * 70, 1), ("–" * 71, 2)],
)
def test_parts_are_counted_by_gsm_03_38(text: str, parts: int) -> None:
    assert gsm.parts(text) == parts


# Mail


def mail(subject: str = "Nytt meddelande på 1177") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "1177 <no-reply@example.invalid>"
    message["To"] = "patient@example.invalid"
    message["Subject"] = subject
    message["Message-ID"] = "<n1@example.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("Logga in för att läsa.")
    message.add_alternative("<p>Logga in</p>", subtype="html")
    return message


def smtp(world: RunningWorld, timeout: float = 5) -> smtplib.SMTP:
    address = urlsplit(world.addresses.smtp)
    return smtplib.SMTP(address.hostname or "", address.port or 0, timeout=timeout)


def caught_mail(world: RunningWorld) -> list[dict[str, Any]]:
    caught: list[dict[str, Any]] = world.control("GET", "/mail")
    return caught


def test_mail_is_caught_and_listed_as_parsed(world: RunningWorld) -> None:
    with smtp(world) as client:
        client.send_message(mail(), from_addr="bounce@example.invalid")
        client.send_message(mail("Nummer två"))
    first, second = caught_mail(world)
    assert first["from"] == "1177 <no-reply@example.invalid>"
    assert first["to"] == "patient@example.invalid"
    assert (first["subject"], second["subject"]) == ("Nytt meddelande på 1177", "Nummer två")
    assert first["headers"]["Auto-Submitted"] == "auto-generated"
    assert first["headers"]["Message-ID"] == "<n1@example.invalid>"
    assert first["text"].strip() == "Logga in för att läsa."
    assert first["html"].strip() == "<p>Logga in</p>"
    assert first["envelope"] == {
        "from": "bounce@example.invalid",
        "to": ["patient@example.invalid"],
    }
    assert world.control("DELETE", "/mail") == {"removed": 2}


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"kind": "fault"}, 451),
        ({"kind": "refuse"}, 550),
        ({"kind": "refuse", "status": 552}, 552),
    ],
)
def test_a_failing_mail_server_takes_nothing(
    world: RunningWorld, terms: dict[str, Any], code: int
) -> None:
    world.control("POST", "/faults/smtp", {**terms, "count": 1})
    with smtp(world) as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.send_message(mail())
    assert refused.value.smtp_code == code
    assert caught_mail(world) == []


@pytest.mark.parametrize(("kind", "taken"), [("hang", 0), ("timeout-after-accept", 1)])
def test_no_answer_to_data_may_mean_taken_or_not(
    world: RunningWorld, kind: str, taken: int
) -> None:
    world.control("POST", "/faults/smtp", {"kind": kind, "count": 1})
    client = smtp(world, timeout=0.3)
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        client.send_message(mail())
    client.close()
    assert len(caught_mail(world)) == taken


def test_a_mail_server_may_hang_up(world: RunningWorld) -> None:
    world.control("POST", "/faults/smtp", {"kind": "hang-up", "count": 1})
    client = smtp(world)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.send_message(mail())
    client.close()
    assert caught_mail(world) == []


def test_any_login_is_taken_where_none_is_set(world: RunningWorld) -> None:
    with smtp(world) as client:
        client.login("anybody", "anything")
        client.send_message(mail())
    assert len(caught_mail(world)) == 1


def test_starttls_and_login_are_demanded_where_they_are_set(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "sandbox.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings = {"sandbox_smtp_certificate": str(certificate), "sandbox_smtp_login": "user:secret"}
    with running_world(**settings) as world:
        with smtp(world) as client, pytest.raises(smtplib.SMTPSenderRefused):
            client.send_message(mail())
        with smtp(world) as client:
            client.starttls(context=context)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("user", "wrong")
            client.login("user", "secret")
            client.send_message(mail())
        assert len(caught_mail(world)) == 1


@pytest.mark.parametrize(
    "given",
    [
        *("<a@b.se>", "<a.b+c@d-e.se>", "<patient1@example.invalid>", "<å@b.se>", "<a@b>"),
        *("<a@b.se> SIZE=3", " <a@b.se>", "<a@b.se>x", "a@b.se", '<"a b"@c.se>', "<>", ""),
        *("<.a@b.se>", "<a..b@c.se>", "<a@.c>", "<a@c.>", "<a@b@c.se>", "<a b@c.se>", "<a@b.se"),
    ],
)
def test_addresses_are_read_as_aiosmtpd_reads_them(given: str) -> None:
    ours, theirs = MailSession.__new__(MailSession), SMTP.__new__(SMTP)
    assert ours._getaddr(given) == theirs._getaddr(given)
