"""Certificates for scripted peers, made on the spot (RFC 5280), and TLS contexts that use them."""

import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate chain and its private key, both PEM."""

    certificate: bytes
    key: bytes = b""


def self_signed(*names: str) -> Credentials:
    """Return a new self-signed certificate for the DNS names (A-labels), good for ten days."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=10))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return Credentials(
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
    )


def contexts(credentials: Credentials, trust: bytes = b"") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS contexts for accepting and for connecting.

    With `trust` (PEM roots) a certificate of the peer's is asked for, and one that does not lead
    there ends the handshake; without, none is asked for and any server's is taken. Names are
    never compared here: `names_in` says what a certificate is good for.
    """
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    connecting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    connecting.check_hostname = False
    connecting.verify_mode = ssl.CERT_REQUIRED if trust else ssl.CERT_NONE
    for context in (accepting, connecting):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load(context, credentials)
        if trust:
            context.load_verify_locations(cadata=trust.decode("ascii"))
    accepting.verify_mode = ssl.CERT_OPTIONAL if trust else ssl.CERT_NONE
    return accepting, connecting


def _load(context: ssl.SSLContext, credentials: Credentials) -> None:
    # The standard library reads a private key from a file only.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "both.pem"
        path.touch(mode=0o600)
        path.write_bytes(credentials.key + credentials.certificate)
        context.load_cert_chain(path)


def names_in(tls: ssl.SSLObject | None) -> frozenset[str]:
    """Return the DNS names in the peer's verified certificate; empty where it showed none."""
    certificate = tls.getpeercert() if tls is not None else None
    found = (certificate or {}).get("subjectAltName", ())
    return frozenset(str(name[1]).lower() for name in found if name[0] == "DNS")
