"""Certificates as SITHS issues them: the HSA-id is the subject's serialNumber."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


def write_server_files(authority: trustme.CA, folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, as two files in `folder`."""
    leaf = authority.issue_cert("127.0.0.1")
    certificate, key = folder / "server.pem", folder / "server.key"
    leaf.private_key_pem.write_to_path(key)
    certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    return certificate, key


def write_client_files(authority: trustme.CA, hsa_id: str, folder: Path) -> tuple[str, str]:
    """A function certificate of `hsa_id` and its key, as two files in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
            x509.NameAttribute(NameOID.COMMON_NAME, "engagement-index.example"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, hsa_id),
        ]
    )
    certificate = folder / f"{hsa_id}.pem", folder / f"{hsa_id}.key"
    certificate[0].write_bytes(_signed(authority, subject, key).public_bytes(_PEM))
    certificate[1].write_bytes(
        key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(certificate[0]), str(certificate[1])


def _signed(
    authority: trustme.CA, subject: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
