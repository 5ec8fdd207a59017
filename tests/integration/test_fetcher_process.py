"""`python -m fetcher` in both worlds: changes in, fetched bookings out, one source harming none."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from lxml import etree

from console.processes import Child
from shared.base.clock import utcnow
from shared.booking.messages import FetchedBooking
from shared.relay.broker import Broker, Envelope, Outgoing
from shared.store.engine import open_database
from shared.store.migrate import migrate
from shared.store.sources import SourceRegister, SourceSystem
from tests.booking_samples import BOOKING, PATIENT, a_change, reply
from tests.brokers import Reader, opened
from tests.polling import eventually
from tests.source_server import Call, source_server

SICK_UNIT = "SE-SICK-UNIT"
SICK = BOOKING.model_copy(update={"source_system": "SE-SICK", "logical_address": SICK_UNIT})


def answer_by_unit(call: Call) -> None:
    """Answers well, but for the sick unit, and for a booking that belongs to somebody else."""
    unit, booking = (element.text or "" for element in etree.fromstring(call.body)[1][0])
    if unit == SICK_UNIT:
        call.hang_up()
        return
    content = reply().replace(b"B-1", booking.encode())
    other = content.replace(PATIENT.encode(), b"201212121212")
    call.answer(body=other if booking == "B-OTHER" else content)


@pytest.fixture(params=["embedded", "servers"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Of the broker and of the database."""
    if request.param == "embedded":
        return f"sqlite:///{tmp_path / 'queues.db'}", f"sqlite:///{tmp_path / 'budkavle.db'}"
    return request.getfixturevalue("rabbitmq_url"), request.getfixturevalue("postgres_url")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened_things:
        yield opened_things


def activate(database_url: str, *hsa_ids: str) -> None:
    migrate(database_url)
    register = SourceRegister(open_database(database_url))
    for hsa_id in hsa_ids:
        register.add(SourceSystem(hsa_id, hsa_id, "qa", 50, 5, "test", utcnow()))


def change(name: str, **values: object) -> Outgoing:
    booking = values.pop("booking", BOOKING)
    made = a_change(change_id=name, booking=booking, received_at=utcnow(), **values)
    return Outgoing("fetcher", Envelope(name, made.encode()))


def test_the_fetcher_as_a_process(urls: tuple[str, str], tmp_path: Path, stack: ExitStack) -> None:
    broker_url, database_url = urls
    activate(database_url, BOOKING.source_system.lower(), "SE-SICK")
    server = stack.enter_context(source_server(answer_by_unit))
    broker = stack.enter_context(opened(broker_url))
    broker.declare()
    other = BOOKING.model_copy(update={"booking_id": "B-OTHER"})
    stranger = BOOKING.model_copy(update={"source_system": "SE-NOT-ACTIVATED"})
    broker.publish(
        [
            *(change(f"sick-{n}", booking=SICK) for n in range(10)),
            *(change(f"well-{n}") for n in range(30)),
            change("mixed-up", booking=other),
            change("stranger", booking=stranger),
            change("other-domain", service_domain="riv:supportprocess:logistics:scheduling"),
        ]
    )
    reader = Reader(broker, "composer", answer=lambda _delivery: [])
    log = tmp_path / "fetcher.log"
    settings = {
        "BUDKAVLE_BROKER_URL": broker_url,
        "BUDKAVLE_DATABASE_URL": database_url,
        "BUDKAVLE_PLATFORM_URL": server.url,
        "BUDKAVLE_DELAY_STEPS": "0.2 1",
        "BUDKAVLE_RETRY_DELAYS": "0.2 0.2 0.2",
        "BUDKAVLE_LOGICAL_ADDRESS": "SE-OURS",
        "BUDKAVLE_FETCHER_PATIENCE_SECONDS": "0.5",
        "BUDKAVLE_COMPOSER_PAIRING_SECONDS": "0.5",
    }
    child = Child("fetcher", settings, log)
    stack.callback(child.stop)
    child.ready(30)

    eventually(lambda: len(reader.deliveries) == 30, timeout=30)
    eventually(lambda: dead_reasons(broker) >= {"reply_mismatch", "unknown_service_domain"})
    fetched = [FetchedBooking.decode(found.envelope.body) for found in reader.deliveries]
    assert {booking.change_id for booking in fetched} == {f"well-{n}" for n in range(30)}
    assert all(booking.details and booking.details.is_call_letter for booking in fetched)
    eventually(lambda: '"breaker_opened"' in log.read_text(), timeout=30)

    child.stop()
    assert child.process.returncode == 0
    assert PATIENT not in log.read_text()


def dead_reasons(broker: Broker) -> set[str]:
    return {letter.dead_reason for letter in broker.dead_letters("fetcher")}
