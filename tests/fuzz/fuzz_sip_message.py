"""Fuzz target: a datagram is a message, or refused with an answer (RFC 3261 §7, §18.3)."""

from dragoman.sip.failure import SipError
from dragoman.sip.message import MAX_MESSAGE, Message, encode, parse, response_to
from tests.fuzz.run import one_in

FIELDS = (
    "via",
    "vias",
    "from_",
    "to",
    "call_id",
    "cseq",
    "max_forwards",
    "content_type",
    "contacts",
    "uri",
)

REQUEST = (
    b"MESSAGE sip:b@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK1;rport\r\n"
    b'From: "A \\"x\\", B" <sip:a@example.net;lr>;tag=1\r\nTo: sip:b@example.com;gr=x\r\n'
    b"Call-ID: 1@a\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n"
    b"Contact: <sip:a@h>;q=1,\r\n sip:c@d\r\n"
    b"Content-Type: text/plain;charset=utf-8\r\nContent-Length: 2\r\n\r\nhi"
)
RESPONSE = (
    b"SIP/2.0 200 OK\nv: SIP / 2.0 / TCP a.example : 5060 ; branch = b , SIP/2.0/UDP c\n"
    b"f: <tel:+12>;tag=1\nt: <im:a@b>;tag=2\ni: x\nCSeq: 2 INVITE\nm: *\nl: 0\n\n"
)
SEEDS = (REQUEST, RESPONSE)


def one_input(data: bytes) -> None:
    try:
        message = parse(data)
    except SipError as error:
        refused(error)
        return
    found = values(message)
    printed = encode(message) if one_in(3, data) else b""
    # Names in full may make a message too long that was not.
    if 0 < len(printed) <= MAX_MESSAGE:
        again = parse(printed)
        assert again.start_line == message.start_line
        assert again.body == message.body
        assert values(again) == found


def refused(error: SipError) -> None:
    """Check that an error which carries a request can be answered."""
    if error.request is not None:
        answer = encode(response_to(error.request, error.status, to_tag="t"))
        assert answer.startswith(b"SIP/2.0 %d " % error.status)


def values(message: Message) -> list[object]:
    """Return every typed field, or the reason why it cannot be read."""
    found: list[object] = []
    for name in FIELDS:
        try:
            found.append(getattr(message, name, None))
        except SipError as error:
            found.append(error.reason)
    return found


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
