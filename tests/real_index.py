"""The running engagement index in a test: its own jar, on loopback, with queues of its own.

Its platform is ours: it says who subscribes (`GetLogicalAddresseesByServiceContract`) and passes
notifications on to ingest, counting what comes of each.
"""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

import requests

from sandbox.http_client import NoAnswer
from sandbox.subscriber import read_answer
from shared.riv.soap import fault
from tests.fake_subscriber import FakeSubscriber, Received, Response, fake_subscriber
from tests.polling import eventually
from tests.services.ports import free_port

OWNER = "SE0000000000-INDEX"
_START_SECONDS = 180
_STOP_SECONDS = 30
#: Longer than the index waits for an answer, so that it is the index that gives up.
_ANSWER_SECONDS = 90
_WINDOW_SECONDS = 2
#: As the index is packaged: 2 re-sends, 5 s apart.
_RESENDS, _RESEND_SECONDS = 2, 5
#: After so long a silence nothing waits in the window or for a re-send.
_QUIET_SECONDS = _WINDOW_SECONDS + _RESEND_SECONDS + 3
_NOT_PASSED_ON = {"host", "connection", "content-length", "transfer-encoding", "upgrade"}

_SUBSCRIBERS = Template("""\
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<r:GetLogicalAddresseesByServiceContractResponse xmlns:r=\
"urn:riv:infrastructure:itintegration:registry:GetLogicalAddresseesByServiceContractResponder:2">
<r:logicalAddressRecord><r:logicalAddress>$address</r:logicalAddress>
<r:filter><r:serviceDomain>riv:crm:scheduling</r:serviceDomain></r:filter>
</r:logicalAddressRecord></r:GetLogicalAddresseesByServiceContractResponse></s:Body></s:Envelope>
""")


class RealIndex:
    """It runs; see `tests.chaos.indexes.RunningIndex`. Notifications go to `ingest_bind`."""

    def __init__(self, platform: FakeSubscriber, subscriber: str) -> None:
        self.owner = OWNER
        self.ingest_bind = f"127.0.0.1:{free_port()}"
        self.url = f"http://127.0.0.1:{free_port()}/update"
        self._subscribers = _SUBSCRIBERS.substitute(address=subscriber).encode()
        self._platform_url = platform.url
        self._failures: Counter[str] = Counter()  # by the id of the index's queue message
        self._under_way = 0
        self._last = time.monotonic()
        self._counts: Counter[str] = Counter()
        platform.respond = self._respond

    def pending(self) -> int:
        quiet = time.monotonic() - self._last > _QUIET_SECONDS
        return 0 if quiet and not self._under_way else 1

    def failed_attempts(self) -> int:
        return 0

    def journal(self) -> list[dict[str, Any]]:
        return []  # it says of no request when it was answered

    def figures(self) -> dict[str, int]:
        names = ("requests", "sent_again", "refused", "index_dead")
        return {name: self._counts[name] for name in names}

    def settings(self, health_port: int) -> Iterator[str]:
        """The jar's settings: every address on loopback, one subscriber, a short window."""
        management = f"http://127.0.0.1:{free_port()}"
        addresses = {
            "update.webservice": self.url,
            "processnotification.webservice": self.url.replace("/update", "/notification"),
            "findcontent.webservice": f"http://127.0.0.1:{free_port()}/find",
            "subscriber.cache.reset": f"{management}/resetcache",
            "subscriber.cache.status": f"{management}/subscribers",
            "ei.status": f"{management}/status",
            **{f"writelock.{what}": f"{management}/{what}" for what in ("enable", "disable")},
            "writelock.status": f"{management}/writelock",
        }
        yield from (f"--{name}.url={url}" for name, url in addresses.items())
        yield f"--server.port={health_port}"
        yield "--server.address=127.0.0.1"
        yield "--spring.jmx.enabled=false"
        yield f"--getlogicaladdresses.serviceEndpointUrl={self._platform_url}/subscribers"
        yield f"--processnotification.serviceEndpointUrl={self._platform_url}/notification"
        yield f"--ei.hsa.id={OWNER}"
        yield "--vp.hsa.id=SE0000000000-VP"
        yield f"--collect.queue.completion.timeout={_WINDOW_SECONDS}"
        yield f"--activemq.broker.maximum-redeliveries={_RESENDS}"
        yield f"--activemq.broker.redelivery-delay={_RESEND_SECONDS * 1000}"

    def _respond(self, received: Received) -> Response:
        if received.path == "/subscribers":
            return 200, self._subscribers
        self._under_way += 1
        try:
            return self._counted(self._pass_on(received), received)
        finally:
            self._under_way -= 1
            self._last = time.monotonic()

    def _pass_on(self, received: Received) -> Response:
        """As the platform does it: what cannot be reached becomes a Fault."""
        headers = {
            name: text for name, text in received.headers.items() if name not in _NOT_PASSED_ON
        }
        url = f"http://{self.ingest_bind}/ProcessNotification"
        try:
            answer = requests.post(url, received.body, headers=headers, timeout=_ANSWER_SECONDS)
        except requests.RequestException:
            return 500, fault("Server", "the provider cannot be reached")
        return answer.status_code, answer.content

    def _counted(self, response: Response, received: Received) -> Response:
        """The index passes its queue's headers on, so a re-send is known by them."""
        try:
            answer = read_answer(*response)
        except NoAnswer:
            message_id = received.headers["jmsmessageid"]
            self._failures[message_id] += 1
            self._counts["sent_again"] += 1
            self._counts["index_dead"] += self._failures[message_id] == _RESENDS + 1
            return response
        if answer.result_code in ("OK", "INFO"):
            self._counts["requests"] += 1
        else:
            self._counts["refused"] += len(received.bookings)
        return response


@contextmanager
def real_index(jar: Path, subscriber: str, log_file: Path) -> Iterator[RealIndex]:
    """`jar` runs and knows that `subscriber` subscribes, until the end."""
    with fake_subscriber() as platform, log_file.open("wb") as log:
        index = RealIndex(platform, subscriber)
        health_port = free_port()
        command = ["java", "-Xmx512m", "-jar", str(jar), *index.settings(health_port)]
        process = subprocess.Popen(command, cwd=log_file.parent, stdout=log, stderr=log)
        try:
            health = f"http://127.0.0.1:{health_port}/actuator/health"
            eventually(lambda: _is_up(process, health), timeout=_START_SECONDS, every=0.5)
            eventually(lambda: platform.received, timeout=_START_SECONDS)
            yield index
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def _is_up(process: subprocess.Popen[bytes], health: str) -> bool:
    assert process.poll() is None, "the index ended; see its log"
    try:
        return requests.get(health, timeout=2).ok
    except requests.RequestException:
        return False
