"""The benchmark runs and counts right, at sizes at which no figure means anything."""

from tests.benchmark.hop.race import race
from tests.benchmark.sms import over_tls
from tests.services import RabbitMQ


def test_a_race_of_our_runner_and_bare_pika(rabbitmq: RabbitMQ) -> None:
    rabbitmq.start()
    lines: list[str] = []
    standings = race(rabbitmq, ["budkavle", "pika"], hops=50, repetitions=1, log=lines.append)
    assert list(standings) == ["budkavle", "pika"]
    assert all(one.per_second > 0 and one.cpu_us > 0 for one in standings.values())
    assert len(lines) == 2


def test_sms_over_tls_are_accepted_over_kept_and_new_connections() -> None:
    """Raises when one is not. New connections cost handshakes: no machine makes that equal."""
    found = over_tls(40)
    assert found["new"].cpu_ms > found["kept"].cpu_ms
