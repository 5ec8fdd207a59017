"""Our own WSDL and XSD files of the contracts that we provide and call."""

from pathlib import Path

_SCHEMAS = Path(__file__).with_name("schemas")


def schema_path(name: str) -> Path:
    """The path of the contract file `name`, such as `GetBookingDetails.wsdl`.

    Raises KeyError for any other name, so that no other file can be read.
    """
    return {path.name: path for path in _SCHEMAS.iterdir()}[name]
