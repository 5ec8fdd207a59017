"""Our own WSDL and XSD files of the contracts we provide and call."""

from pathlib import Path

_SCHEMAS = Path(__file__).with_name("schemas")


def schema_path(name: str) -> Path:
    """Where the file `name` (such as `GetBookingDetails.wsdl`) stands.

    Raises KeyError for a name that is none of ours, whatever it tries to point at.
    """
    return {path.name: path for path in _SCHEMAS.iterdir()}[name]
