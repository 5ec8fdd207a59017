"""SMS over TLS, as the notifier sends them: `notifier.sms_46elks`, to a provider on loopback.

Twice: to a provider that keeps connections open, and to one that closes each after its reply, so
that every SMS needs a connection of its own. The sender is a process of its own:
`python -m tests.benchmark.sms URL COUNT` prints what it took as one JSON line.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread

import trustme

from notifier.results import Accepted
from notifier.settings import NotifierSettings
from notifier.sms_46elks import Sms46elks
from notifier.sms_provider import Account
from notifier.texts import load_texts
from shared.base.clock import utcnow
from tests.certificates import write_server_files

_BODY = b'{"id": "s70df59406a", "status": "created", "parts": 1, "cost": 5200}'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
_WARM_UP = 50


@dataclass(frozen=True)
class Sendings:
    """What a process with the notifier's threads achieved."""

    per_second: float
    cpu_ms: float  # of the sender, per SMS


def over_tls(count: int) -> Mapping[str, Sendings]:
    """By whether the provider keeps connections: `kept` and `new`."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        trusted = Path(folder) / "authority.pem"
        authority.cert_pem.write_to_path(str(trusted))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*write_server_files(authority, Path(folder)))
        return {
            name: _sendings(context, trusted, count, keep=keep)
            for name, keep in (("kept", True), ("new", False))
        }


def _sendings(context: ssl.SSLContext, trusted: Path, count: int, *, keep: bool) -> Sendings:
    """Raises `CalledProcessError` when an SMS was not accepted."""
    with provider(context, keep=keep) as url:
        done = subprocess.run(
            [sys.executable, "-m", __name__, url, str(count)],
            env={**os.environ, "SSL_CERT_FILE": str(trusted)},
            capture_output=True,
            check=True,
        )
    return Sendings(**json.loads(done.stdout))


@contextmanager
def provider(context: ssl.SSLContext, *, keep: bool) -> Iterator[str]:
    """A provider that accepts everything; the URL that SMS are posted to."""
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _read_request(reader):
                writer.write(_reply(keep=keep))
                if not keep:
                    break
        finally:
            writer.close()

    async def listen() -> int:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        return int(server.sockets[0].getsockname()[1])

    port = loop.run_until_complete(listen())
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{port}/a1/sms"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _read_request(reader: asyncio.StreamReader) -> bool:
    """Whether there was one more."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    return True


def _reply(*, keep: bool) -> bytes:
    return _HEAD % len(_BODY) + (b"" if keep else b"Connection: close\r\n") + b"\r\n" + _BODY


def send(url: str, count: int) -> Sendings:
    """By as many threads as a notifier has for one channel."""
    sender = Sms46elks(Account(url, "user", "password", "Inkorg1177"), load_texts(None).sms,
                       clock=utcnow)  # fmt: skip

    def one(number: int) -> None:
        result = sender.send(f"notice{number}", f"+4670{number:07d}")
        assert isinstance(result, Accepted), result

    with ThreadPoolExecutor(NotifierSettings().sendings_of_one_channel) as threads:
        list(threads.map(one, range(_WARM_UP)))
        started, cpu = time.perf_counter(), time.process_time()
        list(threads.map(one, range(count)))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Sendings(count / seconds, cpu / count * 1000)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(send(sys.argv[1], int(sys.argv[2])))))
