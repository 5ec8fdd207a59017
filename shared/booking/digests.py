"""Keyed digests of bookings and patients, by which logs and traces are searched.

HMAC-SHA256 (RFC 2104), the first 128 bits. Without the key nobody can make the digest of a known
person number again, and the key stands in the settings alone.
"""

import hmac

#: 32 letters; digits would let the redaction of logs take a part of one for a person number.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_HEX_LENGTH = 32
_SEPARATOR = "\x1f"


class KeyedDigests:
    """`key`: the secret of `BUDKAVLE_LOG_KEY`. Digests are 32 letters from a to p."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def booking(self, patient: str, booking_id: str) -> str:
        """Of a patient's booking by its id, in whichever system and at whichever unit."""
        return self._of("booking", patient.upper(), booking_id)

    def patient(self, patient: str) -> str:
        return self._of("patient", patient.upper())

    def _of(self, *parts: str) -> str:
        digest = hmac.digest(self._key, _SEPARATOR.join(parts).encode(), "sha256")
        return digest.hex()[:_HEX_LENGTH].translate(_LETTERS)
