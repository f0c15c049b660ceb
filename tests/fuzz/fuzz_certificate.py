"""Fuzz target: a certificate is good for a domain, or is not, whatever its DER says (RFC 5280).

Nearly every mutation breaks its signature, so that what its names say is looked at whether or
not the whole is believed.
"""

import warnings
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from dragoman.net.trust import (
    SRV_NAME,
    UNREADABLE,
    XMPP_ADDRESS,
    Trust,
    Use,
    _names,
    a_label,
    dns_names,
    matches,
    subject,
)

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


def _certificate() -> bytes:
    """Return a certificate with a name of every kind that is looked at; the same every time."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("a.example"),
            x509.DNSName("*.b.example"),
            x509.UniformResourceIdentifier("sip:a.example"),
            x509.OtherName(XMPP_ADDRESS, b"\x0c\x09a.example"),
            x509.OtherName(SRV_NAME, b"\x16\x17_xmpp-server.c.example."),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, None)
    )
    return certificate.public_bytes(serialization.Encoding.DER)


SEEDS = (_certificate(),)
TOKENS = (
    *(b"\x82\x09", b"\x86\x0d", b"\xa0\x0b\x0c\x09", b"\x0c\x00", b"\x16\x80", b"\x0c\x84", b"*."),
    *(b"sip:", b"_xmpp-server.", b"\x30\x80", b"\xff", b"\x00", b"\x04\x82\xff\xff", b"A.EXAMPLE"),
)

_trust = Trust(remembered=8)


def one_input(data: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            certificate = x509.load_der_x509_certificate(data)
    except UNREADABLE:
        return
    subject(certificate)
    for use in Use:
        assert not _trust.judge([certificate], "a.example", NOW, use).good
        try:
            _names([certificate], "a.example", use)
            names = dns_names(certificate)
        except UNREADABLE:  # judged so by `Trust.judge`
            continue
        for name in names:
            matches(name, a_label(name))


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
