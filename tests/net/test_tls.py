"""Two TLS engines in memory, each certificate judged by the other side."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL

from dragoman.errors import LocalError
from dragoman.net.certificates import Credentials, self_signed
from dragoman.net.tls import Tls, TlsEngine, TlsError, _context
from dragoman.net.trust import Trust, Use, dns_names
from dragoman.records import Tlsa
from dragoman.xmpp.dane import Associations
from tests.net.authority import BOTH, NOW, issue

ROOT = issue("Lab CA", ca=True)
MIDDLE = issue("middle", ROOT, ca=True)


def credentials(*names: str) -> Credentials:
    leaf = issue(names[0], MIDDLE, names=names, purposes=BOTH)
    chain = (leaf.certificate, MIDDLE.certificate)
    return Credentials(names, chain, leaf.key, "test", leaf.certificate.not_valid_after_utc)


SHOWN = {name: credentials(name) for name in ("a.example", "b.example", "xn--bcher-kva.example")}


def pick(domain: str) -> Credentials:
    return SHOWN.get(domain, SHOWN["a.example"])


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    return Tls(pick, Trust(tmp_path / "ca.pem"), wall=lambda: NOW)


def shuttle(client: TlsEngine, server: TlsEngine, *, step: int = 1 << 30) -> tuple[bytes, bytes]:
    """Carry ciphertext both ways, `step` bytes at a time; return what client and server read."""
    read = [b"", b""]
    while True:
        moved = False
        for index, (source, sink) in enumerate(((server, client), (client, server))):
            data = source.take()
            for start in range(0, len(data), step):
                moved = True
                read[index] += sink.feed(data[start : start + step])
        if not moved:
            return read[0], read[1]


def pair(tls: Tls, remote: str = "b.example", local: str = "") -> tuple[TlsEngine, TlsEngine]:
    client, server = tls.client(remote, local=local), tls.server()
    client.start()
    server.start()
    return client, server


@pytest.mark.parametrize("step", [1, 7, 1 << 30])
def test_a_connection_whole_and_byte_by_byte(tls: Tls, step: int) -> None:
    client, server = pair(tls)
    assert not client.done
    with pytest.raises(LocalError, match="not complete"):
        _ = client.peer
    shuttle(client, server, step=step)
    assert client.done
    assert server.done
    client.write(b"to the server")
    server.write(b"to the client" * 10000)
    assert shuttle(client, server, step=step) == (b"to the client" * 10000, b"to the server")


@pytest.mark.spec("NET-05")
def test_each_judges_the_other(tls: Tls) -> None:
    client, server = pair(tls, "b.example", local="a.example")
    shuttle(client, server)
    assert client.peer.vouches("b.example")
    assert not client.peer.vouches("a.example")
    assert client.peer.judge("c.example").reason == "it is not for c.example"
    assert server.peer.vouches("a.example")
    assert [dns_names(each) for each in server.peer.chain] == [("a.example",), ()]
    assert [dns_names(each) for each in client.peer.chain] == [("b.example",), ()]


@pytest.mark.spec("NET-40")
def test_what_the_dns_says_of_a_server_decides_about_the_domain_looked_up_and_no_other(
    tls: Tls,
) -> None:
    own = SHOWN["b.example"].chain[0].fingerprint(SHA256())
    for data, good in ((own, True), (bytes(32), False)):
        found = Associations("b.example", "host.example", (Tlsa(3, 0, 1, data),))
        client, server = tls.client("b.example", associations=found), tls.server()
        client.start()
        server.start()
        shuttle(client, server)
        assert client.peer.vouches("b.example") is good
        assert client.peer.vouches("B.example.") is good
        assert not client.peer.vouches("a.example")
        other = replace(found, domain="c.example")
        assert replace(client.peer, associations=other).vouches("b.example")
    assert server.peer.associations is None


@pytest.mark.parametrize(
    ("remote", "name", "shown"),
    [
        ("b.example", "b.example", "b.example"),
        ("B.EXAMPLE", "b.example", "b.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("stranger.example", "stranger.example", "a.example"),
        ("192.0.2.1", "", "a.example"),
        ("2001:db8::1", "", "a.example"),
        ("", "", "a.example"),
        ("\u2603" * 70 + ".example", "", "a.example"),
    ],
)
def test_the_server_shows_the_certificate_of_the_name_asked_for(
    tls: Tls, remote: str, name: str, shown: str
) -> None:
    client, server = pair(tls, remote)
    shuttle(client, server)
    assert server.server_name == name
    assert dns_names(client.peer.chain[0]) == (shown,)


def test_without_sni_the_server_shows_its_local_domain(tls: Tls) -> None:
    client, server = tls.client(""), tls.server(local="b.example")
    client.start()
    shuttle(client, server)
    assert dns_names(client.peer.chain[0]) == ("b.example",)


@pytest.mark.parametrize(
    ("offered", "known", "agreed"),
    [
        (["xmpp-server"], ["xmpp-server"], "xmpp-server"),
        (["h2", "xmpp-server"], ["xmpp-server"], "xmpp-server"),
        (["h2"], ["xmpp-server"], ""),
        ([], ["xmpp-server"], ""),
        (["h2"], [], ""),
    ],
)
def test_protocols(tls: Tls, offered: list[str], known: list[str], agreed: str) -> None:
    client, server = tls.client("b.example", alpn=offered), tls.server(alpn=known)
    client.start()
    shuttle(client, server)
    assert (client.alpn, server.alpn) == (agreed, agreed)
    # the choice of a certificate by name does not undo the choice of a protocol
    assert dns_names(client.peer.chain[0]) == ("b.example",)


def test_a_certificate_that_nobody_vouches_for_does_not_stop_the_handshake(tls: Tls) -> None:
    own = self_signed(["self.example"], NOW)
    stranger = Tls(lambda _: own, tls.trust, wall=lambda: NOW)
    client, server = stranger.client("b.example"), tls.server()
    client.start()
    shuttle(client, server)
    assert server.peer.judge("self.example").reason == "it is self-signed"


def test_a_client_without_a_certificate(tls: Tls) -> None:
    client, server = client_of(plain_context(lambda _: None), tls), tls.server()
    client.start()
    shuttle(client, server)
    assert server.peer.chain == ()
    assert server.peer.judge("a.example").reason == "no certificate was shown"


def test_a_certificate_of_a_version_that_nobody_knows_ends_the_handshake(
    tls: Tls, tmp_path: Path
) -> None:
    shown = issue("v.example", ROOT, names=["v.example"])
    der = shown.certificate.public_bytes(serialization.Encoding.DER)
    der = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x27", 1)
    paths = tmp_path / "v.crt", tmp_path / "v.key"
    paths[0].write_text(ssl.DER_cert_to_PEM_cert(der))
    paths[1].write_bytes(shown.key_pem())

    def use(context: SSL.Context) -> None:
        context.use_certificate_file(str(paths[0]))
        context.use_privatekey_file(str(paths[1]))

    client, server = client_of(plain_context(use), tls), tls.server()
    client.start()
    with pytest.raises(TlsError, match="the peer's certificate does not parse"):
        shuttle(client, server)


def test_the_rules_of_sip_names_are_kept(tls: Tls) -> None:
    wild = Tls(lambda _: credentials("*.b.example"), tls.trust, wall=lambda: NOW)
    for use, good in ((Use.XMPP, True), (Use.SIP, False)):
        client, server = tls.client("x.b.example", use=use), wild.server()
        client.start()
        shuttle(client, server)
        assert client.peer.vouches("x.b.example") is good


def test_what_is_written_early_waits_and_is_bounded(tls: Tls) -> None:
    client, server = pair(tls)
    client.most_waiting = 10
    client.write(b"0123456789")
    with pytest.raises(LocalError, match="too much"):
        client.write(b"x")
    assert shuttle(client, server) == (b"", b"0123456789")


def test_closing(tls: Tls) -> None:
    client, server = pair(tls)
    client.close()
    shuttle(client, server)
    client.write(b"last words")
    client.close()
    assert shuttle(client, server) == (b"", b"last words")
    assert server.over
    assert not client.over
    with pytest.raises(TlsError):
        client.write(b"more")


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x00" * 100, b"<stream:stream"],
)
def test_what_is_no_tls_is_refused_with_a_reason(tls: Tls, garbage: bytes) -> None:
    server = tls.server()
    with pytest.raises(TlsError, match=r"TLS handshake: \S") as caught:
        server.feed(garbage)
    assert "\n" not in caught.value.reason


def test_garbage_after_the_handshake(tls: Tls) -> None:
    client, server = pair(tls)
    shuttle(client, server)
    with pytest.raises(TlsError):
        server.feed(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert server.take()  # the alert


def plain_context(change: Callable[[SSL.Context], None]) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    change(context)
    return context


def client_of(context: SSL.Context, tls: Tls) -> TlsEngine:
    connection = SSL.Connection(context)
    connection.set_connect_state()
    return TlsEngine(connection, tls.client("")._judge)


def old(context: SSL.Context) -> None:
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_max_proto_version(SSL.TLS1_1_VERSION)


def only_1_2(context: SSL.Context) -> None:
    context.set_max_proto_version(SSL.TLS1_2_VERSION)


def test_tls_before_1_2_is_refused(tls: Tls) -> None:
    shown = credentials("old.example")
    # at its default level OpenSSL has no cipher for the old versions: ours must not need that
    _context(shown).set_cipher_list(b"ALL:@SECLEVEL=0")
    client = client_of(plain_context(old), tls)
    server = Tls(lambda _: shown, tls.trust, wall=lambda: NOW).server()
    client.start()
    with pytest.raises(TlsError, match="unsupported protocol"):
        server.feed(client.take())
    assert not server.done


def test_tls_1_2_works_and_renegotiation_is_refused(tls: Tls) -> None:
    client, server = client_of(plain_context(only_1_2), tls), tls.server()
    client.start()
    shuttle(client, server)
    assert server.describe()["version"] == "TLSv1.2"
    client._connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        client._connection.do_handshake()
    assert server.feed(client.take()) == b""
    with pytest.raises(TlsError, match="no renegotiation"):
        client.feed(server.take())


def test_a_server_cannot_have_our_client_renegotiate(tls: Tls) -> None:
    context = plain_context(only_1_2)
    context.use_privatekey(SHOWN["b.example"].key)
    context.use_certificate(SHOWN["b.example"].chain[0])
    connection = SSL.Connection(context)
    connection.set_accept_state()
    client, server = tls.client("b.example"), TlsEngine(connection, tls.client("")._judge)
    client.start()
    shuttle(client, server)
    connection.renegotiate()
    connection.do_handshake()
    assert client.feed(server.take()) == b""
    with pytest.raises(TlsError, match="no renegotiation"):
        server.feed(client.take())


def test_a_session_is_never_resumed(tls: Tls) -> None:
    context = plain_context(only_1_2)
    client, server = client_of(context, tls), tls.server()
    client.start()
    shuttle(client, server)
    session = client._connection.get_session()
    assert session is not None
    client, server = client_of(context, tls), tls.server()
    client._connection.set_session(session)
    client.start()
    shuttle(client, server)
    assert client.peer.chain


def test_describe(tls: Tls) -> None:
    client, server = pair(tls)
    assert client.describe()["subject"] == ""
    shuttle(client, server)
    described = client.describe()
    assert described.pop("cipher")
    assert described == {"version": "TLSv1.3", "alpn": "", "subject": "CN=b.example"}


@pytest.mark.spec("MSRP-29")
def test_fingerprints(tls: Tls) -> None:
    client, server = pair(tls)
    shuttle(client, server)
    certificate, peer = client.peer.chain[0], client.peer
    sha256 = certificate.fingerprint(hashes.SHA256()).hex(":")
    assert peer.matches(f"sha-256 {sha256.upper()}")
    assert peer.matches(f" SHA-256  {sha256} ")
    assert peer.matches(f"sha-512 {certificate.fingerprint(hashes.SHA512()).hex(':')}")
    assert not peer.matches(f"sha-1 {sha256}")
    assert not peer.matches(f"md5 {certificate.fingerprint(hashes.MD5()).hex(':')}")  # noqa: S303
    for text in ("", "sha-256", "sha-256 " + sha256.replace(":", ""), sha256):
        assert not peer.matches(text)
    assert not replace(peer, chain=()).matches(f"sha-256 {sha256}")
