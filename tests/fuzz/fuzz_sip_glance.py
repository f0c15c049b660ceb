"""Whatever a datagram holds: a glance never fails, and no answer made of it breaks the framing."""

from dragoman.sip.glance import glance, kind_of, transaction_of
from dragoman.sip.guard import Guard, Rules
from dragoman.sip.message import Response, SipError, parse

SOURCE = ("203.0.113.66", 5060)
HEAD = (
    b"Via: SIP/2.0/UDP h.example:5061;rport;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n"
    b'From: "A" <sip:a@b.example>;tag=1\r\nTo: <sip:c@d.example>\r\nCall-ID: x\r\n'
)
SEEDS = (
    b"MESSAGE sip:c@d.example SIP/2.0\r\n" + HEAD + b"CSeq: 1 MESSAGE\r\n\r\nhello",
    b"OPTIONS sip:100@192.0.2.1 SIP/2.0\r\n"
    + HEAD
    + b"CSeq: 1 OPTIONS\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n",
    (
        b"INVITE sip:c@d.example SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKb\r\nf: sip:a@b\r\n"
        b"t: sip:c@d\r\ni: y\r\nCSeq: 2 INVITE\r\nP-Asserted-Identity: <sip:z@y.example>\r\n\r\n"
    ),
    b"SIP/2.0 200 OK\r\n" + HEAD + b"CSeq: 1 MESSAGE\r\n\r\n",
)


def one_input(data: bytes) -> None:
    kind_of(data)
    transaction_of(data)
    seen = glance(data)
    if seen is not None and (via := seen.via()) is not None:
        answer = seen.answer(403, f"{len(via[0])}", SOURCE)
        assert answer is None or answer.data.count(b"\r\n\r\n") == 1
    guard = Guard(Rules(), lambda _: False, lambda *_: "t", lambda *_: False, lambda *_: False)
    guard.refused(SOURCE[0], seen.domain if seen is not None else "x", 9.0)
    found = guard.look(data, SOURCE, 1.0)
    if found is not None and found.data and b"\x00" not in data:
        assert isinstance(_readable(found.data), Response | None)


def _readable(data: bytes) -> object:
    """Return the answer as read: what was copied may be as unreadable as it came."""
    try:
        return parse(data)
    except SipError:
        return None


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
