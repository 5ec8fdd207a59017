"""The contracts as served under `?wsdl` and `?xsd=…`, with addresses of this endpoint."""

from lxml import etree

from shared.riv.contracts import schema_path

_SOAP_ADDRESS = "{http://schemas.xmlsoap.org/wsdl/soap/}address"


def wsdl(contract: str, address: str) -> bytes:
    """The WSDL of `contract`, with `address` as the endpoint."""
    return _served(f"{contract}.wsdl", address)


def xsd(name: str, address: str) -> bytes:
    """The schema `name`. Raises KeyError when there is none of that name."""
    return _served(name, address)


def _served(name: str, address: str) -> bytes:
    tree = etree.parse(schema_path(name))
    for place in tree.iter(_SOAP_ADDRESS):
        place.set("location", address)
    for reference in tree.iterfind(".//*[@schemaLocation]"):
        reference.set("schemaLocation", f"{address}?xsd={reference.get('schemaLocation')}")
    return etree.tostring(tree, xml_declaration=True, encoding="UTF-8")
