"""Converts addresses, envelopes and errors to pika's and back."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit

import pika
from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowFailed,
    AMQPConnectorException,
    AMQPConnectorPhaseErrorBase,
)
from pika.connection import Parameters
from pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ConnectionOpenAborted,
    IncompatibleProtocolError,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    UnroutableError,
)

from shared.base.ids import new_id
from shared.relay.broker import (
    BrokerUnavailable,
    Envelope,
    NotDeclared,
    Outgoing,
    PublishRefused,
    UnknownBroker,
)
from shared.relay.headers import dead_letter_from, from_headers, to_headers
from shared.relay.topology import EXCHANGE, delay_name

#: A peer that is gone is noticed within 48 s: pika looks at twice this interval and some more.
_HEARTBEAT = 20
_CONNECT_SECONDS = 5
#: For TCP, TLS and AMQP up to the open connection: a node that takes TCP and says nothing is left.
_HANDSHAKE_SECONDS = 6
_NOT_FOUND = 404
_TLS_FILES = ("cafile", "certfile", "keyfile")

# We log every lost connection ourselves, once; pika logs each at every level.
logging.getLogger("pika").setLevel(logging.CRITICAL)


def parameters_of(url: str, name: str) -> Parameters:
    """What pika needs to connect; `name` is shown in RabbitMQ's list of connections.

    `amqps://` verifies the broker's certificate. `?cafile=…&certfile=…&keyfile=…` name the
    authority to trust and our own certificate; every option of pika's `URLParameters` works too.
    Raises `UnknownBroker` when the URL cannot be read.
    """
    address, files = _without_tls_files(url)
    try:
        parameters = pika.URLParameters(address)
        if parameters.ssl_options is not None:  # the name to check, whatever address it resolves to
            parameters.ssl_options = pika.SSLOptions(_tls_context(**files), parameters.host)
    except (ValueError, TypeError, OSError) as error:
        raise UnknownBroker(f"BUDKAVLE_BROKER_URL: {type(error).__name__}") from None
    if parameters.heartbeat is None:
        parameters.heartbeat = _HEARTBEAT
    parameters.socket_timeout = _CONNECT_SECONDS
    parameters.stack_timeout = _HANDSHAKE_SECONDS
    parameters.client_properties = {"connection_name": name}
    return parameters


def connection_name(parameters: Parameters) -> str:
    return str((parameters.client_properties or {}).get("connection_name", ""))


def route_of(message: Outgoing) -> tuple[str, str]:
    """Exchange and routing key."""
    return (EXCHANGE if message.delay is None else delay_name(message.delay)), message.key


def properties_of(envelope: Envelope) -> pika.BasicProperties:
    return pika.BasicProperties(  # type: ignore[no-untyped-call]
        content_type="application/json",
        delivery_mode=pika.DeliveryMode.Persistent.value,
        message_id=envelope.message_id,
        headers=to_headers(envelope) or None,
    )


def envelope_of(properties: pika.BasicProperties, body: bytes) -> Envelope:
    return from_headers(properties.message_id or new_id(), properties.headers, body)


def dead_letter_of(properties: pika.BasicProperties, body: bytes, stage: str) -> Envelope:
    return dead_letter_from(properties.message_id or new_id(), properties.headers, body, stage)


@contextmanager
def translated() -> Iterator[None]:
    """pika's errors, and the operating system's below it, in the broker's words."""
    try:
        yield
    except (UnroutableError, NackError) as error:
        raise PublishRefused(type(error).__name__) from error
    except ChannelClosedByBroker as error:
        kind = NotDeclared if error.reply_code == _NOT_FOUND else BrokerUnavailable
        raise kind(reason_of(error)) from error
    except (AMQPError, AMQPConnectorException, OSError) as error:
        raise BrokerUnavailable(reason_of(error)) from error


def reason_of(error: BaseException) -> str:
    """Why a connection ended, or could not be made, for people to read."""
    cause = _innermost(error)
    match cause:
        case ChannelClosedByBroker() | ConnectionClosedByBroker():
            return f"{cause.reply_code} {cause.reply_text}"
        case ProbableAuthenticationError():
            return "the login was refused"
        case ProbableAccessDeniedError():
            return "no such virtual host, or no access to it"
        case IncompatibleProtocolError():
            return "the peer does not speak AMQP, or hung up during the handshake"
        case ConnectionOpenAborted() | AMQPConnectorException():
            return "no answer to the handshake"
        case OSError(strerror=str() as text):
            return text
        case _:
            return type(cause).__name__


def _innermost(error: BaseException) -> BaseException:
    """What happened, out of pika's wrapping."""
    match error:
        case AMQPConnectionWorkflowFailed(exceptions=(*_, inner)):
            return _innermost(inner)
        case AMQPConnectorPhaseErrorBase(exception=inner):
            return _innermost(inner)
        case AMQPConnectionError(args=(BaseException() as inner, *_)):
            return _innermost(inner)
        case _:
            return error


def _without_tls_files(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    options = parse_qsl(parts.query)
    files = {name: value for name, value in options if name in _TLS_FILES}
    rest = urlencode([option for option in options if option[0] not in files])
    return parts._replace(query=rest).geturl(), files


def _tls_context(
    cafile: str | None = None, certfile: str | None = None, keyfile: str | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cafile)
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    return context
