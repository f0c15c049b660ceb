"""Fuzz target: any SIP response becomes a stanza error that a stream can carry (RFC 7247 §7.2)."""

from dragoman.mapping.failure import response_error
from dragoman.sip.message import Response, SipError, parse
from dragoman.xmpp.element import to_xml
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import error_reply, message

REST = (
    b"Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n"
)
SEEDS = (
    b"SIP/2.0 301 Moved\r\nContact: <sip:x@y;gr=z>;q=1, <sip:v@w>\r\n" + REST + b"\r\n",
    b"SIP/2.0 503 Busy \xc3\xa9\r\nRetry-After: 120 (lunch);duration=3600\r\n" + REST + b"\r\n",
    b'SIP/2.0 480 No\r\nWarning: 399 gw.example "not\t\\"here\\""\r\n' + REST + b"\r\n",
)
TOKENS = (
    *(
        b"Contact: <sip:x@y>\r\n",
        b"Warning: 399 a ",
        b"Retry-After: ",
        b"302",
        b"699",
        b"Contact: *",
    ),
    *(b"\xe2\x80\xa8", b"\xc2\x85", b"\x0b", b"\xef\xbf\xbf", b"<tel:+1;phone-context=x>", b'"'),
)
STANZA = message("r@b.example", "j@a.example", id="1")


def one_input(data: bytes) -> None:
    try:
        response = parse(data)
    except SipError:
        return
    if not isinstance(response, Response):
        return
    error = response_error(response, by="gw.example", served=lambda host: host == "y")
    if error is None:
        assert response.status < 300
        return
    reply = error_reply(STANZA, error)
    assert reply is not None
    again = parse_document(to_xml(reply).encode())
    assert StanzaError.parse(again).condition is error.condition


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
