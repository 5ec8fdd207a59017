"""The servers that other tests lean on: they keep their data, come back, and leave nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pika
import psycopg
import pytest

from tests.polling import eventually
from tests.services import NoService, PostgreSQL, RabbitMQ

_HOLDER = """\
import time
from tests.services import PostgreSQL
with PostgreSQL() as server:
    print(server.port, flush=True)
    time.sleep(600)
"""


def declare_and_fill(url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", "kept", b"still here", pika.BasicProperties(delivery_mode=2))


def take_one(url: str) -> bytes | None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        return connection.channel().basic_get("kept", auto_ack=True)[2]


def test_rabbitmq_comes_back_with_its_messages(rabbitmq: RabbitMQ, rabbitmq_url: str) -> None:
    # Stopped first, then killed: RabbitMQ forgets a quorum queue when it is killed in the second
    # after its declaration.
    for end in (rabbitmq.stop, rabbitmq.kill):
        declare_and_fill(rabbitmq_url)
        end()
        with pytest.raises(pika.exceptions.AMQPConnectionError):
            take_one(rabbitmq_url)
        rabbitmq.start()
        assert take_one(rabbitmq_url) == b"still here"


def test_virtual_hosts_are_apart(rabbitmq: RabbitMQ, rabbitmq_url: str) -> None:
    declare_and_fill(rabbitmq_url)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        take_one(rabbitmq.fresh_vhost())


@pytest.mark.parametrize("end", [PostgreSQL.stop, PostgreSQL.kill])
def test_postgresql_comes_back_with_its_rows(postgres, postgres_url, end) -> None:
    url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'still here' AS text")
    end(postgres)
    postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT text FROM kept").fetchone() == ("still here",)


def test_a_server_dies_with_the_process_that_started_it() -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    port = int(holder.stdout.readline())
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()

    def refused() -> bool:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user="budkavle", connect_timeout=2)
        return True

    assert eventually(refused, timeout=15)


def test_a_missing_docker_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUDKAVLE_TEST_SERVICES", "docker")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(NoService, match="BUDKAVLE_TEST_SERVICES=local"), PostgreSQL():
        pass
