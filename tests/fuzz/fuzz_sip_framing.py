"""Fuzz target: a stream of SIP yields the same, whole and cut anyhow (RFC 3261 §18.3)."""

from collections.abc import Iterable

from dragoman.sip.framing import Event, Framer, Ping
from dragoman.sip.message import encode
from tests.fuzz.run import by_bytes, cut_at, one_in

LIMIT = 4096
LARGE = 32768
ONE = (
    b"MESSAGE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TCP a.example;branch=z9hG4bK1\r\n"
    b"Call-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 5\r\n\r\nhello"
)
SEEDS = (
    ONE + b"\r\n\r\n" + ONE + b"SIP/2.0 200 OK\nl: 0\n\n",
    b"\r\n" + ONE.replace(b"5\r\n\r\n", b"5\r\nl: 5\r\n\r\n") + b"\r\n\r\n\r\n" + ONE,
)
TOKENS = (b"\r\n\r\n", b"Content-Length: 0\r\n", b"l: 5\r\n", b"Content-Length:", b"SIP/2.0 ", ONE)


def one_input(data: bytes) -> None:
    whole = outcome([data])
    if one_in(4, data):
        at = cut_at(data)
        assert outcome([data[:at], data[at:]]) == whole
    if by_bytes(data):
        assert outcome(data[at : at + 1] for at in range(len(data))) == whole
        assert outcome(data[at : at + 61] for at in range(0, len(data), 61)) == whole


def outcome(chunks: Iterable[bytes]) -> tuple[list[bytes], str, bytes]:
    """Return what a framer makes of the chunks: events, the error and what would be answered."""
    chunks = list(chunks)
    framer = Framer(max_message=LIMIT if sum(map(len, chunks)) < LARGE else LARGE)
    events: list[Event] = []
    for chunk in chunks:
        events += framer.receive(chunk)
        if framer.error is not None:
            break
    error = framer.error
    shown = [b"ping" if isinstance(event, Ping) else encode(event) for event in events]
    if error is None:
        return shown, "", b""
    return shown, error.reason, encode(error.request) if error.request else b""


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
