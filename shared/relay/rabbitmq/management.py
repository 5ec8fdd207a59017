"""What AMQP does not tell of queues and RabbitMQ's management API does.

`management_url`: `http(s)://user:password@host:15672`; without a user, the broker's own is taken.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pycurl

from shared.base.addresses import split_servers
from shared.base.curl import error_name, trust_options
from shared.relay.broker import BrokerUnavailable, UnknownBroker

_CONNECT_SECONDS = 3
_SECONDS = 10
_LARGEST_REPLY = 10_000_000
_OK = 200


def unacknowledged(management_url: str, broker_url: str) -> Mapping[str, int]:
    """Unacknowledged messages of each queue, some seconds old.

    A queue that was just declared has no figures yet, and is left out. Raises `BrokerUnavailable`.
    """
    column = "messages_unacknowledged"
    queues = _queues(management_url, broker_url, f"columns=name,{column}")
    with _readable():
        return {str(one["name"]): int(one[column]) for one in queues if column in one}


def replicas(management_url: str, broker_url: str) -> Mapping[str, int]:
    """The number of replicas of each quorum queue. Raises `BrokerUnavailable`."""
    queues = _queues(management_url, broker_url, "disable_stats=true")
    with _readable():
        return {str(one["name"]): len(one["members"]) for one in queues if "members" in one}


def nodes_without(plugin: str, management_url: str, broker_url: str) -> list[str]:
    """The names of the running nodes on which `plugin` is off. Raises `BrokerUnavailable`."""
    nodes = _asked(management_url, broker_url, "nodes?columns=name,running,enabled_plugins")
    with _readable():
        return [
            str(one["name"])
            for one in nodes
            if one.get("running", True) and plugin not in one["enabled_plugins"]
        ]


def _queues(management_url: str, broker_url: str, query: str) -> list[dict[str, Any]]:
    """Those in the virtual host of `broker_url`."""
    vhost = quote(unquote(split_servers(broker_url)[0].path.removeprefix("/")) or "/", safe="")
    return _asked(management_url, broker_url, f"queues/{vhost}?{query}")


def _asked(management_url: str, broker_url: str, path: str) -> list[dict[str, Any]]:
    place, broker = urlsplit(management_url), split_servers(broker_url)[0]
    if place.scheme not in ("http", "https") or not place.hostname:
        raise UnknownBroker("BUDKAVLE_BROKER_MANAGEMENT_URL: is neither http:// nor https://")
    login = place if place.username else broker
    user, password = unquote(login.username or "guest"), unquote(login.password or "guest")
    host = place.netloc.rpartition("@")[2]
    url = f"{place.scheme}://{host}{place.path.rstrip('/')}/api/{path}"
    with _readable():
        return list(json.loads(_get(url, f"{user}:{password}")))


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
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
