"""TLS without sockets (RFC 5246, RFC 8446, RFC 9325): ciphertext in, plaintext out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from dragoman.errors import LocalError, RemoteError
from dragoman.net.certificates import Credentials
from dragoman.net.trust import UNREADABLE, Trust, Use, Verdict, a_label, subject
from dragoman.xmpp.dane import Associations

CHUNK: Final = 65536
HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha-1": hashes.SHA1,
    "sha-224": hashes.SHA224,
    "sha-256": hashes.SHA256,
    "sha-384": hashes.SHA384,
    "sha-512": hashes.SHA512,
}
"""The hash functions of fingerprints (RFC 8122 §5), but for those that are broken: MD5, MD2."""


class TlsError(RemoteError):
    """The peer broke TLS, or closed it without a word; `reason` says how."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a TLS connection: what it showed, and what we think of it.

    `associations` say what the DNS knows of it, where it is an XMPP server found there.
    """

    chain: tuple[x509.Certificate, ...]
    trust: Trust
    wall: Callable[[], datetime]
    use: Use = Use.XMPP
    associations: Associations | None = None

    @property
    def shown(self) -> bool:
        """Whether the peer showed a certificate."""
        return bool(self.chain)

    def vouches(self, domain: str) -> bool:
        """Tell whether the peer's certificate is good for `domain` now."""
        return self.judge(domain).good

    def matches(self, fingerprint: str) -> bool:
        """Tell whether the peer's certificate has this fingerprint, "sha-256 AB:CD..." (RFC 8122).

        It need not be signed by anybody then; False for a hash function that is not known.
        """
        name, _, value = fingerprint.strip().partition(" ")
        algorithm = HASHES.get(name.lower())
        if algorithm is None or not self.chain:
            return False
        return self.chain[0].fingerprint(algorithm()).hex(":") == value.strip().lower()

    def judge(self, domain: str) -> Verdict:
        """Return whether the peer's certificate is good for `domain`, and why not."""
        found = self.associations
        if found is not None and found.domain == a_label(domain):
            return self.trust.judge_by_dns(self.chain, found, self.wall())
        return self.trust.judge(self.chain, domain, self.wall(), self.use)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the server's call-backs choose from, hung on each connection."""

    pick: Callable[[str], Credentials]
    protocols: tuple[bytes, ...]
    server_name: list[str]


class Tls:
    """How this house does TLS: our certificates by name, and the authorities it trusts."""

    def __init__(
        self,
        pick: Callable[[str], Credentials],
        trust: Trust,
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Show what `pick` gives for a domain; judge peers by `trust` at the date `wall` tells."""
        self._pick = pick
        self.trust = trust
        self._wall = wall

    def client(
        self,
        remote: str,
        *,
        local: str = "",
        alpn: Sequence[str] = (),
        use: Use = Use.XMPP,
        associations: Associations | None = None,
    ) -> "TlsEngine":
        """Return an engine that connects to the domain `remote` and shows the one of `local`.

        `associations` are what the DNS says, signed, of the server connected to.
        """
        connection = SSL.Connection(_context(self._pick(local)))
        connection.set_connect_state()
        name = a_label(remote)
        if name.isascii() and 0 < len(name) < 255 and not _is_address(name):
            connection.set_tlsext_host_name(name.encode("ascii"))
        if alpn:
            connection.set_alpn_protos([each.encode("ascii") for each in alpn])
        return TlsEngine(connection, self._peer(use, associations))

    def server(
        self, *, local: str = "", alpn: Sequence[str] = (), use: Use = Use.XMPP
    ) -> "TlsEngine":
        """Return an engine that accepts; without SNI it shows the certificate of `local`."""
        names: list[str] = []
        choice = _Choice(self._pick, tuple(each.encode("ascii") for each in alpn), names)
        connection = SSL.Connection(_context(self._pick(local)))
        connection.set_app_data(choice)
        connection.set_accept_state()
        return TlsEngine(connection, self._peer(use), names)

    def _peer(
        self, use: Use, associations: Associations | None = None
    ) -> Callable[[tuple[x509.Certificate, ...]], Peer]:
        return lambda chain: Peer(chain, self.trust, self._wall, use, associations)


class TlsEngine:
    """One TLS connection between buffers; made by `Tls.client` or `Tls.server`.

    After each `feed` and `write` the driver sends what `take` returns.
    """

    __slots__ = ("_connection", "_judge", "_names", "_over", "_peer", "_waiting", "most_waiting")

    def __init__(
        self,
        connection: SSL.Connection,
        judge: Callable[[tuple[x509.Certificate, ...]], Peer],
        names: list[str] | None = None,
        *,
        most_waiting: int = 1 << 20,
    ) -> None:
        """Run `connection`; at most `most_waiting` bytes wait for the end of the handshake."""
        self._connection = connection
        self._judge = judge
        self._names = names if names is not None else []
        self._peer: Peer | None = None
        self._waiting = bytearray()
        self._over = False
        self.most_waiting = most_waiting

    @property
    def done(self) -> bool:
        """Whether the handshake is complete."""
        return self._peer is not None

    @property
    def over(self) -> bool:
        """Whether the peer said that it will send no more (close_notify)."""
        return self._over

    @property
    def peer(self) -> Peer:
        """Who is at the other end; LocalError before the handshake is complete."""
        if self._peer is None:
            raise LocalError("the TLS handshake is not complete")
        return self._peer

    @property
    def server_name(self) -> str:
        """The domain that the client asked for (SNI), in lower case; empty when it named none."""
        return self._names[0] if self._names else ""

    @property
    def alpn(self) -> str:
        """The protocol agreed on (RFC 7301), empty when there is none."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii", "replace")

    def describe(self) -> dict[str, str]:
        """Return version, cipher, protocol and the subject of the peer's certificate."""
        chain = self._peer.chain if self._peer else ()
        return {
            "version": self._connection.get_protocol_version_name(),
            "cipher": self._connection.get_cipher_name() or "",
            "alpn": self.alpn,
            "subject": subject(chain[0]) if chain else "",
        }

    def start(self) -> None:
        """Begin: a client's first flight is then ready to be taken."""
        self._handshake()

    def feed(self, ciphertext: bytes) -> bytes:
        """Take what the peer sent and return what it means; raise `TlsError`.

        The alert to send for an error is ready to be taken all the same.
        """
        plaintext = b""
        view = memoryview(ciphertext)
        while view:
            # a memory BIO takes what it is given, but nothing says that it must take it all
            view = view[self._connection.bio_write(view[:CHUNK]) :]
            if self._peer is None:
                self._handshake()
            if self._peer is not None:
                plaintext += self._read()
        return plaintext

    def write(self, plaintext: bytes) -> None:
        """Have `plaintext` sent, after the handshake if that is not complete.

        Raises LocalError when more waits than is allowed, TlsError when the connection is over.
        """
        if self._peer is None:
            if len(self._waiting) + len(plaintext) > self.most_waiting:
                raise LocalError("too much waits for the TLS handshake")
            self._waiting += plaintext
            return
        view = memoryview(plaintext)
        while view:
            try:
                view = view[self._connection.send(view[:CHUNK]) :]
            except SSL.Error as error:
                raise TlsError(_why(error)) from error

    def take(self) -> bytes:
        """Return the ciphertext that waits to be sent, and forget it."""
        parts = []
        while True:
            try:
                parts.append(self._connection.bio_read(CHUNK))
            except SSL.WantReadError:
                return b"".join(parts)

    def close(self) -> None:
        """Say that we will send no more (close_notify); harmless when it cannot be said."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return

    def _handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise TlsError(f"TLS handshake: {_why(error)}") from error
        try:
            chain = self._connection.get_peer_cert_chain(as_cryptography=True) or []
            own = self._connection.get_peer_certificate(as_cryptography=True)
        except UNREADABLE as error:
            raise TlsError(f"the peer's certificate does not parse: {error}") from error
        # OpenSSL leaves the peer's own certificate out of the chain on the server's side
        if own is not None and own not in chain[:1]:
            chain = [own, *chain]
        self._peer = self._judge(tuple(chain))
        waiting, self._waiting = bytes(self._waiting), bytearray()
        self.write(waiting)

    def _read(self) -> bytes:
        parts = []
        try:
            while True:
                parts.append(self._connection.recv(CHUNK))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._over = True
        except SSL.Error as error:
            raise TlsError(_why(error)) from error
        return b"".join(parts)


def _is_address(name: str) -> bool:
    """Tell whether `name` is an IP literal, which SNI may not carry (RFC 6066 §3)."""
    return ":" in name or name.replace(".", "").isdigit()


def _why(error: SSL.Error) -> str:
    """Return what OpenSSL says in its own words, in one line."""
    if isinstance(error, SSL.SysCallError):
        return "closed in the middle"
    stack = error.args[0] if error.args else []
    words = [entry[-1] for entry in stack if entry and entry[-1]] if isinstance(stack, list) else []
    return "; ".join(words) or type(error).__name__


def _admit(*_judgement: object) -> bool:
    """Let every certificate pass the handshake: what it is worth is judged per domain, after."""
    return True


def _on_server_name(connection: SSL.Connection) -> None:
    choice = connection.get_app_data()
    name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
    if isinstance(choice, _Choice) and name:
        choice.server_name[:] = [name]
        connection.set_context(_context(choice.pick(name)))


def _on_protocols(connection: SSL.Connection, offered: list[bytes]) -> Any:
    choice = connection.get_app_data()
    if isinstance(choice, _Choice):
        for protocol in choice.protocols:
            if protocol in offered:
                return protocol
    return SSL.NO_OVERLAPPING_PROTOCOLS


@lru_cache(maxsize=64)
def _context(credentials: Credentials) -> SSL.Context:
    """Return the one context that shows `credentials`, in either role."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET)
    # a resumed session has no chain to judge: every connection shows its certificate anew
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER, _admit)
    context.use_privatekey(credentials.key)
    context.use_certificate(credentials.chain[0])
    for certificate in credentials.chain[1:]:
        context.add_extra_chain_cert(certificate)
    context.set_tlsext_servername_callback(_on_server_name)
    context.set_alpn_select_callback(_on_protocols)
    return context
