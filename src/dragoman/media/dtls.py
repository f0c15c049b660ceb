"""Keys for SRTP by DTLS (RFC 5763, RFC 5764, RFC 6347), with the certificates that SDP vouches for.

Datagrams in, datagrams out. OpenSSL keeps the time of its own retransmissions by its own clock:
`next_timer` translates what it says into the caller's, and what comes too early does no harm.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_ASN1, X509, dump_certificate

from dragoman.errors import LocalError
from dragoman.media.suite import Suite

if TYPE_CHECKING:
    from dragoman.media.srtp import Srtp

MTU: Final = 1200
"""Bytes of the largest datagram that is sent."""
LARGEST: Final = 2048
"""Bytes of the largest datagram that is read."""
MOST: Final = 256
"""Datagrams that a handshake may take."""
MOST_HELD: Final = 16
"""Datagrams that wait for the peer's fingerprint: one flight of the longest kind."""
PATIENCE: Final = 30.0
"""Seconds that a handshake may take."""

Fingerprint: TypeAlias = tuple[str, str]
"""Hash function and value: ("sha-256", "AB:CD:...") (RFC 8122 §5)."""

HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha-512": hashes.SHA512,
    "sha-384": hashes.SHA384,
    "sha-256": hashes.SHA256,
    "sha-224": hashes.SHA224,
    "sha-1": hashes.SHA1,
}
"""The hash functions of fingerprints, best first; MD5 and MD2 are broken (RFC 8122 §5)."""

_SUITES: Final = {
    b"SRTP_AEAD_AES_128_GCM": Suite.AEAD_AES_128_GCM,
    b"SRTP_AES128_CM_SHA1_80": Suite.AES_CM_128_HMAC_SHA1_80,
    b"SRTP_AES128_CM_SHA1_32": Suite.AES_CM_128_HMAC_SHA1_32,
}
"""The protection profiles, best first, as OpenSSL calls them (RFC 5764 §4.1.2, RFC 7714 §14.2)."""
_LABEL: Final = b"EXTRACTOR-dtls_srtp"
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!kRSA:!PSK"
_DTLS_1_2: Final = 0xFEFD
_RECORD: Final = 13
_HANDSHAKE: Final = 22
_HELLO: Final = 1
_BEGIN: Final = datetime(2020, 1, 1, tzinfo=UTC)
_END: Final = datetime(2049, 12, 31, tzinfo=UTC)


class State(Enum):
    """Where an association stands."""

    NEW = "nothing was sent or read yet"
    HANDSHAKING = "keys are being agreed on"
    CONNECTED = "there are keys, with whom the fingerprint says"
    FAILED = "there are none, and never will be"
    CLOSED = "it is over, by our wish or theirs"


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A certificate that signs itself, with its key: whoever has its fingerprint knows us."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls) -> Self:
        """Make a new key on P-256, and a certificate whose dates say nothing (RFC 5763 §5)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dragoman")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_BEGIN)
            .not_valid_after(_END)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    def fingerprint(self, function: str = "sha-256") -> str:
        """Return the value that SDP has for `function`; LocalError where that is not known."""
        algorithm = HASHES.get(function.lower())
        if algorithm is None:
            raise LocalError(f"no such hash function: {function}")
        return self.certificate.fingerprint(algorithm()).hex(":").upper()


class _Expected:
    """The fingerprints that a certificate may have, and what the call-back made of it."""

    __slots__ = ("fingerprints", "matched")

    def __init__(self) -> None:
        self.fingerprints: tuple[Fingerprint, ...] = ()
        self.matched = False

    def judge(self, certificate: X509) -> bool:
        # not by way of cryptography, which refuses certificates that OpenSSL lets pass
        der = dump_certificate(FILETYPE_ASN1, certificate)
        self.matched = matches(der, self.fingerprints)
        return self.matched


class Dtls:
    """One DTLS association for SRTP."""

    __slots__ = (
        "_active",
        "_connection",
        "_deadline",
        "_expected",
        "_held",
        "_next",
        "_out",
        "_seen",
        "failure",
        "state",
    )

    def __init__(
        self,
        identity: Identity,
        active: bool,
        fingerprints: Sequence[Fingerprint] = (),
        now: float = 0.0,
    ) -> None:
        """Show `identity`; begin at once as client (`active`), or wait for one as server.

        Without `fingerprints` nothing begins, and what comes is held, until `expect`.
        """
        self.state = State.NEW
        self.failure = ""
        self._active = active
        self._expected = _Expected()
        self._held: list[bytes] = []
        self._out: list[bytes] = []
        self._seen = 0
        self._deadline: float | None = None
        self._next: float | None = None
        self._connection = SSL.Connection(_context(identity))
        self._connection.set_app_data(self._expected)
        self._connection.set_ciphertext_mtu(MTU)
        if active:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        if fingerprints:
            self.expect(fingerprints, now)

    def expect(self, fingerprints: Sequence[Fingerprint], now: float) -> None:
        """Learn what the peer's certificate may be, once; what was held is read then."""
        if self._expected.fingerprints or self.state is not State.NEW:
            return
        self._expected.fingerprints = tuple(fingerprints)
        if not self._expected.fingerprints:
            return
        held, self._held = self._held, []
        if self._active:
            self._begin(now)
            self._advance(now)
        for datagram in held:
            self.receive(datagram, now)

    def receive(self, datagram: bytes, now: float) -> None:
        """Take a datagram of the peer's; garbage is dropped without a word."""
        if self.state in _OVER or not 0 < len(datagram) <= LARGEST:
            return
        if not self._expected.fingerprints:
            if len(self._held) < MOST_HELD:
                self._held.append(datagram)
            return
        if self.state is State.NEW and not self._begun(datagram, now):
            return
        if self.state is State.HANDSHAKING:
            self._seen += 1
            if self._seen > MOST:
                self._fail("too many datagrams")
                return
        self._connection.bio_write(datagram)
        self._advance(now)

    def to_send(self) -> list[bytes]:
        """Return the datagrams to send, and forget them."""
        out, self._out = self._out, []
        return out

    def next_timer(self) -> float | None:
        """Return when `on_timer` wants to be called; None when nothing is pending."""
        if self.state is not State.HANDSHAKING or self._deadline is None:
            return None
        return self._deadline if self._next is None else min(self._next, self._deadline)

    def on_timer(self, now: float) -> None:
        """Send again what was lost, where it is time; give up where there was too much of it."""
        if self.state is not State.HANDSHAKING or self._deadline is None:
            return
        if now >= self._deadline:
            self._fail("the peer did not finish the DTLS handshake in time")
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(_why(error))
            return
        self._collect(now)

    def srtp(self) -> "Srtp":
        """Return the SRTP session of the keys agreed on (RFC 5764 §4.2); LocalError before that."""
        if self.state is not State.CONNECTED:
            raise LocalError("no DTLS association")
        suite = _SUITES[self._connection.get_selected_srtp_profile()]
        material = self._connection.export_keying_material(_LABEL, 2 * suite.length)
        keys, salts = material[: 2 * suite.key], material[2 * suite.key :]
        client = keys[: suite.key] + salts[: suite.salt]
        server = keys[suite.key :] + salts[suite.salt :]
        from dragoman.media.srtp import Srtp  # libsrtp is 5 MB

        return Srtp(suite, *((client, server) if self._active else (server, client)))

    def close(self) -> None:
        """End it: an association that stands is told so (close_notify)."""
        if self.state is State.CONNECTED:
            with suppress(SSL.Error):
                self._connection.shutdown()
            self._drain()
        if self.state is not State.FAILED:
            self.state = State.CLOSED
        self._held.clear()

    def _begun(self, datagram: bytes, now: float) -> bool:
        """Begin as server, where that is a ClientHello: nothing else makes us answer."""
        if len(datagram) <= _RECORD or datagram[0] != _HANDSHAKE or datagram[_RECORD] != _HELLO:
            return False
        self._begin(now)
        return True

    def _begin(self, now: float) -> None:
        self.state = State.HANDSHAKING
        self._deadline = now + PATIENCE

    def _advance(self, now: float) -> None:
        try:
            if self.state is State.HANDSHAKING:
                self._connection.do_handshake()
                self._finish()
            while self.state is State.CONNECTED:
                # what comes by DTLS itself is nobody's: only alerts and repetitions matter
                self._connection.recv(LARGEST)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.state = State.CLOSED
        except SSL.Error as error:
            self._drain()
            self._fail(_why(error))
            return
        self._collect(now)

    def _finish(self) -> None:
        """Be connected, if the peer is whom we expect and there is a profile for SRTP."""
        certificate = self._connection.get_peer_certificate()
        if (
            certificate is None
            or not self._expected.matched
            or not self._expected.judge(certificate)
        ):
            self._fail(_STRANGER)
        elif self._connection.get_selected_srtp_profile() not in _SUITES:
            self._fail("the peer wants DTLS without SRTP")
        else:
            self.state = State.CONNECTED

    def _fail(self, why: str) -> None:
        self.state = State.FAILED
        refused = self._expected.fingerprints and why.find("certificate verify failed") >= 0
        self.failure = _STRANGER if refused else why

    def _collect(self, now: float) -> None:
        self._drain()
        left = self._connection.DTLSv1_get_timeout()
        self._next = None if left is None else now + left

    def _drain(self) -> None:
        """Cut what OpenSSL wrote into datagrams: a memory BIO forgets where each ended."""
        try:
            while True:
                self._out += datagrams(self._connection.bio_read(65536))
        except SSL.WantReadError:
            return


_OVER: Final = frozenset({State.FAILED, State.CLOSED})
_STRANGER: Final = "the peer's certificate has none of the fingerprints that were told"


def datagrams(records: bytes) -> list[bytes]:
    """Return whole records in datagrams of at most MTU bytes; one larger record is one alone."""
    found: list[bytes] = []
    start = position = 0
    while position + _RECORD <= len(records):
        end = position + _RECORD + int.from_bytes(records[position + 11 : position + 13], "big")
        if end - start > MTU and position > start:
            found.append(records[start:position])
            start = position
        position = end
    if position > start:
        found.append(records[start:position])
    return found


def matches(certificate: bytes, fingerprints: Sequence[Fingerprint]) -> bool:
    """Tell whether a certificate (DER) has one of the fingerprints of the best hash function told.

    RFC 8122 §5: of several functions the one preferred decides, and SHA-1 only where it is alone.
    """
    told = {function.strip().lower() for function, _ in fingerprints}
    best = next((function for function in HASHES if function in told), None)
    if best is None:
        return False
    digest = hashes.Hash(HASHES[best]())
    digest.update(certificate)
    wanted = digest.finalize().hex(":")
    return any(
        function.strip().lower() == best and value.strip().lower() == wanted
        for function, value in fingerprints
    )


def _why(error: SSL.Error) -> str:
    """Return what OpenSSL says in its own words, in one line."""
    stack = error.args[0] if error.args else []
    words = [entry[-1] for entry in stack if entry and entry[-1]] if isinstance(stack, list) else []
    return "DTLS: " + ("; ".join(words) or type(error).__name__)


def _admit(
    connection: SSL.Connection, certificate: X509, _error: int, depth: int, _well: int
) -> bool:
    """Let the certificate pass that has a fingerprint told; whoever signed it does not matter."""
    expected = connection.get_app_data()
    if not isinstance(expected, _Expected):
        return False
    return depth > 0 or expected.judge(certificate)


@lru_cache(maxsize=8)
def _context(identity: Identity) -> SSL.Context:
    """Return the one context that shows `identity`, in either role."""
    context = SSL.Context(SSL.DTLS_METHOD)
    # DTLS 1.3 has records of another shape, which no peer needs and `datagrams` does not know
    context.set_min_proto_version(_DTLS_1_2)
    context.set_max_proto_version(_DTLS_1_2)
    context.set_options(
        SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU
    )
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(_CIPHERS)
    context.set_tlsext_use_srtp(b":".join(_SUITES))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _admit)
    context.use_certificate(identity.certificate)
    context.use_privatekey(identity.key)
    return context
