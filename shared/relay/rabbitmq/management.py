"""What RabbitMQ tells of its queues over HTTP alone: how much of them is unacknowledged."""

import json
from collections.abc import Mapping
from io import BytesIO
from urllib.parse import quote, unquote, urlsplit

import pycurl

from shared.base.curl import error_name, trust_options
from shared.relay.broker import BrokerUnavailable

_CONNECT_SECONDS = 3
_SECONDS = 10
_LARGEST_REPLY = 10_000_000
_OK = 200


def unacknowledged(management_url: str, broker_url: str) -> Mapping[str, int]:
    """Unacknowledged messages of each queue, by its name, some seconds old.

    `management_url`: `http(s)://user:password@host:15672`; without a user, the broker's own is
    taken. Raises `BrokerUnavailable`.
    """
    place = urlsplit(management_url)
    broker = urlsplit(broker_url)
    login = place if place.username else broker
    user, password = unquote(login.username or ""), unquote(login.password or "")
    host = place.netloc.rpartition("@")[2]
    vhost = quote(unquote(broker.path.removeprefix("/")) or "/", safe="")
    columns = "columns=name,messages_unacknowledged"
    url = f"{place.scheme}://{host}{place.path.rstrip('/')}/api/queues/{vhost}?{columns}"
    return _counts(_get(url, f"{user}:{password}"))


def _counts(reply: bytes) -> Mapping[str, int]:
    """A queue that was just declared has no figures yet, and is left out."""
    try:
        found = json.loads(reply)
        return {
            str(queue["name"]): int(queue["messages_unacknowledged"])
            for queue in found
            if "messages_unacknowledged" in queue
        }
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BrokerUnavailable(f"management API: {type(error).__name__}") from None


def _get(url: str, login: str) -> bytes:
    reply = BytesIO()

    def take(part: bytes) -> int | None:
        return None if reply.tell() + len(part) <= _LARGEST_REPLY and reply.write(part) else 0

    curl = pycurl.Curl()
    options = {
        **trust_options(),
        pycurl.URL: url,
        pycurl.USERPWD: login,
        pycurl.CONNECTTIMEOUT: _CONNECT_SECONDS,
        pycurl.TIMEOUT: _SECONDS,
        pycurl.NOSIGNAL: 1,
        pycurl.WRITEFUNCTION: take,
    }
    for option, value in options.items():
        curl.setopt(option, value)
    try:
        curl.perform()
        status = curl.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error as error:
        raise BrokerUnavailable(f"management API: {error_name(error.args[0])}") from None
    finally:
        curl.close()
    if status != _OK:
        raise BrokerUnavailable(f"management API: HTTP {status}")
    return reply.getvalue()
