"""Validating what goes over the wire: against our own schema files and the official ones.

The official files are no part of this repository. They are found in `../shared/contracts` beside
it, or in the folder that BUDKAVLE_CONTRACTS names; where they are not (BUDKAVLE_CONTRACTS=none),
only ours are used, and tests of the official files themselves are skipped.
"""

import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from shared.riv.contracts import schema_path
from shared.riv.soap import SoapEnvelope, parse_envelope, parse_fault
from shared.riv.xml import parse_xml

_BESIDE = Path(__file__).parents[3] / "shared" / "contracts"

_MAX_BYTES = 10_000_000

#: Patterns that the official files write with `^` and `$`, literal characters in XSD
#: (docs/domain.md, "Person numbers"). As they stand no number passes.
_LITERAL_ANCHORS = re.compile(r'<xs:pattern value="\^(.*?)\$"')

OURS = (
    "GetBookingDetails.xsd",
    "PingForConfiguration.xsd",
    "ProcessNotification.xsd",
    "Update.xsd",
    "headers.xsd",
)
OFFICIAL = (
    "GetBookingDetailsResponder_1.1.xsd",
    "PingForConfigurationResponder_1.0.xsd",
    "ProcessNotificationResponder_1.0.xsd",
    "UpdateResponder_1.0.xsd",
    "interoperability_headers_1.0.xsd",
)


def official_folder() -> Path | None:
    folder = Path(os.environ.get("BUDKAVLE_CONTRACTS") or _BESIDE)
    return folder if folder.is_dir() else None


#: Marks a test of the official files themselves.
about_official_files = pytest.mark.skipif(
    official_folder() is None, reason="the official contract files are not here"
)


def official_file(name: str) -> Path:
    folder = official_folder()
    assert folder is not None
    return next(folder.rglob(name))


@cache
def _soap() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(Path(__file__).with_name("soap_1_1.xsd")))


@cache
def our_schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(schema_path(name)))


@cache
def official_schema(name: str) -> etree.XMLSchema:
    """The official schema in the file `name`, with the patterns mended that nothing can match."""
    folder = official_folder()
    assert folder is not None
    with tempfile.TemporaryDirectory() as scratch:
        mended = Path(scratch) / "contracts"
        shutil.copytree(folder, mended)
        for file in mended.rglob("*.xsd"):
            file.chmod(0o644)
            text = _LITERAL_ANCHORS.sub(r'<xs:pattern value="\1"', file.read_text("utf-8"))
            file.write_text(text, "utf-8")
        (path,) = mended.rglob(name)
        return etree.XMLSchema(etree.parse(path))


def assert_conforms(envelope: bytes, *, official: bool = True) -> None:
    """The envelope, its body and its headers are what all schemas at hand allow.

    Without `official`, what ours allow: also reserve numbers, which are younger than the others.
    """
    document = parse_xml(envelope, max_bytes=_MAX_BYTES)
    assert _soap().validate(document), _soap().error_log
    told = parse_envelope(document)
    families = [tuple(map(our_schema, OURS))]
    if official and official_folder():
        families.append(tuple(map(official_schema, OFFICIAL)))
    for schemas in families:
        for element in (*_bodies(told), *told.headers):
            _assert_one_takes(schemas, element)


def assert_lacks_timeslot(reply: bytes) -> None:
    """A reply without `timeslotDetail`, as real producers send for a booking they do not have.

    The official schema refuses it. Ours takes it, since we must read it.
    """
    assert_conforms(reply, official=False)
    body = parse_envelope(parse_xml(reply, max_bytes=_MAX_BYTES)).body
    assert etree.QName(body).localname == "GetBookingDetailsResponse"
    assert body.find("{*}timeslotDetail") is None
    if official_folder():
        with pytest.raises(AssertionError, match="timeslotDetail"):
            assert_conforms(reply)


def _bodies(told: SoapEnvelope) -> tuple[etree._Element, ...]:
    """The body, unless it is a Fault, which belongs to the envelope."""
    return () if parse_fault(told.body) else (told.body,)


def _assert_one_takes(schemas: tuple[etree.XMLSchema, ...], element: etree._Element) -> None:
    """One schema knows the element and finds it valid. LogicalAddress is a plain text."""
    if etree.QName(element).localname == "LogicalAddress":
        assert (element.text or "").strip()
        return
    alone = etree.fromstring(etree.tostring(element))
    errors = []
    for schema in schemas:
        if schema.validate(alone):
            return
        errors += [error.message for error in schema.error_log]
    relevant = [message for message in errors if "No matching global declaration" not in message]
    raise AssertionError("; ".join(relevant or errors))
