"""Fuzz target: a stream of MSRP yields the same, whole and cut anyhow (RFC 4975 §7.1, §9)."""

from collections.abc import Iterable

from dragoman.msrp.framing import Flag, Framer
from dragoman.msrp.message import ByteRange, Malformed, Request, Response
from dragoman.msrp.uri import Path
from tests.fuzz.run import by_bytes, cut_at, one_in

PATHS = (
    b"To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n"
    b"From-Path: msrps://r.example:1/a;tcp msrp://alice@[2001:db8::1]:7777/iau39soe2843z;ws;a=b\r\n"
)
SEND = (
    b"MSRP d93kswow SEND\r\n" + PATHS + b"Message-ID: 12339sdqwer\r\nByte-Range: 1-16/16\r\n"
    b"Success-Report: yes\r\nFailure-Report: no\r\nContent-Disposition: render\r\n"
    b"Content-Type: text/plain\r\n\r\nHi, I'm Alice!\r\n\r\n-------d93kswow$\r\n"
)
REPORT = (
    b"MSRP dkei38sd REPORT\r\n" + PATHS + b"Message-ID: 4564dpWd\r\nByte-Range: 1-*/8\r\n"
    b"Status: 000 200 OK\r\n-------dkei38sd$\r\n"
)
OK = b"MSRP d93kswow 200 OK\r\n" + PATHS + b"-------d93kswow$\r\n"
SEEDS = (SEND + REPORT + OK, OK + SEND.replace(b"$\r\n", b"+\r\n"), REPORT + SEND + SEND)
TOKENS = (
    b"\r\n-------d93kswow$\r\n", b"\r\n-------d93kswow", b"-------", b"-------dkei38sd+\r\n", b"#",
    b"MSRP ", b"d93kswow", b" SEND\r\n", b" AUTH\r\n", b" 413 x\r\n", b"Byte-Range: 1-0/0\r\n",
    b"Byte-Range: 5-*/*\r\n", b"To-Path: ", b"From-Path: ", b"msrp://", b"msrps://a:1/b;tcp",
    b";tcp", b"Content-Type: a/b\r\n\r\n", b"Message-ID: x\r\n", SEND, OK,
)  # fmt: skip


def one_input(data: bytes) -> None:
    whole = outcome([data])
    if one_in(4, data):
        at = cut_at(data)
        assert outcome([data[:at], data[at:]]) == whole
    if by_bytes(data):
        assert outcome(data[at : at + 1] for at in range(len(data))) == whole
        assert outcome(data[at : at + 61] for at in range(0, len(data), 61)) == whole


def outcome(chunks: Iterable[bytes]) -> tuple[list[str | bytes], bool]:
    """Return what a framer makes of the chunks, bodies joined, and whether it gave up."""
    framer = Framer()
    shown: list[str | bytes] = []
    for chunk in chunks:
        for item in framer.receive(chunk):
            if not isinstance(item, bytes):
                shown.append(described(item))
            elif shown and isinstance(shown[-1], bytes):
                shown[-1] += item
            else:
                shown.append(item)
        if framer.error is not None:
            return shown, True
        assert len(framer._rest) <= 8192 + len(chunk)
    return shown, False


def described(item: Request | Response | Malformed | Flag) -> str:
    """Return what there is of a head or an end; what is printed of it must read alike."""
    if isinstance(item, Flag):
        return item.value
    for path in (item.to_path, item.from_path):
        assert Path.parse(str(path)) == path
    if isinstance(item, Request) and item.byte_range is not None:
        assert ByteRange.parse(str(item.byte_range)) == item.byte_range
    if isinstance(item, Malformed):
        return f"{item.transaction_id} {item.from_path} {item.error}"
    return repr(item)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
