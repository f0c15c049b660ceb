"""Fuzz target: a WebSocket yields the same, whole and in pieces (RFC 6455, RFC 7118)."""

from collections.abc import Iterable

from dragoman.net.websocket import SipWebSocket
from dragoman.sip.message import Request, Response
from tests.fuzz.run import by_bytes, one_in

LIMIT = 1024
OPENING = (
    b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)
FRAMES = (
    b"\x01\x83abcd\x32\x2b\x33\x00\x80abcd\x80\x82abcd/0"  # one message in three pieces
    b"\x89\x81abcd\x00\x82\x84abcd\x6c\x68\x6e\x6e\x82\xfe\x00\x80\0\0\0\0" + b"x" * 128
)
SEEDS = (OPENING, OPENING + FRAMES, FRAMES, FRAMES + b"\x88\x82\0\0\0\0\x03\xe8")


def one_input(data: bytes) -> None:
    """Take the input before the handshake or behind it, as it has it; some are cut as well."""
    start = b"" if one_in(2, data) else OPENING
    whole = outcome(start, [data])
    if by_bytes(data):
        assert outcome(start, (data[at : at + 1] for at in range(len(data)))) == whole
    if one_in(8, data):
        assert outcome(start, (data[at : at + 61] for at in range(0, len(data), 61))) == whole


def outcome(
    start: bytes, chunks: Iterable[bytes]
) -> tuple[list[Request | Response | bytes], bytes, str]:
    """Return what a WebSocket makes of the chunks: messages, what it sends, how it ends."""
    socket = SipWebSocket(most=LIMIT)
    if start:
        socket.receive(start, 0.0)
    for chunk in chunks:
        socket.receive(chunk, 0.0)
        assert len(socket._message) <= LIMIT
    return socket.inbox, b"".join(socket.to_send()), socket.violation


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
