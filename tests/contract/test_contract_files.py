"""Our own contract files say on the wire what the official ones say."""

from pathlib import Path

import pytest
from lxml import etree

from shared.riv.contracts import schema_path
from tests.contract.schemas import about_official_files, official_file

CONTRACTS = {
    "ProcessNotification": "ProcessNotificationInteraction_1.0_RIVTABP21.wsdl",
    "Update": "UpdateInteraction_1.0_RIVTABP21.wsdl",
    "GetBookingDetails": "GetBookingDetailsInteraction_1.1_RIVTABP21.wsdl",
    "PingForConfiguration": "PingForConfigurationInteraction_1.0_RIVTABP21.wsdl",
}
TYPES = {
    "engagementindex.xsd": ("itintegration_engagementindex_1.0.xsd", "EngagementType"),
    "scheduling.xsd": ("crm_scheduling_1.1.xsd", "TimeslotType"),
    "headers.xsd": ("interoperability_headers_1.0.xsd", "ActorType"),
    "GetBookingDetails.xsd": ("GetBookingDetailsResponder_1.1.xsd", "GetBookingDetailsType"),
    "PingForConfiguration.xsd": (
        "PingForConfigurationResponder_1.0.xsd",
        "PingForConfigurationResponseType",
    ),
    "ProcessNotification.xsd": (
        "ProcessNotificationResponder_1.0.xsd",
        "ProcessNotificationResponseType",
    ),
    "Update.xsd": ("UpdateResponder_1.0.xsd", "UpdateResponseType"),
}


def wire_facts(wsdl: Path) -> dict[str, list[str]]:
    """What a caller takes from a WSDL: names, actions, and where the headers go."""
    root = etree.parse(wsdl).getroot()
    return {
        "namespace": [root.get("targetNamespace") or ""],
        "actions": sorted(map(str, root.xpath("//@soapAction"))),
        "elements": sorted(
            f"{{{part.nsmap[prefix]}}}{name}"
            for part in root.iterfind(".//{*}message/{*}part")
            for prefix, _, name in [(part.get("element") or "").partition(":")]
        ),
        "operations": sorted(str(found.get("name")) for found in root.iterfind(".//{*}operation")),
        "headers": [str(len(root.findall(".//{*}header")))],
        "styles": sorted(map(str, root.xpath("//@style | //@use | //@transport"))),
    }


@about_official_files
@pytest.mark.parametrize("name", CONTRACTS)
def test_our_wsdl_says_what_the_official_one_says(name: str) -> None:
    assert wire_facts(schema_path(f"{name}.wsdl")) == wire_facts(official_file(CONTRACTS[name]))


def declared(path: Path, type_name: str) -> list[tuple[str, bool]]:
    """The elements of a type in their order, and whether each must stand."""
    found = etree.parse(path).iterfind(f".//{{*}}complexType[@name='{type_name}']//{{*}}element")
    return [
        ((one.get("name") or one.get("ref") or "").rpartition(":")[2], one.get("minOccurs") != "0")
        for one in found
    ]


@about_official_files
@pytest.mark.parametrize("ours", TYPES)
def test_our_types_have_the_official_elements_in_their_order(ours: str) -> None:
    theirs, type_name = TYPES[ours]
    assert declared(schema_path(ours), type_name) == declared(official_file(theirs), type_name)
    assert declared(schema_path(ours), type_name)


def test_a_name_that_points_elsewhere_is_no_contract_of_ours() -> None:
    for name in ("../namespaces.py", "/etc/passwd", "", "nothing.xsd"):
        with pytest.raises(KeyError):
            schema_path(name)
