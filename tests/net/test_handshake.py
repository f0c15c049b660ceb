"""The opening handshake: the example of RFC 7118, and the right status for everything else."""

import pytest

from dragoman.net.handshake import Refusal, accept

# RFC 7118 §4.1
EXAMPLE = (
    b"GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://www.example.com\r\n"
    b"Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PLAIN = EXAMPLE.replace(b"Origin: http://www.example.com\r\n", b"")


def test_the_example_of_rfc_7118() -> None:
    assert accept(EXAMPLE, {"http://www.example.com"}) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    )


@pytest.mark.spec("MSRP-31")
def test_the_example_of_rfc_7977() -> None:
    # RFC 7977 §8.1
    request = (
        b"GET / HTTP/1.1\r\nHost: a.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://www.example.com\r\n"
        b"Sec-WebSocket-Protocol: msrp\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    answer = accept(request, {"https://www.example.com"}, subprotocol="msrp")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert answer.endswith(b"Sec-WebSocket-Protocol: msrp\r\n\r\n")
    with pytest.raises(Refusal, match="does not speak SIP"):
        accept(request, {"https://www.example.com"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET / ", b"GET /any/path?query "),
        (b"Upgrade: websocket", b"UPGRADE:h2c,  WebSocket  "),
        (b"Connection: Upgrade", b"Connection: keep-alive, upgrade"),
        (b"Protocol: sip", b"Protocol: xmpp, sip"),
        (b"Protocol: sip", b"Protocol: xmpp\r\nSec-WebSocket-Protocol: sip"),
        (b"Version: 13", b"Version: 13\r\nContent-Length: 0"),
        (b"Version: 13", b"Version: 13\r\nX: caf\xc3\xa9\t"),
    ],
)
def test_what_is_let_in(old: bytes, new: bytes) -> None:
    assert accept(PLAIN.replace(old, new)).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("old", "new", "status", "says"),
    [
        (b"GET / HTTP/1.1", b"nonsense", 400, b""),
        (b"GET / HTTP/1.1", b"GET / HTTP/1.1\n", 400, b""),
        (b"HTTP/1.1", b"HTTP/1.0", 505, b""),
        (b"HTTP/1.1", b"HTTP/2.0", 505, b""),
        (b"GET ", b"POST ", 405, b"Allow: GET\r\n"),
        (b"Host: sip-ws.example.com\r\n", b"", 400, b""),
        (b"Host:", b"Host: a\r\nHost:", 400, b""),
        (b"Host:", b" folded\r\nHost:", 400, b""),
        (b"Host:", b"Host :", 400, b""),
        (b"Host:", b"X: \0\r\nHost:", 400, b""),
        (b"Upgrade: websocket\r\n", b"", 426, b"Upgrade: websocket\r\n"),
        (b"Connection: Upgrade\r\n", b"", 426, b"Connection: Upgrade, close\r\n"),
        (b"Version: 13", b"Version: 8", 426, b"Sec-WebSocket-Version: 13\r\n"),
        (b"Sec-WebSocket-Version: 13\r\n", b"", 426, b"Sec-WebSocket-Version: 13\r\n"),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"", 400, b""),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ=", 400, b""),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25j\xc3\xa9==", 400, b""),
        (b"Protocol: sip", b"Protocol: xmpp", 400, b""),
        (b"Sec-WebSocket-Protocol: sip\r\n", b"", 400, b""),
        (b"Version: 13", b"Version: 13\r\nContent-Length: 5", 400, b""),
        (b"Version: 13", b"Version: 13\r\nTransfer-Encoding: chunked", 400, b""),
    ],
)
def test_what_is_refused(old: bytes, new: bytes, status: int, says: bytes) -> None:
    assert old in PLAIN
    with pytest.raises(Refusal) as refusal:
        accept(PLAIN.replace(old, new))
    assert refusal.value.status == status
    answer = refusal.value.answer
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert says in answer
    assert answer.endswith(b"Content-Length: 0\r\n\r\n")
    assert b"close" in answer


@pytest.mark.parametrize(
    ("origins", "let_in"),
    [
        ((), False),
        ({"https://www.example.com"}, False),
        ({"http://www.example.com:8080"}, False),
        ({"http://www.example.com"}, True),
        ({"*"}, True),
    ],
)
def test_browsers_are_let_in_for_known_pages_only(origins: set[str], let_in: bool) -> None:
    if let_in:
        assert accept(EXAMPLE, origins)
        return
    with pytest.raises(Refusal) as refusal:
        accept(EXAMPLE, origins)
    assert refusal.value.status == 403
