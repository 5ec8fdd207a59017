"""Addresses and errors of RabbitMQ in our words."""

import ssl
from pathlib import Path

import pika.exceptions
import pytest
import trustme
from pika.adapters.utils import connection_workflow as workflow

from shared.relay.broker import BrokerError, BrokerUnavailable, PublishRefused, UnknownBroker
from shared.relay.rabbitmq.wire import connection_name, parameters_of, reason_of, translated

URL = "amqp://me:secret@broker.example:1234/relay"


def test_the_url_is_read() -> None:
    parameters = parameters_of(URL, "budkavle test")
    assert (parameters.host, parameters.port) == ("broker.example", 1234)
    assert parameters.virtual_host == "relay"
    assert parameters.ssl_options is None
    assert connection_name(parameters) == "budkavle test"


def test_heartbeats_are_ours_unless_the_url_says_otherwise() -> None:
    assert parameters_of(URL, "a").heartbeat == 20
    assert parameters_of(f"{URL}?heartbeat=5", "a").heartbeat == 5


def test_amqps_verifies_the_broker() -> None:
    options = parameters_of("amqps://broker.example/relay", "a").ssl_options
    assert options is not None
    assert options.context.verify_mode == ssl.CERT_REQUIRED
    assert options.context.check_hostname


def test_certificate_files_are_named_in_the_url(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("relay").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")
    files = f"cafile={tmp_path}/ca.pem&certfile={tmp_path}/me.pem"
    parameters = parameters_of(f"amqps://broker.example/relay?{files}&heartbeat=7", "a")
    assert parameters.ssl_options is not None
    assert parameters.ssl_options.server_hostname == "broker.example"
    assert len(parameters.ssl_options.context.get_ca_certs()) == 1
    assert parameters.heartbeat == 7


@pytest.mark.parametrize(
    "url",
    [
        "amqp://me:secret@host:port/relay",
        "amqp://me:secret@host/relay?hartbeat=3",
        "amqps://me:secret@host/relay?cafile=/nowhere/ca.pem",
    ],
)
def test_a_url_that_cannot_be_read_is_told_without_its_password(url: str) -> None:
    with pytest.raises(UnknownBroker) as refusal:
        parameters_of(url, "a")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (pika.exceptions.UnroutableError([]), PublishRefused),
        (pika.exceptions.NackError([]), PublishRefused),
        (pika.exceptions.ChannelClosedByBroker(404, "NOT_FOUND"), BrokerUnavailable),
        (pika.exceptions.AMQPConnectionError(), BrokerUnavailable),
        (pika.exceptions.ConnectionBlockedTimeout(), BrokerUnavailable),
        (ConnectionRefusedError(), BrokerUnavailable),
        (TimeoutError(), BrokerUnavailable),
    ],
)
def test_errors_are_translated(error: Exception, ours: type[BrokerError]) -> None:
    with pytest.raises(ours), translated():
        raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            pika.exceptions.ConnectionClosedByBroker(320, "CONNECTION_FORCED"),
            "320 CONNECTION_FORCED",
        ),
        (pika.exceptions.ProbableAuthenticationError("x"), "the login was refused"),
        (
            pika.exceptions.ProbableAccessDeniedError("x"),
            "no such virtual host, or no access to it",
        ),
        (
            pika.exceptions.IncompatibleProtocolError("x"),
            "the peer does not speak AMQP, or hung up during the handshake",
        ),
        (pika.exceptions.ConnectionOpenAborted(), "no answer to the handshake"),
        (workflow.AMQPConnectorStackTimeout(), "no answer to the handshake"),
        (
            pika.exceptions.AMQPConnectionError(
                workflow.AMQPConnectionWorkflowFailed(
                    [
                        workflow.AMQPConnectorStackTimeout(),
                        workflow.AMQPConnectorSocketConnectError(OSError(111, "refused")),
                    ]
                )
            ),
            "refused",
        ),
        (pika.exceptions.StreamLostError("cut"), "StreamLostError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_reason_is_what_happened_and_not_what_pika_wrapped_it_in(
    error: Exception, reason: str
) -> None:
    assert reason_of(error) == reason


def test_no_error_of_pikas_is_missed() -> None:
    """All have one root, but for those that only mistakes of ours raise, and one never raised."""
    errors = [
        thing
        for thing in vars(pika.exceptions).values()
        if isinstance(thing, type) and issubclass(thing, Exception)
    ]
    strangers = {error.__name__ for error in errors if not issubclass(error, PIKA_ERRORS)}
    assert strangers <= {
        "ChannelError",
        "DuplicateGetOkCallback",
        "ReentrancyError",
        "ShortStringTooLong",
    }


PIKA_ERRORS = (pika.exceptions.AMQPError, OSError)
