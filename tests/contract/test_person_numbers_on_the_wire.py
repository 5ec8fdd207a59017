"""Person numbers of every kind pass, whatever the official patterns say of them.

docs/domain.md, "Person numbers": two official schemas write `^…$`, literal characters in XSD, so
that they refuse every number there is; and a newer national text admits reserve numbers, which all
of the old patterns refuse.
"""

import pytest
from lxml import etree

from fetcher.booking_replies import open_reply, timeslot_of
from ingest.calls import NotificationRequest, read_call
from shared.riv.contracts import schema_path
from tests.booking_samples import PATIENT, TIMESLOT, reply
from tests.contract.schemas import about_official_files, official_file, official_schema
from tests.notifications import engagement, envelope, transaction

OLD_FORM = {
    "person": "191212121212",
    "co-ordination": "197010632391",
    "temporary": "20121212T212",
    "temporary in small letters": "20121212p212",
}
RESERVE = {"reserve": "99201012A1B3", "reserve, letter first": "20121212K123"}
NUMBERS = [*OLD_FORM.values(), *RESERVE.values()]
NO_NUMBERS = ["19121212-1212", "1212121212", "1912121212122", "19121212121a", "^191212121212$", ""]

NOTIFICATION = ("ProcessNotification.xsd", "ProcessNotificationResponder_1.0.xsd")
RESPONSE = ("GetBookingDetails.xsd", "GetBookingDetailsResponder_1.1.xsd")


def notification(number: str) -> bytes:
    return envelope(transaction(engagement(registeredResidentIdentification=number)))


def response(number: str) -> bytes:
    return reply(TIMESLOT.replace(PATIENT, number))


def body(document: bytes) -> etree._Element:
    """The element in the envelope's body, as a document of its own."""
    (element,) = etree.fromstring(document).find("{*}Body")
    return etree.fromstring(etree.tostring(element))


@pytest.mark.parametrize("number", NUMBERS)
def test_ours_take_every_kind(number: str) -> None:
    for document, (name, _) in ((notification(number), NOTIFICATION), (response(number), RESPONSE)):
        etree.XMLSchema(etree.parse(schema_path(name))).assertValid(body(document))
    call = read_call(notification(number), encoding=None, max_bytes=10_000)
    assert isinstance(call, NotificationRequest)
    assert call.engagements().taken[0].patient == number
    said = open_reply(response(number), max_bytes=10_000, encoding=None)
    timeslot = timeslot_of(said)
    assert timeslot is not None
    assert timeslot.patient == number


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_ours_take_nothing_else(number: str) -> None:
    for document, (name, _) in ((notification(number), NOTIFICATION), (response(number), RESPONSE)):
        assert not etree.XMLSchema(etree.parse(schema_path(name))).validate(body(document))


@about_official_files
@pytest.mark.parametrize("number", NUMBERS)
def test_the_official_reply_as_it_stands_refuses_every_number(number: str) -> None:
    schema = etree.XMLSchema(etree.parse(official_file(RESPONSE[1])))
    assert not schema.validate(body(response(number)))
    assert "pattern" in str(schema.error_log)


@about_official_files
@pytest.mark.parametrize("number", NUMBERS)
def test_the_official_ones_mended_take_all_but_reserve_numbers(number: str) -> None:
    for document, (_, name) in ((notification(number), NOTIFICATION), (response(number), RESPONSE)):
        taken = official_schema(name).validate(body(document))
        assert taken == (number in OLD_FORM.values())
