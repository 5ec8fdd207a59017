"""When certificates expire. The standard library gives it for a peer's certificate only."""

import re
import ssl
from datetime import UTC, datetime

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_UTC_TIME, _VERSION = 0x17, 0xA0
#: In a TBSCertificate (RFC 5280, 4.1), after the version: serial, signature, issuer, validity.
_VALIDITY = 3
_LONG = 0x80


def expiries(pem: str) -> list[datetime]:
    """The end of each certificate in `pem`, in their order. Raises ValueError."""
    return [_not_after(ssl.PEM_cert_to_DER_cert(found)) for found in _PEM.findall(pem)]


def _not_after(der: bytes) -> datetime:
    try:
        (_, certificate), *_rest = _elements(der)
        (_, to_be_signed), *_rest = _elements(certificate)
        fields = [field for field in _elements(to_be_signed) if field[0] != _VERSION]
        _begin, (kind, end) = _elements(fields[_VALIDITY][1])
    except IndexError:
        raise ValueError("is no certificate") from None
    form = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(end.decode("ascii"), form).replace(tzinfo=UTC)


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element that stands side by side in `der`. Raises IndexError."""
    found, place = [], 0
    while place < len(der):
        tag, length, place = der[place], der[place + 1], place + 2
        if length & _LONG:
            size = length & ~_LONG
            length = int.from_bytes(der[place : place + size], "big")
            place += size
        found.append((tag, der[place : place + length]))
        place += length
    return found
