"""The number of replicas of a queue, by RabbitMQ's management API: AMQP does not show it."""

import json
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import urllib3

from shared.relay.broker import BrokerUnavailable, UnknownBroker

_SECONDS = 5.0


def replicas(management_url: str, broker_url: str) -> Mapping[str, int]:
    """The number of replicas of each quorum queue in the virtual host of `broker_url`.

    `management_url`: `https://user:password@host:15671`. Raises `BrokerUnavailable`, or
    `UnknownBroker` when it is no URL.
    """
    parts = urlsplit(management_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnknownBroker("BUDKAVLE_BROKER_MANAGEMENT_URL: is neither http:// nor https://")
    vhost = urlsplit(broker_url).path[1:] or "%2F"
    login = f"{parts.username or 'guest'}:{parts.password or 'guest'}"
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    try:
        answer = urllib3.request(
            "GET",
            f"{place}/api/queues/{quote(vhost, safe='%')}?disable_stats=true",
            headers=urllib3.make_headers(basic_auth=login),
            timeout=_SECONDS,
            retries=False,
        )
    except urllib3.exceptions.HTTPError as error:
        raise BrokerUnavailable(f"management API: {type(error).__name__}") from error
    if answer.status != 200:
        raise BrokerUnavailable(f"management API: HTTP {answer.status}")
    return {one["name"]: len(one["members"]) for one in json.loads(answer.data) if "members" in one}
